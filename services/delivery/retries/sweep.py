"""The sweep: finds again what a crash, a full tracker or a lost schedule left without anybody who sees to it."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from services.delivery.domain.retry import Key, Wake
from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.opening import Opening
from services.delivery.retries.patience import AWAY
from services.delivery.retries.schedules import Schedules
from services.delivery.store import RetryStore
from shared.broker.connection import Connection
from shared.contracts.retries import RetrySettings
from shared.runtime.clock import now_ms
from shared.runtime.logs import brief

T = TypeVar("T")

EVERY_S: Final = 60.0
SETTLE_S: Final = 2.0
"""How long after a reconnect to the broker it begins: schedules may be gone, but most will just be late."""
OVERDUE_S: Final = 5.0
KEEP_ATTEMPTS_S: Final = 30 * 86_400
MEMBERS_AT_ONCE: Final = 2000
ROWS_AT_ONCE: Final = 500
REST: Final = 2
"""How many times as long as a look at the database took, it is left alone."""

log = structlog.get_logger("retries")


class Sweep:
    """Goes through members and entries at start, every minute and after a reconnect, in chunks; `run` it."""

    def __init__(
        self,
        connection: Connection,
        store: RetryStore,
        opening: Opening,
        schedules: Schedules,
        settings: RetrySettings,
        counts: RetryCounts,
    ) -> None:
        self.done_at = 0.0
        self._connection = connection
        self._store = store
        self._opening = opening
        self._schedules = schedules
        self._wait_ms = round(settings.retry_after_s * 1000)
        self._counts = counts
        self._disturbed = asyncio.Event()

    async def run(self) -> None:
        """Sweep until cancelled."""
        self._connection.on_reconnect.append(self._disturbed.set)
        pause = min(EVERY_S, self._wait_ms / 1000)  # by then what an earlier process had in mind has waited enough
        try:
            while True:
                self._disturbed.clear()
                if not await self._try():
                    await asyncio.sleep(SETTLE_S)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause * random.uniform(1.0, 1.1)):  # noqa: S311
                        await self._disturbed.wait()
                    await asyncio.sleep(SETTLE_S)
                pause = EVERY_S
        finally:
            self._connection.on_reconnect.remove(self._disturbed.set)

    async def _try(self) -> bool:
        begun = time.monotonic()
        try:
            await self._sweep()
        except AWAY as error:
            log.debug("sweep_waits", reason=brief(error))
            return False
        except Exception:  # top of a task: the next one may go better
            log.exception("sweep_failed")
        self._counts.swept(time.monotonic() - begun)
        self.done_at = time.monotonic()
        return True

    async def _sweep(self) -> None:
        late = await self._schedule_overdue()
        opened = await self._open_forgotten()
        await self._delete_old()
        self._counts.entries(await self._store.counts())
        if late or opened:
            log.info("sweep_found", overdue=late, opened=opened)

    async def _schedule_overdue(self) -> int:
        """Schedule again what should have been woken a while ago."""
        count = 0
        after: Wake | None = None
        before_ms = now_ms() - round(OVERDUE_S * 1000)
        while wakes := await self._restfully(partial(self._store.overdue, after, before_ms, ROWS_AT_ONCE)):
            await self._schedules.add(wakes)
            count += len(wakes)
            after = wakes[-1]
        return count

    async def _open_forgotten(self) -> int:
        """Open entries for members whom nobody has tried to reach though something waits for them."""
        count = 0
        after: Key | None = None
        before_ms = now_ms() - self._wait_ms
        while True:
            look = partial(self._store.undelivered, after, before_ms, MEMBERS_AT_ONCE)
            forgotten, after = await self._restfully(look)
            count += await self._opening.open(forgotten)
            if after is None:
                return count

    async def _delete_old(self) -> None:
        before_ms = now_ms() - KEEP_ATTEMPTS_S * 1000
        while await self._restfully(partial(self._store.delete_attempts, before_ms, ROWS_AT_ONCE)) == ROWS_AT_ONCE:
            pass
        after = await self._restfully(partial(self._store.delete_gone, None, ROWS_AT_ONCE))
        while after is not None:
            after = await self._restfully(partial(self._store.delete_gone, after, ROWS_AT_ONCE))

    async def _restfully(self, look: Callable[[], Awaitable[T]]) -> T:
        """Look at the database, then leave it alone for longer than that took."""
        begun = time.monotonic()
        found = await look()
        await asyncio.sleep(REST * (time.monotonic() - begun))
        return found
