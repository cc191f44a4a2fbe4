"""The receipts of one socket: merged, at most so many a second, never dropped, each answered."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from services.gateway.commands.commands import Commands, Later
from services.gateway.commands.pending import refusal_of
from services.gateway.domain import Bucket, Principal, Rate, full_bucket, take
from services.gateway.protocol import outbound
from services.gateway.protocol.inbound import ReadReceipt
from services.gateway.ws.lane import Lane
from services.gateway.ws.outbox import Outbox
from shared.contracts.commands import CursorState
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Answer
from shared.contracts.ids import ConversationId, SessionId
from shared.runtime import logs
from shared.runtime.clock import monotonic

RETRY_S: Final = 1.0
MAX_HELD: Final = 2_000

_log = logs.get(__name__)


class Receipt(NamedTuple):
    """Which cursor a receipt moves."""

    conversation_id: ConversationId
    state: CursorState


class Merging:
    """Holds back what comes too fast; of two for the same cursor the greater stays.

    `submit` passes one on; it returns false where that can't be done now, and does not raise.
    """

    __slots__ = ("_bucket", "_held", "_is_over", "_rate", "_submit", "_timer")

    def __init__(self, rate: Rate | None, submit: Callable[[Receipt, int], bool]) -> None:
        self._rate = rate
        self._submit = submit
        self._bucket: Bucket | None = None if rate is None else full_bucket(rate, monotonic())
        self._held: dict[Receipt, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def take(self, receipt: Receipt, up_to_seq: int) -> None:
        """Pass a receipt on, now or later.

        Raises:
            Refusal: `rate_limited`, where 2,000 cursors wait already.
        """
        held = self._held.get(receipt)
        if held is not None:
            self._held[receipt] = max(held, up_to_seq)
            return
        if self._held:
            self._hold(receipt, up_to_seq)
            return
        wait_s = self._pay()
        if wait_s or not self._submit(receipt, up_to_seq):
            self._hold(receipt, up_to_seq)
            self._again_in(wait_s or RETRY_S)

    def put_back(self, receipt: Receipt, up_to_seq: int) -> None:
        """Keep one that was passed on and could not be taken."""
        if not self._is_over:
            self._held[receipt] = max(up_to_seq, self._held.get(receipt, 0))
            self._again_in(RETRY_S)

    def flush(self) -> None:
        """Pass on all that is held, because the socket is gone; what can't be taken now is lost with it."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, {}
        for receipt, up_to_seq in held.items():
            self._submit(receipt, up_to_seq)

    def _go_on(self) -> None:
        self._timer = None
        while self._held:
            wait_s = self._pay()
            if wait_s:
                self._again_in(wait_s)
                return
            receipt, up_to_seq = next(iter(self._held.items()))
            del self._held[receipt]
            if not self._submit(receipt, up_to_seq):
                self.put_back(receipt, up_to_seq)
                return

    def _hold(self, receipt: Receipt, up_to_seq: int) -> None:
        if len(self._held) >= MAX_HELD:
            raise Refusal(Code.RATE_LIMITED, "Too many receipts wait. Repeat it later.", int(RETRY_S * 1000))
        self._held[receipt] = up_to_seq

    def _pay(self) -> float:
        """Take from the bucket; returns how long to wait where it is empty, else 0."""
        if self._rate is None or self._bucket is None:
            return 0.0
        self._bucket, wait = take(self._bucket, self._rate, monotonic())
        return 0.0 if wait is None else wait.total_seconds()

    def _again_in(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._go_on)


class Receipts:
    """The way of one socket's receipts into the log, and of their answers back; made with the first of them.

    `who`: whose they are, with the choices of now.
    """

    __slots__ = ("_commands", "_line", "_merging", "_ordered", "_outbox", "who")

    def __init__(
        self,
        commands: Commands,
        rate: Rate | None,
        who: Principal,
        session_id: SessionId,
        outbox: Outbox,
        ordered: Lane,
    ) -> None:
        self._commands = commands
        self.who = who
        self._outbox = outbox
        self._ordered = ordered
        self._merging = Merging(rate, self._submit)
        self._line = commands.open_line(session_id, self._on_answer)

    def take(self, frame: ReadReceipt) -> None:
        """Pass a receipt on, now or later.

        Raises:
            Refusal: `rate_limited`.
        """
        self._merging.take(Receipt(frame.conversation_id, frame.state), frame.up_to_seq)

    def flush(self) -> None:
        """Pass on what is held; the socket is gone."""
        self._merging.flush()

    def close(self) -> None:
        """Let no more answers through."""
        self._commands.close_line(self._line)

    def _submit(self, receipt: Receipt, up_to_seq: int) -> bool:
        try:
            later = self._commands.submit_cursor(self.who, *receipt, up_to_seq, self._line)
        except Refusal as refusal:
            return self._is_told(refusal)
        if later is not None:
            self._ordered.put(lambda: partial(self._finish, later, receipt, up_to_seq))
        return True

    async def _finish(self, later: Later, receipt: Receipt, up_to_seq: int) -> None:
        try:
            await later()
        except Refusal as refusal:
            if not self._is_told(refusal):
                self._merging.put_back(receipt, up_to_seq)
        except Exception:  # noqa: BLE001 - top of a task
            _log.exception("receipt_failed", line=self._line.ref)
            self._is_told(Refusal(Code.INTERNAL, "Something went wrong on our side. Try again."))

    def _is_told(self, refusal: Refusal) -> bool:
        """Tell the client why not; false for what is to be tried again instead."""
        if refusal.code is Code.UNAVAILABLE:
            return False
        self._outbox.send(outbound.error(refusal))
        return True

    def _on_answer(self, answer: Answer) -> None:
        if answer.frame:
            self._outbox.answer(answer.frame)
        elif answer.code:
            self._outbox.answer(outbound.error(refusal_of(answer)))
