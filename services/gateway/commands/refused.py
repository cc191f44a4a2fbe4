"""Messages that were told to be queued and are refused then: kept for a while, for their senders to ask about."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from services.gateway.commands.pending import Sending
from services.gateway.store import Belongings, RefusedMessage
from shared.contracts.errors import Refusal
from shared.contracts.ids import MessageId, UserId
from shared.runtime import logs
from shared.runtime.clock import now_ms
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

KEPT: Final = timedelta(days=7)
MAX_WAITING: Final = 5_000
WRITTEN_AT_ONCE: Final = 500
AGAIN_S: Final = 1.0
"""After how long a write is tried again while the database is away."""
SWEEP_S: Final = 3_600.0
LAST_WRITE_S: Final = 2.0

_log = logs.get(__name__)


class Refused:
    """Notes refusals as they come, writes them behind, and finds them again; `async with running()`.

    What waits to be written is bounded: what comes on top is dropped, and its sender learns of it by the socket
    alone. Reading writes first, so that what was noted is found.
    """

    def __init__(self, belongings: Belongings, metrics: Metrics) -> None:
        self._belongings = belongings
        self._waiting: dict[MessageId, RefusedMessage] = {}
        self._has_come = asyncio.Event()
        self._writing = asyncio.Lock()
        metrics.bounded(
            "refused_waiting",
            "Messages refused late that are not written down yet.",
            limit=MAX_WAITING,
            now=lambda: len(self._waiting),
        )
        self._dropped = metrics.counter("refused_dropped", "Messages refused late that nobody wrote down.")

    def note(self, sending: Sending, refusal: Refusal) -> None:
        """Take a message that delivery refused after its sender was told that it is queued."""
        if len(self._waiting) >= MAX_WAITING:
            self._dropped.inc()
            _log.warning("refused_message_dropped", message_id=sending.message_id, code=refusal.code.value)
            return
        self._waiting[sending.message_id] = RefusedMessage(
            sending.message_id,
            sending.sender_id,
            sending.conversation_id,
            sending.to,
            refusal.code.value,
            refusal.detail,
            now_ms(),
        )
        self._has_come.set()

    async def find(self, user_id: UserId, message_id: MessageId) -> RefusedMessage | None:
        """Find a refused message of a user.

        Raises:
            Refusal: `unavailable`.
        """
        await self._write()
        found = await self._belongings.refused(user_id, message_id)
        return found if found is not None and found.at_ms >= _oldest_ms() else None

    async def list_behind(self, user_id: UserId, after: MessageId, limit: int) -> list[RefusedMessage]:
        """List refused messages of a user in the order of their ids, behind one.

        Raises:
            Refusal: `unavailable`.
        """
        await self._write()
        return await self._belongings.all_refused(user_id, _oldest_ms(), after, limit)

    async def forget(self, message_ids: Sequence[MessageId]) -> None:
        """Let go of messages that were stored after all.

        Raises:
            Refusal: `unavailable`.
        """
        await self._belongings.forget_refused(message_ids)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write and sweep until the block ends; what waits then is written, where that is possible at once."""
        try:
            async with beside(self._keep_writing(), self._keep_sweeping()):
                yield
        finally:
            try:
                async with asyncio.timeout(LAST_WRITE_S):
                    await self._write()
            except (Refusal, TimeoutError) as error:
                _log.warning("refused_messages_lost", waiting=len(self._waiting), error=repr(error))

    async def _write(self) -> None:
        async with self._writing:
            while self._waiting:
                some = list(self._waiting.values())[:WRITTEN_AT_ONCE]
                await self._belongings.note_refused(some)
                for message in some:
                    if self._waiting.get(message.message_id) is message:  # not refused once more meanwhile
                        del self._waiting[message.message_id]

    async def _keep_writing(self) -> None:
        while True:
            await self._has_come.wait()
            self._has_come.clear()
            try:
                await self._write()
            except Refusal as refusal:
                _log.warning("refused_messages_not_written", waiting=len(self._waiting), reason=refusal.detail)
                await self._again_later()
            except Exception:  # noqa: BLE001 - top of a task: it is tried again
                _log.exception("refused_messages_not_written", waiting=len(self._waiting))
                await self._again_later()

    async def _again_later(self) -> None:
        await asyncio.sleep(AGAIN_S)
        self._has_come.set()

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                while await self._belongings.remove_refused_before(_oldest_ms()):
                    pass
            except Refusal as refusal:
                _log.warning("refused_messages_not_swept", reason=refusal.detail)
            except Exception:  # noqa: BLE001 - top of a task: the next sweep tries again
                _log.exception("refused_messages_not_swept")
            await asyncio.sleep(SWEEP_S)


def _oldest_ms() -> int:
    return now_ms() - int(KEPT.total_seconds() * 1000)
