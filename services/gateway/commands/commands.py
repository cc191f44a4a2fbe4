"""Commands: what clients ask for, checked, limited and appended to the log in the order of each socket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from services.gateway.commands.calls import Calls
from services.gateway.commands.inflight import InFlight
from services.gateway.commands.pending import CallSending, Queued, Sending, Socket, SocketSending, Stored
from services.gateway.commands.rates import UserRates
from services.gateway.commands.refused import Refused
from services.gateway.commands.sweeper import SCAN_S, Sweeper
from services.gateway.commands.targets import MAX_CONVERSATIONS, MAX_PAIRS, FindUser, Target, Targets
from services.gateway.domain import Principal, Rate, fold_username
from services.gateway.protocol.inbound import SendRequest, check_message
from services.gateway.settings import Settings
from shared.broker.along import NOTHING, Along
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.publisher import MAX_WAITING, BundleWriter
from shared.broker.rpc import ask
from shared.broker.streams import log_state
from shared.contracts import subjects
from shared.contracts.commands import CURSOR, SEND, CursorState, MoveCursor, Origin, SendMessage, request_hash
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Answer
from shared.contracts.ids import ConversationId, GatewayId, MessageId, SessionId, UserId, Username, message_id
from shared.contracts.queries import GetMembers, Member, Members
from shared.runtime import logs, telemetry
from shared.runtime.clock import monotonic, now_ms
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import Span, Traces

DRAIN_S: Final = 5.0

Later = Callable[[], Coroutine[Any, Any, None]]
"""The rest of an acceptance, where somebody must be asked first; raises `Refusal`."""

_S = TypeVar("_S", bound=Sending)

_log = logs.get(__name__)
_encode = msgspec.msgpack.Encoder().encode


class Commands:
    """The gateway's way into the log; made by `running`.

    Sockets hand in requests by callback (`submit`, `submit_cursor`), without a future or task each; HTTP awaits
    `send`, `move_cursor` and, for what is no message, `calls`. Hooks in `on_accepted` hear who wrote where, and must
    not block.
    """

    def __init__(
        self,
        connection: Connection,
        find_user: FindUser,
        settings: Settings,
        gateway_id: GatewayId,
        metrics: Metrics,
        partitions: int,
        refused: Refused,
        *,
        traces: Traces,
    ) -> None:
        self._in_flight = InFlight(metrics, gateway_id, refused.note)
        self._traces = traces
        self._is_talkative = _log.is_enabled_for(logging.DEBUG)  # asked once: a logger takes its time to say so
        self._connection = connection
        self._gateway_id = gateway_id
        self._content_chars = settings.limit_content_chars
        self._targets = Targets(connection, find_user, partitions)
        self.on_accepted: list[Callable[[UserId, ConversationId], None]] = []
        rate = Rate(settings.limit_messages_per_s, settings.limit_messages_burst)
        self._rates = UserRates(rate, metrics) if settings.rate_limits else None
        # An entry is the message that waits; a receipt has none: its client repeats what was not confirmed.
        self._writer = BundleWriter[Sending | None](
            connection, partitions, on_durable=_on_durable, on_failed=self._on_failed
        )
        self.calls = Calls(self._writer, self._in_flight, gateway_id)
        self._is_stopping = False
        metrics.bounded(
            "commands_waiting",
            "Commands that the log has not confirmed yet.",
            limit=MAX_WAITING * partitions,
            now=lambda: self._writer.waiting,
        )
        metrics.counter_read(
            "commands_refused",
            "Commands refused: the broker was away, or too many waited.",
            lambda: self._writer.refused,
        )
        metrics.bounded(
            "targets_remembered",
            "Conversations and pairs of users kept in memory.",
            limit=MAX_CONVERSATIONS + MAX_PAIRS,
            now=lambda: self._targets.remembered,
            kind="cache",
        )
        self._failed = metrics.counter("commands_failed", "Commands that the log did not confirm.")

    @property
    def targets(self) -> Targets:
        """What knows who may speak where, for others who ask."""
        return self._targets

    # --- sockets

    def submit(self, who: Principal, request: SendRequest, socket: Socket) -> Later | None:
        """Accept a message; the socket is told what becomes of it.

        Returns what is left to do where somebody must be asked first: to be run before the socket's next message.

        Raises:
            Refusal: why it is not accepted.
        """
        self._check(who, request)
        target = self._targets.known(who, request)
        if target is None:
            return partial(self._submit_later, who, request, socket)
        self._append_from(socket, who, request, target)
        return None

    def submit_cursor(
        self, who: Principal, conversation_id: ConversationId, state: CursorState, up_to_seq: int, origin: Origin
    ) -> Later | None:
        """Accept a receipt under the number of an open line; returns like `submit`.

        Raises:
            Refusal: `not_found`, `not_member`, or `unavailable`: keep it and try again.
        """
        target = self._targets.known_member(who.user_id, conversation_id)
        if target is None:
            return partial(self._submit_cursor_later, who, conversation_id, state, up_to_seq, origin)
        self._append_cursor(who, target, state, up_to_seq, origin)
        return None

    def open_line(self, session_id: SessionId, on_answer: Callable[[Answer], None]) -> Origin:
        """Let delivery's answers to receipts through; returns the origin they are to be submitted with."""
        return Origin(self._gateway_id, self._in_flight.open_line(on_answer), session_id)

    def close_line(self, line: Origin) -> None:
        """Let no more answers through."""
        self._in_flight.close_line(line.ref)

    # --- HTTP

    async def send(self, who: Principal, request: SendRequest) -> Stored | Queued:
        """Accept a message and wait until it is stored, for 2 s from the moment it was durable.

        Raises:
            Refusal: why it is not accepted, or not stored.
        """
        self._check(who, request)
        target = self._targets.known(who, request) or await self._targets.find(who, request)
        sending = self._sending(CallSending, who, request, target)
        sending.outcome = asyncio.get_running_loop().create_future()
        self._append_message(who, request, target, sending, SessionId(""))
        return await sending.outcome

    async def move_cursor(
        self,
        who: Principal,
        conversation_id: ConversationId,
        *,
        delivered_seq: int | None = None,
        read_seq: int | None = None,
    ) -> Member:
        """Move the own cursors and return where they stand then.

        Raises:
            Refusal: `not_found`, `not_member`; `unavailable`: not confirmed within 2 s, to be repeated.
        """
        target = self._targets.known_member(who.user_id, conversation_id)
        target = target or await self._targets.find_member(who.user_id, conversation_id)
        for state, seq in (("delivered", delivered_seq), ("read", read_seq)):
            if seq is not None:
                await self.calls.call(
                    CURSOR, self._cursor(who, target, "read" if state == "read" else "delivered", seq)
                )
        members = await ask(self._connection, subjects.MEMBERS, GetMembers(conversation_id), Members)
        for member in members.members:
            if member.user_id == who.user_id:
                return member
        raise Refusal(Code.NOT_FOUND, "There is no such conversation.")

    def queued(self, user_id: UserId, message: MessageId) -> Queued | None:
        """Find a message of a user that is in the log and not known to be stored."""
        sending = self._in_flight.find(user_id, message)
        return None if sending is None else sending.queued

    def all_queued(self, user_id: UserId) -> list[Queued]:
        """List a user's messages that were told to be queued and are still in flight, by their ids."""
        queued = {sending.message_id: sending.queued for sending in self._in_flight.told_of(user_id)}
        return [queued[message] for message in sorted(queued)]

    async def admit(self, who: Principal, conversation_id: ConversationId) -> None:
        """Let a member pass.

        Raises:
            Refusal: `not_found`, `not_member`; `unavailable` where the members can't be asked for.
        """
        targets = self._targets
        if targets.known_member(who.user_id, conversation_id) is None:
            await targets.find_member(who.user_id, conversation_id)
            if targets.known_member(who.user_id, conversation_id) is None:
                raise Refusal(Code.UNAVAILABLE, "The members of the conversation are not known right now. Try again.")

    # --- life

    async def drain(self) -> None:
        """Accept nothing more; wait until what was accepted is answered, at most 5 s."""
        self._is_stopping = True
        deadline = monotonic() + DRAIN_S
        await self._writer.drained(DRAIN_S)
        while len(self._in_flight) and monotonic() < deadline:  # noqa: ASYNC110 - no event per message for this once
            await asyncio.sleep(SCAN_S / 10)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hear answers and tell of what is late, until the block ends."""
        await self._connection.subscribe(subjects.answers(self._gateway_id), self._on_answers)
        await self._targets.listen()
        sweeper = Sweeper(self._connection, self._in_flight, subjects.answers(self._gateway_id))
        async with self._writer, sweeper.running():
            yield

    def _on_answers(self, payload: bytes) -> None:
        self._in_flight.on_answers(payload, monotonic())

    def _on_failed(self, entries: list[Sending | None]) -> None:
        refusal = Refusal(Code.UNAVAILABLE, "The message log did not confirm it. Try again with the same id.", 1000)
        self._failed.inc(len(entries))
        for sending in entries:
            if sending is not None:
                self._in_flight.drop(sending)
                sending.refuse(refusal)

    # --- one request

    def _check(self, who: Principal, request: SendRequest) -> None:
        refusal = check_message(request, self._content_chars)
        if refusal is not None:
            raise refusal
        if self._rates is not None:
            self._rates.check(who.user_id, monotonic())

    async def _submit_later(self, who: Principal, request: SendRequest, socket: Socket) -> None:
        self._append_from(socket, who, request, await self._targets.find(who, request))

    async def _submit_cursor_later(
        self, who: Principal, conversation_id: ConversationId, state: CursorState, up_to_seq: int, origin: Origin
    ) -> None:
        target = await self._targets.find_member(who.user_id, conversation_id)
        self._append_cursor(who, target, state, up_to_seq, origin)

    def _cursor(self, who: Principal, target: Target, state: CursorState, up_to_seq: int) -> MoveCursor:
        discreet = not who.choices.read_receipts
        return MoveCursor(target.conversation_id, who.user_id, who.username, state, up_to_seq, now_ms(), discreet)

    def _append_from(self, socket: Socket, who: Principal, request: SendRequest, target: Target) -> None:
        sending = self._sending(SocketSending, who, request, target)
        sending.socket = socket
        self._append_message(who, request, target, sending, socket.session_id)

    def _sending(self, kind: type[_S], who: Principal, request: SendRequest, target: Target) -> _S:
        return kind(
            self._in_flight.next_ref(),
            who.user_id,
            request.id,
            message_id(who.user_id, request.id),
            target.conversation_id,
            target.peer,
            request_hash(
                SEND,
                target.conversation_id,
                request.content,
                request.reply_to,
                _folded(request.mentions) if request.mentions else (),
            ),
            now_ms(),
            monotonic(),
        )

    def _append_message(
        self, who: Principal, request: SendRequest, target: Target, sending: Sending, session_id: SessionId
    ) -> None:
        if self._is_stopping:
            raise Refusal(Code.UNAVAILABLE, "This server is stopping. Try again with the same id.")
        command = SendMessage(
            sending.message_id,
            target.conversation_id,
            who.user_id,
            who.username,
            request.id,
            sending.request,
            request.content,
            sending.sent_at_ms,
            target.peer_id,
            target.peer,
            request.content_type or "text/plain",
            request.reply_to,
            _folded(request.mentions) if request.mentions else (),
            request.seen_seq or 0,
            not who.choices.read_receipts,
        )
        origin = Origin(self._gateway_id, sending.ref, session_id)
        along = self._accompany(sending, origin)
        self._writer.append(target.partition, _encode((SEND, origin, command)), sending, along)
        self._in_flight.add(sending)
        if self._is_talkative:
            request_id = sending.request_id or origin.request_id
            _log.debug("command_accepted", request_id=request_id, message_id=sending.message_id)
        for hook in self.on_accepted:
            hook(who.user_id, target.conversation_id)

    def _accompany(self, sending: Sending, origin: Origin) -> Along:
        """Name the request that a message came with, and begin its span where it is traced."""
        request_id, above = telemetry.request_id(), telemetry.current()
        if above is not None:
            span: Span | None = above.child("accept")
        elif origin.session:  # by HTTP it was drawn with the request
            span = self._traces.draw("accept")
        else:
            span = None
        sending.request_id, sending.span = request_id, span
        if span is None:
            return Along(request_id) if request_id else NOTHING
        span.describe(
            {
                telemetry.REQUEST_ID: request_id or origin.request_id,
                telemetry.MESSAGE_ID: sending.message_id,
                telemetry.CONVERSATION_ID: sending.conversation_id,
            }
        )
        return Along(request_id, span.context)

    def _append_cursor(
        self, who: Principal, target: Target, state: CursorState, up_to_seq: int, origin: Origin
    ) -> None:
        command = self._cursor(who, target, state, up_to_seq)
        self._writer.append(target.partition, _encode((CURSOR, origin, command)), None)


@asynccontextmanager
async def running(
    connection: Connection,
    find_user: FindUser,
    settings: Settings,
    gateway_id: GatewayId,
    metrics: Metrics,
    refused: Refused,
    traces: Traces,
) -> AsyncIterator[Commands]:
    """Wait until there is a log, and open the way into it."""
    partitions = await _partitions(connection)
    commands = Commands(connection, find_user, settings, gateway_id, metrics, partitions, refused, traces=traces)
    async with commands.opened():
        yield commands


async def _partitions(connection: Connection) -> int:
    while True:
        try:
            return (await log_state(connection)).partitions
        except (*BROKER_ERRORS, ValueError) as error:
            _log.warning("log_not_there_yet", error=repr(error))
        await asyncio.sleep(SCAN_S)


def _on_durable(entries: list[Sending | None]) -> None:
    now_s = monotonic()
    for sending in entries:
        if sending is not None:
            sending.durable_at_s = now_s
            if sending.span is not None:
                sending.span.child("append", "producer", begun_ns=sending.sent_at_ms * 1_000_000).end()


def _folded(mentions: tuple[str, ...]) -> tuple[Username, ...]:
    return tuple(filter(None, map(fold_username, mentions)))
