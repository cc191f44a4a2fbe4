"""Tells what came of commands, after the commit: answers to who asked, announcements to everyone concerned."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, assert_never

import msgspec

from services.delivery.domain.values import BlockSet, CursorKept, CursorMoved, Outcome, Refused, Stored
from services.delivery.legs import Asked, Legs
from shared.broker.along import TRACES, Headers, write
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.commands import Origin
from shared.contracts.errors import Code
from shared.contracts.events import Announcement, Answer, ConversationChanged
from shared.contracts.frames import message_view, receipt_frame
from shared.contracts.ids import ClientId, GatewayId, shard_of
from shared.runtime.telemetry import Span

MAX_PUBLISH_BYTES: Final = 512 * 1024
CONFIRM_S: Final = 5.0

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode


class _Told:
    """What is to be told of a batch: answers by gateway, announcements, changed conversations."""

    __slots__ = ("announcements", "answers", "changes")

    def __init__(self) -> None:
        self.answers: defaultdict[GatewayId, list[Answer]] = defaultdict(list)
        self.announcements: list[Announcement] = []
        self.changes: list[ConversationChanged] = []

    def add(self, outcome: Outcome) -> None:
        """Take what came of a command."""
        answers = self.answers[outcome.origin.gateway]
        if isinstance(outcome, Stored):
            answers.append(_ack(outcome))
            if not outcome.is_repeat:
                self.announcements.append(_message(outcome))
        elif isinstance(outcome, CursorMoved):
            self.announcements.append(_receipt(outcome))
            if not outcome.origin.session:  # asked by HTTP: no socket hears of it in the announcement
                answers.append(Answer(outcome.origin.ref))
        elif isinstance(outcome, CursorKept):
            if outcome.origin.session:  # told among the announcements, so that no older cursor comes after a newer one
                self.announcements.append(_kept(outcome))
            else:
                answers.append(Answer(outcome.origin.ref))
        elif isinstance(outcome, BlockSet):
            answers.append(_done(outcome))
            if not outcome.is_repeat:
                self.changes.append(ConversationChanged(outcome.conversation_id, list(outcome.user_ids)))
        elif isinstance(outcome, Refused):
            answers.append(Answer(outcome.origin.ref, outcome.code, outcome.detail))
        else:
            assert_never(outcome)


class Announcer:
    """Publishes outcomes on core NATS, many in one message."""

    def __init__(self, connection: Connection, shards: int, legs: Legs) -> None:
        self._connection = connection
        self._shards = shards
        self._legs = legs

    async def announce(self, outcomes: Sequence[Outcome]) -> None:
        """Answer and announce what was committed, in log order.

        Raises:
            One of BROKER_ERRORS: some of it may not have been heard.
        """
        told = _Told()
        for outcome in outcomes:
            told.add(outcome)
        spans = self._legs.announcing(outcomes)
        await self._publish_all(told.announcements, _headers(outcomes, spans) if spans else None)
        for change in told.changes:  # before the answers: whoever asked finds no gateway that has not heard of it
            await self._connection.publish(subjects.CONVERSATION_CHANGED, _json(change))
        for gateway, answered in told.answers.items():
            for part in _parts(answered):
                await self._connection.publish(subjects.answers(gateway), part)
        if outcomes:
            self._legs.announced(outcomes[-1], spans)

    async def tell(self, announcements: Sequence[Announcement]) -> None:
        """Announce frames that come of no command of the log.

        Raises:
            One of BROKER_ERRORS: some of it may not have been heard.
        """
        await self._publish_all(announcements)

    async def confirm(self) -> bool:
        """Tell whether the broker has all that was announced."""
        return await self._connection.flushed(CONFIRM_S)

    async def refuse(self, origin: Origin, detail: str) -> None:
        """Tell who asked that a command cannot be applied.

        Raises:
            One of BROKER_ERRORS.
        """
        await self.announce([Refused(origin, Code.INTERNAL, detail)])

    async def _publish_all(self, announcements: Sequence[Announcement], headers: Headers | None = None) -> None:
        if self._shards == 1:
            by_shard: dict[int, Sequence[Announcement]] = {0: announcements}
        else:
            by_shard = self._sharded(announcements)
        for shard, announced in by_shard.items():
            for part in _parts(announced):
                await self._connection.publish(subjects.announcements(shard), part, dict(headers) if headers else None)

    def _sharded(self, announcements: Iterable[Announcement]) -> dict[int, Sequence[Announcement]]:
        by_shard: defaultdict[int, list[Announcement]] = defaultdict(list)
        for announcement in announcements:
            users = defaultdict(list)
            for user in announcement.to:
                users[shard_of(user, self._shards)].append(user)
            for shard, to in users.items():
                by_shard[shard].append(announcement._replace(to=tuple(to)))
        return dict(by_shard)


def _headers(outcomes: Iterable[Outcome], spans: Mapping[Asked, Span]) -> Headers:
    """Tell the hearers of traced messages in which span they were announced."""
    contexts = [
        (f"{outcome.message.conversation_id}.{outcome.message.rev}", span.context)
        for outcome in outcomes
        if isinstance(outcome, Stored) and (span := spans.get((outcome.origin.gateway, outcome.origin.ref))) is not None
    ]
    return {TRACES: write(contexts)} if contexts else {}


def _ack(outcome: Stored) -> Answer:
    message = outcome.message
    return Answer(
        outcome.origin.ref,
        "",
        "",
        message.message_id,
        message.conversation_id,
        message.seq,
        message.first_rev,
        message.sent_at_ms,
        outcome.is_repeat,
    )


def _done(outcome: BlockSet) -> Answer:
    return Answer(
        outcome.origin.ref,
        message_id=outcome.operation_id,
        conversation_id=outcome.conversation_id,
        duplicate=outcome.is_repeat,
    )


def _message(outcome: Stored) -> Announcement:
    message = outcome.message
    view = message_view(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        seq=message.seq,
        rev=message.rev,
        sender=message.sender,
        content=message.content,
        content_type=message.content_type,
        sent_at_ms=message.sent_at_ms,
        reply_to=message.reply_to,
        mentions=message.mentions,
    )
    return Announcement(
        outcome.audience,
        message.conversation_id,
        message.rev,
        _json(view),
        outcome.origin.session,
        message.sender_id,
        ClientId(message.client_id),
    )


def _receipt(outcome: CursorMoved) -> Announcement:
    frame = receipt_frame(outcome.conversation_id, outcome.username, outcome.state, outcome.up_to_seq, outcome.at_ms)
    return Announcement(outcome.audience, outcome.conversation_id, 0, _json(frame))


def _kept(outcome: CursorKept) -> Announcement:
    frame = receipt_frame(*outcome[2:])
    return Announcement((outcome.user_id,), outcome.conversation_id, 0, _json(frame), only=outcome.origin.session)


def _parts(values: Sequence[Any]) -> Iterable[bytes]:
    """Encode a list in parts that fit into a message of the broker."""
    if not values:
        return
    whole = _msgpack(values)
    if len(whole) <= MAX_PUBLISH_BYTES or len(values) == 1:
        yield whole
        return
    middle = len(values) // 2
    yield from _parts(values[:middle])
    yield from _parts(values[middle:])
