"""Writes that wait for the broker: none lost while there is room, none older after a newer."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from services.presence.backlog import Backlog


class Shelf:
    """Where things are written to: slow, or away."""

    def __init__(self) -> None:
        """Begin open."""
        self.written: list[dict[str, int]] = []
        self.failures = 0
        self.opened = asyncio.Event()
        self.opened.set()

    async def write(self, batch: Mapping[str, int]) -> None:
        """Write when open; fail as often as told."""
        await self.opened.wait()
        if self.failures:
            self.failures -= 1
            raise TimeoutError
        self.written.append(dict(batch))

    @property
    def content(self) -> dict[str, int]:
        """What came of all writes."""
        return {key: value for batch in self.written for key, value in batch.items()}


async def finished(backlog: Backlog[str, int]) -> None:
    running = asyncio.ensure_future(backlog.run())
    async with asyncio.timeout(5):
        await backlog.emptied()
    running.cancel()
    await asyncio.wait([running])


async def test_only_the_newest_is_written_in_batches_and_what_is_urgent_before_all() -> None:
    shelf = Shelf()
    backlog = Backlog(shelf.write, batch=2, at_once=1)
    for key, value in [("a", 1), ("b", 2), ("a", 3)]:
        backlog.put(key, value)
    backlog.put("c", 4, first=True)
    assert (len(backlog), backlog.get("a"), backlog.get("z")) == (3, 3, None)
    await finished(backlog)
    assert shelf.written == [{"c": 4, "a": 3}, {"b": 2}]


async def test_what_fails_is_written_again_unless_something_newer_came() -> None:
    shelf = Shelf()
    shelf.failures = 3
    backlog = Backlog(shelf.write, batch=1, at_once=2)
    backlog.put("a", 1)
    backlog.put("b", 2)
    await finished(backlog)
    assert shelf.content == {"a": 1, "b": 2}


async def test_nothing_older_overtakes_and_a_key_counts_as_written_with_its_newest_value() -> None:
    shelf = Shelf()
    backlog = Backlog(shelf.write, batch=1, at_once=4)
    shelf.opened.clear()
    running = asyncio.ensure_future(backlog.run())
    backlog.put("a", 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    backlog.put("a", 2)
    waiting = asyncio.ensure_future(backlog.written("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    shelf.opened.set()
    async with asyncio.timeout(5):
        await waiting
    assert shelf.written == [{"a": 1}, {"a": 2}]
    running.cancel()
    await asyncio.wait([running])


async def test_what_was_on_its_way_when_writing_ended_is_written_the_next_time() -> None:
    shelf = Shelf()
    shelf.opened.clear()
    backlog = Backlog(shelf.write, batch=5, at_once=1)
    backlog.put("a", 1)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await backlog.run()
    assert backlog.get("a") == 1
    shelf.opened.set()
    await finished(backlog)
    assert shelf.content == {"a": 1}


async def test_the_oldest_is_dropped_and_counted_when_too_many_wait() -> None:
    shelf = Shelf()
    backlog = Backlog(shelf.write, batch=5, at_once=1, limit=2)
    for number, key in enumerate("abc"):
        backlog.put(key, number)
    assert backlog.dropped == 1
    await finished(backlog)
    assert shelf.content == {"b": 1, "c": 2}
