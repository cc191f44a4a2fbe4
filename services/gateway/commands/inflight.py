"""The bounded table of what is in the log and not answered yet: answers find their request in it."""

from collections.abc import Callable, Iterator
from typing import Final

from services.gateway.commands.pending import NOT_DURABLE, Sending, refusal_of
from shared.broker.tuples import list_reader
from shared.contracts.commands import Origin
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Answer
from shared.contracts.ids import GatewayId, MessageId, UserId
from shared.contracts.queries import Outcome
from shared.runtime import logs
from shared.runtime.legs import leg_histograms
from shared.runtime.metrics import Metrics

MAX_IN_FLIGHT: Final = 20_000
QUEUED_AFTER_S: Final = 2.0
ASK_AFTER_S: Final = 5.0
GIVE_UP_AFTER_S: Final = 600.0

_decode = list_reader(Answer)
_log = logs.get(__name__)
_CONFLICT: Final = "This id was used for another request. Use a new id for a new message."


class InFlight:
    """Requests by the number that their command carries; times are monotonic seconds.

    `on_refused_late` hears of refused messages whose senders were told that they are queued.
    """

    def __init__(
        self, metrics: Metrics, gateway_id: GatewayId, on_refused_late: Callable[[Sending, Refusal], None]
    ) -> None:
        self._gateway_id = gateway_id
        self._on_refused_late = on_refused_late
        self._requests: dict[int, Sending] = {}
        self._lines: dict[int, Callable[[Answer], None]] = {}
        self._last_ref = 0
        metrics.bounded(
            "commands_in_flight",
            "Messages in the log and not answered yet.",
            limit=MAX_IN_FLIGHT,
            now=lambda: len(self._requests),
        )
        self._refused = metrics.sheds("commands_in_flight")
        self._answers = metrics.counter("answers", "Answers of delivery, by code (stored: empty).", ("code",))
        (self._answered,) = leg_histograms(metrics, "answered")
        self._given_up = metrics.counter("commands_given_up", "Messages that nobody answered within 10 minutes.")

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._requests)

    def next_ref(self) -> int:
        """Draw a number for a command.

        Raises:
            Refusal: `unavailable`, when 20,000 wait already.
        """
        if len(self._requests) >= MAX_IN_FLIGHT:
            self._refused.inc()
            raise Refusal(Code.UNAVAILABLE, "Too many messages wait to be stored. Try again with the same id.", 1000)
        self._last_ref += 1
        return self._last_ref

    def add(self, sending: Sending) -> None:
        """Wait for an answer."""
        self._requests[sending.ref] = sending

    def drop(self, sending: Sending) -> None:
        """Wait no more."""
        self._requests.pop(sending.ref, None)
        sending.finish("dropped")

    def open_line(self, on_answer: Callable[[Answer], None]) -> int:
        """Let answers to receipts through, all under the one number that is returned."""
        self._last_ref += 1
        self._lines[self._last_ref] = on_answer
        return self._last_ref

    def close_line(self, ref: int) -> None:
        """Let no more answers through."""
        self._lines.pop(ref, None)

    def find(self, user_id: UserId, message_id: MessageId) -> Sending | None:
        """Find a message of a user that is durable and not known to be stored."""
        for sending in self._requests.values():
            if sending.message_id == message_id and sending.sender_id == user_id:
                return sending if sending.durable_at_s != NOT_DURABLE else None
        return None

    def told_of(self, user_id: UserId) -> list[Sending]:
        """List the messages of a user that were told to be queued."""
        return [sending for sending in self._requests.values() if sending.sender_id == user_id and sending.is_told]

    def on_answers(self, payload: bytes, now_s: float) -> None:
        """Pass answers on to whoever asked."""
        requests = self._requests
        first: Sending | None = None
        last: Sending | None = None
        for answer in _decode(payload):
            sending = requests.pop(answer.ref, None)
            if sending is not None:
                first, last = first or sending, sending
                sending.settle(answer)
                sending.finish(answer.code)
                if answer.code:
                    self._answers.labels(answer.code).inc()
                    self._log_refused(sending, answer)
                    if sending.is_told and answer.code != Code.ID_CONFLICT:  # the id is a stored message's then
                        self._on_refused_late(sending, refusal_of(answer))
            elif (on_answer := self._lines.get(answer.ref)) is not None:
                on_answer(answer)
        if first is not None:
            self._answered.observe(now_s - first.accepted_at_s)
        if last is not None and last is not first:
            self._answered.observe(now_s - last.accepted_at_s)

    def on_outcome(self, sending: Sending, outcome: Outcome) -> None:
        """Answer from the store what delivery's answer was lost for."""
        if self._requests.pop(sending.ref, None) is None:
            return
        sending.finish()
        if outcome.request != sending.request.hex():
            sending.settle(Answer(sending.ref, Code.ID_CONFLICT, _CONFLICT))
            return
        sending.settle(
            Answer(
                sending.ref,
                message_id=outcome.message_id,
                conversation_id=outcome.conversation_id,
                seq=outcome.seq,
                rev=outcome.rev,
                sent_at_ms=outcome.sent_at_ms,
                duplicate=outcome.sent_at_ms != sending.sent_at_ms,
            )
        )

    def _log_refused(self, sending: Sending, answer: Answer) -> None:
        """Note what delivery did not carry out; what it could not, under the name that its own log has for it."""
        (_log.warning if answer.code == Code.INTERNAL else _log.debug)(
            "command_failed",
            request_id=sending.request_id or Origin(self._gateway_id, sending.ref).request_id,
            message_id=sending.message_id,
            code=answer.code,
        )

    def tell_queued(self, now_s: float) -> None:
        """Tell those whose message is durable for 2 s and not stored that it is queued."""
        for sending in self._older_than(now_s - QUEUED_AFTER_S):
            if not sending.is_told and NOT_DURABLE < sending.durable_at_s <= now_s - QUEUED_AFTER_S:
                sending.is_told = True
                sending.tell_queued()

    def take_overdue(self, now_s: float, *, everything: bool = False) -> list[Sending]:
        """List the durable messages to ask the store for: every 5 s, or all of them at once.

        Whatever nobody waits for any more, or for 10 minutes, is dropped.
        """
        overdue: list[Sending] = []
        dropped: list[Sending] = []
        for sending in self._older_than(now_s if everything else now_s - ASK_AFTER_S):
            if now_s - sending.accepted_at_s > GIVE_UP_AFTER_S:
                self._given_up.inc()
                dropped.append(sending)
            elif not sending.is_wanted:
                dropped.append(sending)
            elif sending.durable_at_s != NOT_DURABLE and (everything or now_s - sending.asked_at_s >= ASK_AFTER_S):
                sending.asked_at_s = now_s
                overdue.append(sending)
        for sending in dropped:
            self.drop(sending)
        return overdue

    def _older_than(self, when_s: float) -> Iterator[Sending]:
        """Walk from the oldest on: the table keeps the order of acceptance, so the young are never touched."""
        for sending in self._requests.values():
            if sending.accepted_at_s > when_s:
                return
            yield sending
