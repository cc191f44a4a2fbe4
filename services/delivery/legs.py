"""What is noted of messages on their way through delivery: how long a leg took, and the spans of those traced."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from services.delivery.domain.values import CursorMoved, Item, Outcome, Stored
from shared.contracts.commands import Origin, SendMessage
from shared.contracts.ids import ConversationId, GatewayId, UserId
from shared.runtime.clock import monotonic
from shared.runtime.legs import leg_histograms
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import CONVERSATION_ID, MESSAGE_ID, OFF, REQUEST_ID, Span, Traces

T = TypeVar("T")
Asked = tuple[GatewayId, int]
"""Names a command: the gateway that accepted it, and its number there."""

MAX_KEPT: Final = 10_000
MAX_SPANS: Final = 256
"""So many announcements of a batch are traced at most: they stand in one header."""


class _Kept(dict[Asked, T], Generic[T]):
    """Values between the commit and the announcement; what is never announced goes when there is too much."""

    def keep(self, origin: Origin, value: T) -> None:
        if len(self) >= MAX_KEPT:
            self.clear()
        self[origin.gateway, origin.ref] = value


class _Sent(NamedTuple):
    seq: int
    sender_id: UserId
    sent_at_ms: int


class Legs:
    """One object for all batches of one delivery. What is measured costs a few looks a batch, not one a message."""

    def __init__(self, metrics: Metrics, traces: Traces = OFF) -> None:
        self._traces = traces
        self._stored, self._announced, self._delivered = leg_histograms(metrics, "stored", "announced", "delivered")
        self._commits: _Kept[float] = _Kept()
        self._contexts: _Kept[str] = _Kept()
        self._awaited: dict[ConversationId, _Sent] = {}

    def committed(self, items: Sequence[Item], outcomes: Sequence[Outcome], begun_ns: int, now_ms: int) -> None:
        """Note that a batch, begun at `begun_ns` (Unix), is stored."""
        for item in (items[0], items[-1]) if len(items) > 1 else items:
            self._stored.observe(max(0, now_ms - _accepted_ms(item)) / 1000)
        if outcomes:
            self._commits.keep(outcomes[-1].origin, monotonic())
            self._await_receipts(outcomes, now_ms)
        if self._traces.is_on:
            for item in items:
                if item.trace:
                    self._trace(item, begun_ns)

    def announcing(self, outcomes: Iterable[Outcome]) -> Mapping[Asked, Span]:
        """Begin the spans of what is about to be announced; to be ended by `announced`."""
        if not self._contexts:
            return {}
        spans: dict[Asked, Span] = {}
        for outcome in outcomes:
            asked = (outcome.origin.gateway, outcome.origin.ref)
            context = self._contexts.pop(asked, None)
            if context is not None and len(spans) < MAX_SPANS:
                span = self._traces.follow(context, "announce", "producer")
                if span is not None:
                    spans[asked] = span
        return spans

    def announced(self, last: Outcome, spans: Mapping[Asked, Span]) -> None:
        """Note that a batch, `last` of it, was announced."""
        committed_s = self._commits.pop((last.origin.gateway, last.origin.ref), None)
        if committed_s is not None:
            self._announced.observe(monotonic() - committed_s)
        for span in spans.values():
            span.end()

    def _await_receipts(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        """See which receipts tell of a message that was noted, and note the newest message of this batch."""
        awaited = self._awaited
        if awaited:
            for outcome in outcomes:
                if isinstance(outcome, CursorMoved):
                    sent = awaited.get(outcome.conversation_id)
                    if sent is not None and outcome.up_to_seq >= sent.seq and outcome.user_id != sent.sender_id:
                        del awaited[outcome.conversation_id]
                        self._delivered.observe(max(0, now_ms - sent.sent_at_ms) / 1000)
        for outcome in reversed(outcomes):
            if isinstance(outcome, Stored) and not outcome.is_repeat:
                message = outcome.message
                if len(awaited) >= MAX_KEPT:
                    awaited.pop(next(iter(awaited)))
                sent = _Sent(message.seq, message.sender_id, message.sent_at_ms)
                awaited.setdefault(message.conversation_id, sent)
                break

    def _trace(self, item: Item, begun_ns: int) -> None:
        attributes: dict[str, str | int] = {
            REQUEST_ID: item.request_id,
            CONVERSATION_ID: item.command.conversation_id,
            "parley.log.partition": item.partition,
            "parley.log.seq": item.seq,
        }
        if isinstance(item.command, SendMessage):
            attributes[MESSAGE_ID] = item.command.message_id
        span = self._traces.follow(item.trace, "apply", "consumer", attributes, begun_ns=begun_ns)
        if span is not None:
            span.end()
            self._contexts.keep(item.origin, span.context)


def _accepted_ms(item: Item) -> int:
    command = item.command
    return command.sent_at_ms if isinstance(command, SendMessage) else command.at_ms
