"""Writes that wait for the broker: the newest for each key, so many at once, again and again until it has them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from shared.broker.connection import BROKER_ERRORS
from shared.runtime import logs

K = TypeVar("K")
V = TypeVar("V")

LIMIT: Final = 200_000
PAUSE_S: Final = 0.2

_log = logs.get(__name__)


class Backlog(Generic[K, V]):
    """What is to be written; `run` it. When `limit` keys wait the oldest is dropped, and `dropped` counts it."""

    def __init__(self, write: Callable[[K, V], Awaitable[object]], *, at_once: int, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._write = write
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
            key = next((key for key in self._waiting if key not in self._flying), None)
            if key is None:  # nothing, or only what is on its way in an older form
                self._arrived.clear()
                await self._arrived.wait()
                continue
            value = self._flying[key] = self._waiting.pop(key)
            is_written = False
            try:
                await self._write(key, value)
                is_written = True
            except BROKER_ERRORS as error:
                _log.debug("write_failed", error=repr(error))
            finally:
                del self._flying[key]
                if not is_written:
                    self._waiting.setdefault(key, value)
                self._arrived.set()
                self._landed.set()
            if not is_written:
                await asyncio.sleep(PAUSE_S)
