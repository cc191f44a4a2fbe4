"""A session over the log, with a reader, a handler and an announcer made for the test."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.delivery import reader as reader_module
from services.delivery.domain.values import Outcome, Refused
from services.delivery.reader import Session
from services.delivery.store import Advance, Place
from shared.broker.log import Bundle
from shared.contracts.commands import Origin
from shared.contracts.errors import Code
from shared.contracts.ids import GatewayId, LogId

LOG = LogId("log")


class Progress:
    """What a session reports to."""

    def __init__(self, *places: Place) -> None:
        self.problem = ""
        self.positions = dict(enumerate(places))


class Reader:
    """A reader that is fed by hand."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.has_more = False
        self.queued: list[Bundle] = []

    def feed(self, *bundles: Bundle) -> None:
        """Let bundles arrive."""
        self.queued += bundles
        self.arrived.set()

    async def take(self, max_bytes: int) -> list[Bundle]:
        """Hand over all."""
        taken, self.queued = self.queued, []
        return taken


class Parts:
    """Handler and announcer: write down what happens, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, bundles: Sequence[Bundle], applied: dict[int, int], advance: Advance) -> list[Outcome]:
        """Make one outcome of each bundle."""
        self.events.append(("begin", [b.seq for b in bundles], dict(advance.moves)))
        await self.gate.wait()
        self.events.append(("committed", [b.seq for b in bundles]))
        return [Refused(Origin(GatewayId("g"), b.seq), Code.INTERNAL, "") for b in bundles]

    async def announce(self, outcomes: Sequence[Outcome]) -> None:
        """Note what is told."""
        if outcomes:
            self.events.append(("told", [outcome.origin.ref for outcome in outcomes]))

    async def confirm(self) -> bool:
        """Everything is heard."""
        return True

    def told(self) -> list[int]:
        """List all that was told."""
        return [seq for event in self.events if event[0] == "told" for seq in event[1]]

    def announced(self) -> list[dict[int, int]]:
        """List the announced positions that were written."""
        return [{p: move[2] for p, move in event[2].items()} for event in self.events if event[0] == "begin"]


async def until(condition: Any) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any condition will do
            await asyncio.sleep(0.005)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a second short."""
    monkeypatch.setattr(reader_module, "IDLE_S", 0.02)


async def run(progress: Progress, reader: Reader, parts: Parts) -> asyncio.Task[None]:
    """Start a session."""
    session = Session(progress, reader, LOG, parts, parts)
    return asyncio.ensure_future(session.run())


async def stop(task: asyncio.Task[None]) -> None:
    """End a session."""
    task.cancel()
    await asyncio.wait({task})


async def test_what_is_applied_but_not_announced_stays_so_until_it_was_read_and_told(quick: None) -> None:
    progress, reader, parts = Progress(Place(LOG, 10, 4)), Reader(), Parts()
    task = await run(progress, reader, parts)
    await asyncio.sleep(0.1)  # several idle turns before the reader brings anything
    assert parts.announced() == []
    reader.feed(Bundle(0, 7, b""))
    await until(lambda: parts.told() == [7])
    await until(lambda: {0: 7} in parts.announced())
    assert max(written[0] for written in parts.announced()) == 7, "8 to 10 were applied, and never told by anybody"
    reader.feed(Bundle(0, 10, b""))
    await until(lambda: {0: 10} in parts.announced())
    await stop(task)


async def test_a_batch_is_told_while_the_next_one_is_committed_and_in_order(quick: None) -> None:
    progress, reader, parts = Progress(Place(LOG, 0, 0)), Reader(), Parts()
    task = await run(progress, reader, parts)
    parts.gate.clear()
    reader.feed(Bundle(0, 1, b""))
    await until(lambda: parts.events)
    reader.feed(Bundle(0, 2, b""))
    parts.gate.set()
    await until(lambda: parts.told() == [1, 2])
    kinds = [(event[0], event[1]) for event in parts.events if event[1]]
    assert kinds.index(("begin", [2])) < kinds.index(("told", [1])) or kinds.index(("told", [1])) == 2
    assert kinds.index(("committed", [1])) < kinds.index(("told", [1]))
    assert kinds.index(("committed", [2])) < kinds.index(("told", [2]))
    await stop(task)


async def test_the_last_batch_is_told_at_once_when_nothing_follows() -> None:
    progress, reader, parts = Progress(Place(LOG, 0, 0)), Reader(), Parts()
    task = await run(progress, reader, parts)
    reader.feed(Bundle(0, 1, b""))
    async with asyncio.timeout(0.5):  # well under the second of an idle turn
        await until(lambda: parts.told() == [1])
    await stop(task)


async def test_a_session_that_is_stopped_waits_for_its_transaction(quick: None) -> None:
    progress, reader, parts = Progress(Place(LOG, 0, 0)), Reader(), Parts()
    task = await run(progress, reader, parts)
    parts.gate.clear()
    reader.feed(Bundle(0, 1, b""))
    await until(lambda: parts.events)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done()
    parts.gate.set()
    await asyncio.wait({task}, timeout=2)
    assert ("committed", [1]) in [event[:2] for event in parts.events]
