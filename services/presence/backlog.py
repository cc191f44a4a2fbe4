"""Writes that wait for the broker: the newest for each key, some at once, again and again until it has them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

from shared.broker.connection import BROKER_ERRORS
from shared.runtime import logs

K = TypeVar("K")
V = TypeVar("V")

LIMIT: Final = 200_000
PAUSE_S: Final = 0.2

_log = logs.get(__name__)


class Backlog(Generic[K, V]):
    """What is to be written; `run` it.

    `write` is called with up to `batch` keys, `at_once` times at once. When `limit` keys wait the oldest is dropped,
    and `dropped` counts it.
    """

    def __init__(
        self, write: Callable[[Mapping[K, V]], Awaitable[None]], *, batch: int, at_once: int, limit: int = LIMIT
    ) -> None:
        self.dropped = 0
        self._write = write
        self._batch = batch
        self._at_once = at_once
        self._limit = limit
        self._waiting: OrderedDict[K, V] = OrderedDict()
        self._flying: dict[K, V] = {}
        self._arrived = asyncio.Event()
        self._landed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    def put(self, key: K, value: V, *, first: bool = False) -> None:
        """Have something written instead of what waits under its key, before all others if it is `first`."""
        self._waiting[key] = value
        if first:
            self._waiting.move_to_end(key, last=False)
        elif len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
            self.dropped += 1
        self._arrived.set()

    def get(self, key: K) -> V | None:
        """Return what is not surely written yet under a key."""
        return self._waiting.get(key, self._flying.get(key))

    async def written(self, key: K) -> None:
        """Wait until nothing is to be written under a key any more."""
        await self._until(lambda: key not in self._waiting and key not in self._flying)

    async def emptied(self) -> None:
        """Wait until nothing is to be written at all."""
        await self._until(lambda: not len(self))

    def clear(self) -> None:
        """Let everything be that is not on its way."""
        self._waiting.clear()

    async def run(self) -> None:
        """Write until cancelled; what was on its way then is to be written again."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._at_once):
                tasks.create_task(self._work())

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._landed.clear()
            await self._landed.wait()

    async def _work(self) -> None:
        while True:
            free = islice((key for key in self._waiting if key not in self._flying), self._batch)
            batch = {key: self._waiting[key] for key in free}
            if not batch:  # nothing, or only what is on its way in an older form
                self._arrived.clear()
                await self._arrived.wait()
                continue
            is_written = False
            self._take(batch)
            try:
                await self._write(batch)
                is_written = True
            except BROKER_ERRORS as error:
                _log.debug("write_failed", error=repr(error))
            finally:
                self._land(batch, is_written=is_written)
            if not is_written:
                await asyncio.sleep(PAUSE_S)

    def _take(self, batch: Mapping[K, V]) -> None:
        self._flying |= batch
        for key in batch:
            del self._waiting[key]

    def _land(self, batch: Mapping[K, V], *, is_written: bool) -> None:
        for key, value in batch.items():
            del self._flying[key]
            if not is_written:
                self._waiting.setdefault(key, value)
        self._arrived.set()
        self._landed.set()
