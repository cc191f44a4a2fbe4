"""Driving entries anew: for who said hello, for a sender, for an operator."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from services.delivery.domain.retry import Key
from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.patience import AT_ONCE, PER_S, patiently, slices
from services.delivery.retries.schedules import Schedules
from services.delivery.store import RetryStore
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId
from shared.contracts.retries import (
    HellosSaid,
    ListRetries,
    ProcessRetries,
    Retried,
    RetryList,
    RetryMessage,
    RetrySettings,
)
from shared.runtime.clock import now_ms

EVERY_S: Final = 0.2
"""Over how long hellos are gathered."""
USERS_AT_ONCE: Final = 500
USERS_WAITING: Final = 100_000
MAX_PAGE: Final = 1000

log = structlog.get_logger("retries")


class Redrives:
    """Hears hellos (`run` it) and answers the questions of `shared.contracts.retries`.

    The answers raise `Refusal` for what may not be asked, and one of STORE_ERRORS.
    """

    def __init__(self, store: RetryStore, schedules: Schedules, settings: RetrySettings, counts: RetryCounts) -> None:
        self._store = store
        self._schedules = schedules
        self._settings = settings
        self._counts = counts
        self._users: dict[UserId, None] = {}
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many users' hellos are to be heeded."""
        return len(self._users)

    async def on_hellos_said(self, said: HellosSaid) -> None:
        """Note who is there again: what is parked for them is tried again soon, where they don't take it by then."""
        for user_id in said.user_ids:
            if len(self._users) < USERS_WAITING:
                self._users[user_id] = None
            else:
                self._counts.hellos_dropped(1)
        self._arrived.set()

    async def run(self) -> None:
        """Heed hellos until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await asyncio.sleep(EVERY_S)
            try:
                while self._users:
                    await self._heed([self._users.popitem()[0] for _ in range(min(len(self._users), USERS_AT_ONCE))])
            except Exception:  # top of a task: their next hello is heeded
                log.exception("hellos_failed")

    async def retry_message(self, asked: RetryMessage) -> Retried:
        """Have everybody tried now who lacks a message."""
        keys = await self._store.lacking(asked.sender_id, asked.message_id)
        if keys is None:
            raise Refusal(Code.NOT_FOUND, "There is no such message of yours.")
        for part in slices(keys):
            opened = await self._store.open(part, now_ms())
            self._counts.opened(len(opened))
            await self._redrive(part)
        self._counts.driven("sender", len(keys))
        return Retried(len(keys))

    async def list_retries(self, asked: ListRetries) -> RetryList:
        """List entries."""
        if not 1 <= asked.limit <= MAX_PAGE:
            raise Refusal(Code.INVALID, f"limit must be 1 to {MAX_PAGE}.")
        after = Key(*asked.after) if asked.after is not None else None
        entries, total = await self._store.page(
            asked.state, asked.username, after, asked.limit + 1, self._settings.max_retries
        )
        page = entries[: asked.limit]
        last = (page[-1].user_id, page[-1].conversation_id) if len(entries) > asked.limit else None
        return RetryList(page, total, last)

    async def process_retries(self, asked: ProcessRetries) -> Retried:
        """Have entries tried now, in slices with the log's batches between them."""
        count = 0
        after: Key | None = None
        while keys := await self._store.matching(
            asked.state, asked.username, asked.conversation_id, after, limit=AT_ONCE
        ):
            count += await self._redrive(keys)
            after = keys[-1]
            await asyncio.sleep(0.01)
        self._counts.driven("operator", count)
        return Retried(count)

    async def _redrive(self, keys: Sequence[Key]) -> int:
        wakes = await self._store.redrive(keys, now_ms())
        self._schedules.offer(wakes)
        return len(wakes)

    async def _heed(self, user_ids: Sequence[UserId]) -> None:
        keys = await patiently(partial(self._store.parked_of, user_ids))
        for part in slices(keys):
            at_ms = now_ms() + round(self._settings.retry_after_s * 1000)
            wakes = await patiently(partial(self._store.redrive, part, at_ms))
            self._counts.driven("hello", len(wakes))
            await self._schedules.add(wakes)
            await asyncio.sleep(len(part) / PER_S)
