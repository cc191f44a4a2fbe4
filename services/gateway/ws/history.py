"""What sockets read from the history service, and the epoch that it told last."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from services.gateway.protocol.inbound import SyncRequest
from services.gateway.protocol.outbound import MemberCursor, SyncPage, encode
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId
from shared.contracts.queries import Resume, Resumed, Sync, Synced
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics

READ_S: Final = 5.0
PAUSE_S: Final = 0.25
LEARN_S: Final = 1.0
"""How often the epoch is asked for until it is known."""
FOLLOW_S: Final = 5.0
"""How often it is asked for then: so late sockets hear of another one where nobody says hello."""
RESUMES_AT_ONCE: Final = 64

_NOBODY: Final = UserId("-")
_log = logs.get(__name__)


class History:
    """Asks the history service. `epoch` is "" until it was told once; `on_epoch` is called when it changes."""

    def __init__(self, connection: Connection, metrics: Metrics, on_epoch: Callable[[], None]) -> None:
        self._connection = connection
        self._on_epoch = on_epoch
        self._turns = asyncio.Semaphore(RESUMES_AT_ONCE)
        self._resuming = 0
        self.epoch = ""
        metrics.gauge(
            "resumes_waiting", f"Hellos that wait for what was missed. {RESUMES_AT_ONCE} are read at a time."
        ).set_function(lambda: self._resuming)

    async def follow_epoch(self) -> None:
        """Ask for the epoch again and again, until cancelled."""
        while True:
            try:
                await self._resume(Resume(_NOBODY, room=0))
            except Refusal as refusal:
                (_log.debug if self.epoch else _log.info)("epoch_not_told", reason=refusal.detail)
            await asyncio.sleep(FOLLOW_S if self.epoch else LEARN_S)

    async def resume(self, question: Resume, patience_s: float) -> Resumed[Raw]:
        """Read what a device missed; while the store is away, try again.

        Raises:
            Refusal: `unavailable`, after `patience_s`.
        """
        give_up_s = monotonic() + patience_s
        self._resuming += 1
        try:
            while True:
                try:
                    async with self._turns:
                        return await self._resume(question)
                except Refusal as refusal:
                    if monotonic() + PAUSE_S > give_up_s:
                        raise Refusal(Code.UNAVAILABLE, "The store can't be read right now.") from refusal
                await asyncio.sleep(PAUSE_S)
        finally:
            self._resuming -= 1

    async def sync_page(self, user_id: UserId, request: SyncRequest) -> bytes:
        """Read a page of a conversation, as a frame.

        Raises:
            Refusal: `not_found`, `unavailable`.
        """
        question = Sync(user_id, request.conversation_id, request.limit, request.after_rev, request.before_seq)
        page = await ask(self._connection, subjects.SYNC, question, Synced[Raw], timeout_s=READ_S)
        members = [
            MemberCursor(member.username, member.delivered_seq, member.read_seq)
            for member in page.members
            if not member.left
        ]
        return encode(SyncPage(request.id, page.conversation_id, page.messages, members, page.rev, page.complete))

    async def _resume(self, question: Resume) -> Resumed[Raw]:
        resumed = await ask(self._connection, subjects.RESUME, question, Resumed[Raw], timeout_s=READ_S)
        if not resumed.epoch:  # a new or emptied database, and delivery has not begun with it
            raise Refusal(Code.UNAVAILABLE, "The store holds no history yet.")
        if resumed.epoch != self.epoch:
            is_change, self.epoch = bool(self.epoch), resumed.epoch
            if is_change:
                _log.warning("epoch_changed", epoch=resumed.epoch)
                self._on_epoch()
        return resumed
