"""Opening: what waited too long in memory becomes an entry, many in one transaction."""

import asyncio
import time
from functools import partial
from typing import Final

import structlog

from services.delivery.domain.retry import Key
from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.patience import AT_ONCE, PER_S, patiently, slices
from services.delivery.retries.schedules import Schedules
from services.delivery.retries.tracker import Tracker
from services.delivery.store import RetryStore
from shared.runtime.clock import now_ms

LOOK_EVERY_S: Final = 0.2

log = structlog.get_logger("retries")


class Opening:
    """Opens entries, at most 500 a second; `run` it."""

    def __init__(self, tracker: Tracker, store: RetryStore, schedules: Schedules, counts: RetryCounts) -> None:
        self._tracker = tracker
        self._store = store
        self._schedules = schedules
        self._counts = counts
        self._dropped = 0

    async def open(self, keys: list[Key]) -> int:
        """Open entries for those who still lack something; returns how many there were."""
        opened = 0
        for part in slices(keys):
            wakes = await patiently(partial(self._store.open, part, now_ms()))
            self._counts.opened(len(wakes))
            await self._schedules.add(wakes)
            opened += len(wakes)
            await asyncio.sleep(len(part) / PER_S)
        return opened

    async def run(self) -> None:
        """Look at the tracker until cancelled."""
        while True:
            try:
                self._count_dropped()
                while expired := self._tracker.take_expired(time.monotonic(), AT_ONCE):
                    await self.open(expired)
            except Exception:  # top of a task: the sweep finds what was lost
                log.exception("opening_failed")
            await asyncio.sleep(LOOK_EVERY_S)

    def _count_dropped(self) -> None:
        dropped = self._tracker.dropped
        self._counts.dropped(dropped - self._dropped)
        self._dropped = dropped
