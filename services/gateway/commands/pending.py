"""What was accepted and is not answered yet: each request knows how to tell whoever waits for it."""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, NamedTuple, Protocol

from services.gateway.protocol import outbound
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Answer
from shared.contracts.ids import ClientId, ConversationId, MessageId, SessionId, UserId, Username
from shared.runtime.clock import now_ms
from shared.runtime.telemetry import Span

NOT_DURABLE: Final = 0.0

_CODES: Final = frozenset(code.value for code in Code)


class Socket(Protocol):
    """Whom answers go to: a session, as far as commands know it."""

    @property
    def session_id(self) -> SessionId:
        """Its id, as it stands in the origin of a command."""

    @property
    def is_open(self) -> bool:
        """Whether anybody is there to be told."""

    def answer(self, frame: bytes) -> None:
        """Send a frame, behind what was announced before."""


class Stored(NamedTuple):
    """A message is stored; `duplicate`: it was before this request."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    sent_at_ms: int
    duplicate: bool


class Queued(NamedTuple):
    """A message is in the log and not stored yet; `to` is "" where it is not for one person, or not known for whom."""

    message_id: MessageId
    conversation_id: ConversationId
    to: Username
    sent_at_ms: int


class Sending(ABC):
    """A message on its way to the store; its subclasses know who waits. Times are monotonic seconds.

    `request_id` is what its request brought along, "" where only its origin names it; `span`: where it is traced.
    """

    __slots__ = (
        "accepted_at_s", "asked_at_s", "client_id", "conversation_id", "durable_at_s", "is_told", "message_id",
        "ref", "request", "request_id", "sender_id", "sent_at_ms", "span", "to",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one argument per field, made for every message
        self,
        ref: int,
        sender_id: UserId,
        client_id: ClientId,
        message_id: MessageId,
        conversation_id: ConversationId,
        to: Username,
        request: bytes,
        sent_at_ms: int,
        accepted_at_s: float,
    ) -> None:
        self.ref = ref
        self.sender_id = sender_id
        self.client_id = client_id
        self.message_id = message_id
        self.conversation_id = conversation_id
        self.to = to
        self.request = request
        self.sent_at_ms = sent_at_ms
        self.accepted_at_s = accepted_at_s
        self.durable_at_s = NOT_DURABLE
        self.asked_at_s = accepted_at_s
        self.is_told = False
        self.request_id = ""
        self.span: Span | None = None

    def finish(self, code: str = "") -> None:
        """End its span: its sender was told; `code` is why not, where it is not stored."""
        if self.span is not None:
            self.span.end(code)
            self.span = None

    @property
    def queued(self) -> Queued:
        """What its sender is told while it is not stored."""
        return Queued(self.message_id, self.conversation_id, self.to, self.sent_at_ms)

    @property
    @abstractmethod
    def is_wanted(self) -> bool:
        """Whether anybody still waits."""

    @abstractmethod
    def settle(self, answer: Answer) -> None:
        """Pass on delivery's answer."""

    @abstractmethod
    def refuse(self, refusal: Refusal) -> None:
        """Say that it was not accepted."""

    @abstractmethod
    def tell_queued(self) -> None:
        """Say that it is in the log, and that the store takes its time."""


class SocketSending(Sending):
    """A message that came by a socket."""

    __slots__ = ("socket",)

    socket: Socket

    @property
    def is_wanted(self) -> bool:
        """Nobody can be told once the socket is closed; but one that was told to be queued is asked about elsewhere."""
        return self.is_told or self.socket.is_open

    def settle(self, answer: Answer) -> None:
        """Write the ack, or the refusal."""
        if answer.code:
            self.refuse(refusal_of(answer))
            return
        if self.is_told:
            sent = outbound.message_status(answer.message_id, answer.conversation_id, "sent", now_ms())
            self.socket.answer(sent)
        self.socket.answer(
            outbound.ack(
                re=self.client_id,
                message_id=answer.message_id,
                conversation_id=answer.conversation_id,
                seq=answer.seq,
                rev=answer.rev,
                sent_at_ms=answer.sent_at_ms,
                duplicate=answer.duplicate,
            )
        )

    def refuse(self, refusal: Refusal) -> None:
        """Write the error; one that was told to be queued has failed."""
        if self.is_told:
            self.socket.answer(
                outbound.message_status(
                    self.message_id, self.conversation_id, "failed", now_ms(), reason=refusal.code.value
                )
            )
        self.socket.answer(outbound.error(refusal, self.client_id))

    def tell_queued(self) -> None:
        """Write the status."""
        self.socket.answer(outbound.message_status(self.message_id, self.conversation_id, "queued", now_ms()))


class CallSending(Sending):
    """A message that came by HTTP: a future waits for it, until it is stored or told to be queued."""

    __slots__ = ("outcome",)

    outcome: "asyncio.Future[Stored | Queued]"

    @property
    def is_wanted(self) -> bool:
        """Yes: its status can be asked for."""
        return True

    def settle(self, answer: Answer) -> None:
        """Hand over what was stored, or the refusal."""
        if answer.code:
            self.refuse(refusal_of(answer))
        elif not self.outcome.done():
            self.outcome.set_result(
                Stored(
                    answer.message_id,
                    answer.conversation_id,
                    answer.seq,
                    answer.rev,
                    answer.sent_at_ms,
                    answer.duplicate,
                )
            )

    def refuse(self, refusal: Refusal) -> None:
        """Raise it where it is waited for."""
        if not self.outcome.done():
            self.outcome.set_exception(refusal)

    def tell_queued(self) -> None:
        """Hand over that it is queued; the answer comes to nobody then."""
        if not self.outcome.done():
            self.outcome.set_result(self.queued)


def refusal_of(answer: Answer) -> Refusal:
    """Read a refusal of delivery; a code that this gateway does not know yet counts as `internal`."""
    known = answer.code in _CODES
    return Refusal(Code(answer.code) if known else Code.INTERNAL, answer.detail)
