"""All of retries, wired: takes notes of what is stored, runs what comes of them, answers for its entries."""

import asyncio
import time
from collections.abc import Sequence

from services.delivery.domain.values import Outcome
from services.delivery.retries.attempts import Attempts, Telling
from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.opening import Opening
from services.delivery.retries.redrives import USERS_WAITING, Redrives
from services.delivery.retries.schedules import WAITING, Schedules
from services.delivery.retries.sweep import Sweep
from services.delivery.retries.tracker import LIMIT as TRACKED
from services.delivery.retries.tracker import Tracker
from services.delivery.store import RetryStore
from shared.broker.connection import Connection
from shared.broker.streams import DUE_CONSUMER
from shared.broker.work import ROOM, WorkQueue
from shared.contracts import subjects
from shared.contracts.retries import RetrySettings


class Retries:
    """Retries of one delivery, any number of which may run at once: `note` every batch, `run` the rest.

    `redrives` answers the questions about entries.
    """

    def __init__(
        self,
        connection: Connection,
        store: RetryStore,
        announcer: Telling,
        settings: RetrySettings,
        counts: RetryCounts,
    ) -> None:
        self._tracker = Tracker(settings.retry_after_s)
        self._queue = WorkQueue(connection, subjects.RETRY_STREAM, DUE_CONSUMER)
        self._schedules = Schedules(connection)
        self._opening = Opening(self._tracker, store, self._schedules, counts)
        self._attempts = Attempts(self._queue, store, self._schedules, announcer, settings, counts)
        self._sweep = Sweep(connection, store, self._opening, self._schedules, settings, counts)
        self.redrives = Redrives(store, self._schedules, settings, counts)
        counts.watch(
            "retry_tracked",
            "Recipients, per conversation, who have not got a new message.",
            TRACKED,
            lambda: len(self._tracker),
        )
        counts.watch(
            "retry_schedules_waiting", "Wake-ups to be scheduled soon.", WAITING, lambda: self._schedules.waiting
        )
        counts.watch("retry_work_held", "Wake-ups that came and wait.", ROOM, lambda: self._queue.held)
        counts.watch(
            "retry_hellos_waiting", "Users whose hello is to be heeded.", USERS_WAITING, lambda: self.redrives.waiting
        )

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Note what a batch has brought about, after its commit."""
        self._tracker.note(outcomes, time.monotonic())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self._schedules, self._attempts, self._opening, self.redrives, self._sweep):
                tasks.create_task(part.run())

    async def describe(self) -> str:
        """Say how it goes; it never keeps the service from being ready."""
        swept = f"swept {time.monotonic() - self._sweep.done_at:.0f} s ago" if self._sweep.done_at else "not swept yet"
        heard = f"wake-ups are waited for: {self._queue.problem}" if self._queue.problem else "wake-ups are heard"
        return f"{len(self._tracker)} recipients awaited, {heard}, {swept}"
