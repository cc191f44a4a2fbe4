"""The receipts of one socket: merged, at most so many a second, never dropped."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from services.gateway.domain import Bucket, Rate, full_bucket, take
from shared.contracts.commands import CursorState
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId
from shared.runtime.clock import monotonic

RETRY_S: Final = 1.0
MAX_HELD: Final = 2_000


class Receipt(NamedTuple):
    """Which cursor a receipt moves."""

    conversation_id: ConversationId
    state: CursorState


class Receipts:
    """Holds back what comes too fast; of two for the same cursor the greater stays.

    `submit` passes one on; it returns false where that can't be done now, and does not raise.
    """

    __slots__ = ("_bucket", "_held", "_rate", "_submit", "_timer")

    def __init__(self, rate: Rate | None, submit: Callable[[Receipt, int], bool]) -> None:
        self._rate = rate
        self._submit = submit
        self._bucket: Bucket | None = None if rate is None else full_bucket(rate, monotonic())
        self._held: dict[Receipt, int] = {}
        self._timer: asyncio.TimerHandle | None = None

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
        self._held[receipt] = max(up_to_seq, self._held.get(receipt, 0))
        self._again_in(RETRY_S)

    def flush(self) -> None:
        """Pass on all that is held, because the socket is gone; what can't be taken now is lost with it."""
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
