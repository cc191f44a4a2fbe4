"""Attempts: what is woken is decided on and stored, then scheduled again, then told; only then is the wake-up done."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

import msgspec
import structlog

from services.delivery.domain.retry import Key, Tried, Wake
from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.patience import AT_ONCE, PER_S, patiently
from services.delivery.retries.schedules import Schedules, read_wake
from services.delivery.store import RetryStore
from shared.broker.work import Work, WorkQueue
from shared.contracts.events import Announcement
from shared.contracts.frames import ResyncFrame, StatusFrame, rfc3339
from shared.contracts.ids import MessageId
from shared.contracts.retries import RetrySettings
from shared.runtime.clock import now_ms

EVERY_S: Final = 0.1
"""How often there is a transaction at most: wake-ups that trickle in go together."""

log = structlog.get_logger("retries")

_json = msgspec.json.Encoder().encode


class Telling(Protocol):
    """What this needs of the announcer."""

    async def tell(self, announcements: Sequence[Announcement]) -> None:
        """Announce frames that come of no command."""


class Attempts:
    """Carries out what wake-ups ask for, in batches, at most 500 entries a second; `run` it."""

    def __init__(
        self,
        queue: WorkQueue,
        store: RetryStore,
        schedules: Schedules,
        announcer: Telling,
        settings: RetrySettings,
        counts: RetryCounts,
    ) -> None:
        self._queue = queue
        self._store = store
        self._schedules = schedules
        self._announcer = announcer
        self._settings = settings
        self._counts = counts

    async def run(self) -> None:
        """Work until cancelled."""
        async with self._queue:
            while True:
                works = await self._queue.take(AT_ONCE)
                begun = time.monotonic()
                try:
                    await self._wake(works)
                    await self._queue.done(works)
                except Exception:  # top of a task: it is handed out again
                    log.exception("wake_ups_failed", entries=len(works))
                await asyncio.sleep(max(EVERY_S, len(works) / PER_S) - (time.monotonic() - begun))

    async def _wake(self, works: Sequence[Work]) -> None:
        wakes: dict[Key, Wake] = {}
        for work in works:
            with contextlib.suppress(ValueError):  # nobody can do anything with it: it is done
                wake = read_wake(work.subject, work.payload)
                wakes[wake.key] = wake
        woken = await patiently(partial(self._store.wake, wakes, now_ms(), random.random, self._settings))
        parked = sum(tried.outcome == "failed" for tried in woken.tried)
        self._counts.woken(
            attempts=len(woken.tried) - parked, parked=parked, closed=woken.closed, lags_ms=woken.lags_ms
        )
        await self._schedules.make(woken.schedules)
        if woken.tried:
            await self._tell(woken.tried)

    async def _tell(self, all_tried: Sequence[Tried]) -> None:
        announcements: list[Announcement] = []
        for tried, messages in await patiently(partial(self._store.told_of, all_tried)):
            user_id, conversation_id = tried.key
            if tried.outcome == "retrying":
                resync: ResyncFrame = {"type": "resync", "conversation_id": conversation_id, "reason": "gap"}
                announcements.append(Announcement((user_id,), conversation_id, 0, _json(resync)))
            for sender_id, message_id in messages:
                frame = _json(status_frame(tried, message_id, self._settings.max_retries))
                announcements.append(Announcement((sender_id,), conversation_id, 0, frame))
        await patiently(partial(self._announcer.tell, announcements))


def status_frame(tried: Tried, message_id: MessageId, max_retries: int) -> StatusFrame:
    """Lay out for a sender how the attempts to reach a recipient go."""
    frame: StatusFrame = {
        "type": "message_status",
        "message_id": message_id,
        "conversation_id": tried.key.conversation_id,
        "status": tried.outcome,
        "at": rfc3339(tried.at_ms),
        "user": tried.username,
        "up_to_seq": tried.up_to_seq,
        "retry_count": tried.attempt,
        "max_retries": max_retries,
    }
    if tried.outcome == "retrying":
        frame["next_retry_at"] = rfc3339(tried.next_at_ms)
    else:
        frame["reason"] = tried.reason
    return frame
