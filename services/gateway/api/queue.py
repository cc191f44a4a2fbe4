"""The queue: my messages that have not reached somebody, wherever they wait, and trying them again."""

from typing import Annotated, Final, Literal, NamedTuple

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import no_such_message, seen_message
from services.gateway.api.paging import (
    DEFAULT_PAGE,
    MAX_PAGE,
    MAX_SEQ,
    Cursor,
    PageSize,
    lead_on,
    read_cursor,
    read_message_id,
    write_cursor,
)
from services.gateway.api.problems import answers
from services.gateway.api.progress import ReasonField, Unstored, queued_message, refused_message, time_of
from services.gateway.api.reads import Reads
from services.gateway.api.shapes import Time, answer
from services.gateway.commands.commands import Commands
from services.gateway.commands.refused import Refused
from services.gateway.guards.retry_rates import RetryRates
from services.gateway.settings import Settings
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ID_PATTERN, ConversationId, MessageId, UserId, Username
from shared.contracts.queries import FindOutcomes, GetUndelivered, Outcomes, Undelivered, UndeliveredPage
from shared.contracts.retries import Retried, RetryMessage
from shared.contracts.subjects import OUTCOMES, RETRY_MESSAGE, UNDELIVERED
from shared.runtime import clock

_Id = Meta(pattern=rf"\A(?:{ID_PATTERN})?\Z")


class QueueItem(Struct, frozen=True):
    """A message that has not reached somebody; without `seq` it is not stored: queued still, or refused (failed).

    `to` is missing where an unstored message is not for one person, or it is not known for whom.
    """

    message_id: MessageId
    conversation_id: ConversationId
    to: Username | None
    seq: int | None
    status: Literal["queued", "sent", "retrying", "failed"]
    retry_count: int
    max_retries: int
    next_retry_at: Time | None
    reason: ReasonField = None


class QueuePage(Struct, frozen=True):
    """A page of the queue."""

    items: list[QueueItem]
    next: str | None
    prev: str | None = None


class RetriedItems(Struct, frozen=True):
    """A message's items of the queue, as they are now: none where everybody has it."""

    items: list[QueueItem]


class _InFlight(Struct, frozen=True, tag="in_flight"):
    """A place among what is in flight here: behind a message, by id."""

    after: Annotated[MessageId, _Id] = MessageId("")


class _Refused(Struct, frozen=True, tag="refused"):
    """A place among what was refused: behind a message, by id."""

    after: Annotated[MessageId, _Id] = MessageId("")


class _Stored(Struct, frozen=True, tag="stored"):
    """A place among what is stored: behind a recipient of a message; None: the first of all."""

    after: (
        tuple[Annotated[ConversationId, _Id], Annotated[int, Meta(ge=0, le=MAX_SEQ)], Annotated[UserId, _Id]] | None
    ) = None


_Place = _InFlight | _Refused | _Stored


class _Behind(Struct, frozen=True):
    """What a cursor holds."""

    place: _Place


class _Placed(NamedTuple):
    place: _Place
    item: QueueItem


@get("/api/v1/queue", tags=["queue"], responses=answers(Code.INVALID, Code.UNAUTHENTICATED, documents={200: QueuePage}))
async def list_queue(
    request: Asking,
    reads: NamedDependency[Reads],
    commands: NamedDependency[Commands],
    refused: NamedDependency[Refused],
    settings: NamedDependency[Settings],
    *,
    page_size: PageSize = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response[bytes]:
    """List my messages that have not reached somebody: those not stored yet, those refused, those that wait."""
    place: _Place = _InFlight() if cursor is None else read_cursor(cursor, _Behind).place
    queue = _Queue(request.user.user_id, reads, commands, refused, settings.max_retries)
    placed, rest = await queue.page(place, page_size)
    on = None if rest is None else write_cursor(_Behind(rest))
    page = QueuePage([each.item for each in placed], on)
    return answer(page, headers=lead_on("/api/v1/queue", on, page_size=page_size))


@post(
    "/api/v1/queue/{message_id:str}/retry",
    status_code=200,
    tags=["queue"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND, Code.RATE_LIMITED),
)
async def retry_message(
    request: Asking,
    message_id: FromPath[str],
    reads: NamedDependency[Reads],
    commands: NamedDependency[Commands],
    refused: NamedDependency[Refused],
    retry_rates: NamedDependency[RetryRates],
    settings: NamedDependency[Settings],
) -> RetriedItems:
    """Have a message of mine tried again, now, for everybody it has not reached."""
    asker, asked = request.user.user_id, read_message_id("message_id", message_id)
    retry_rates.check_user(asker, clock.monotonic())
    unstored = queued_message(commands, asker, asked)
    seen = None if unstored is not None else await seen_message(reads, asker, asked)
    if seen is None:
        unstored = unstored or await refused_message(refused, asker, asked)
        if unstored is None:
            raise no_such_message()
        return RetriedItems([_unstored_item(unstored, settings.max_retries)])
    if seen.sender != request.user.username:
        raise no_such_message()
    retry_rates.check_message(asker, asked, clock.monotonic())
    await reads.ask(RETRY_MESSAGE, RetryMessage(asker, asked), Retried)
    queue = _Queue(asker, reads, commands, refused, settings.max_retries)
    return RetriedItems(await queue.items_of(asked, seen.conversation_id, seen.seq))


HANDLERS: Final[list[HTTPRouteHandler]] = [list_queue, retry_message]


class _Queue:
    """A user's queue: three parts, one behind the other."""

    def __init__(self, user_id: UserId, reads: Reads, commands: Commands, refused: Refused, max_retries: int) -> None:
        self._user_id = user_id
        self._reads = reads
        self._commands = commands
        self._refused = refused
        self._max_retries = max_retries

    async def page(self, place: _Place, limit: int) -> tuple[list[_Placed], _Place | None]:
        """Read so many items behind a place; returns them, and the place to go on from, None at the end.

        What can't be read right now is left for another page: what is in flight is shown while the store is away.

        Raises:
            Refusal: `unavailable`, where nothing can be read.
        """
        found: list[_Placed] = []
        rest: _Place | None = None
        if isinstance(place, _InFlight):
            found += self._in_flight(place.after)
            place = _Refused()
        try:
            if isinstance(place, _Refused) and len(found) <= limit:
                found += await self._refused_behind(place.after, limit + 1 - len(found))
                place = _Stored()
            if isinstance(place, _Stored) and len(found) <= limit:
                stored = await self._stored(place, min(MAX_PAGE, max(1, limit - len(found))))
                found += [_Placed(_place_of(each), self._stored_item(each)) for each in stored.items]
                rest = None if stored.next is None else _Stored(stored.next)
        except Refusal as refusal:
            if not found or refusal.code is not Code.UNAVAILABLE:
                raise
            rest = place
        if len(found) > limit:
            rest = found[limit - 1].place
        return found[:limit], rest

    async def items_of(self, message_id: MessageId, conversation_id: ConversationId, seq: int) -> list[QueueItem]:
        """Read the items of one stored message.

        Raises:
            Refusal: `unavailable`.
        """
        items: list[QueueItem] = []
        place: _Stored | None = _Stored((conversation_id, seq, UserId("")))
        while place is not None:
            stored = await self._stored(place, DEFAULT_PAGE)
            items += [self._stored_item(each) for each in stored.items if each.message_id == message_id]
            is_over = stored.next is None or stored.next[:2] > (conversation_id, seq)
            place = None if is_over else _Stored(stored.next)
        return items

    def _in_flight(self, after: MessageId) -> list[_Placed]:
        waiting = [
            Unstored(each.message_id, each.conversation_id, each.to, "queued", each.sent_at_ms)
            for each in self._commands.all_queued(self._user_id)
            if each.message_id > after
        ]
        return [_Placed(_InFlight(each.message_id), _unstored_item(each, self._max_retries)) for each in waiting]

    async def _refused_behind(self, after: MessageId, most: int) -> list[_Placed]:
        """List what was refused, but what is in flight again; what was stored after all is forgotten."""
        in_flight = {each.message_id for each in self._commands.all_queued(self._user_id)}
        found: list[_Placed] = []
        while len(found) < most:
            some = await self._refused.list_behind(self._user_id, after, most)
            if not some:
                break
            after = some[-1].message_id
            outcomes = await self._reads.ask(OUTCOMES, FindOutcomes([each.message_id for each in some]), Outcomes)
            stored = {outcome.message_id for outcome in outcomes.found}
            await self._refused.forget(sorted(stored))
            for each in some:
                if each.message_id not in stored and each.message_id not in in_flight:
                    failed = Unstored(each.message_id, each.conversation_id, each.to, "failed", reason=each.code)
                    found.append(_Placed(_Refused(each.message_id), _unstored_item(failed, self._max_retries)))
        return found

    async def _stored(self, place: _Stored, limit: int) -> UndeliveredPage:
        question = GetUndelivered(self._user_id, limit, place.after)
        return await self._reads.ask(UNDELIVERED, question, UndeliveredPage)

    def _stored_item(self, waiting: Undelivered) -> QueueItem:
        return QueueItem(
            message_id=waiting.message_id,
            conversation_id=waiting.conversation_id,
            to=waiting.to,
            seq=waiting.seq,
            status=waiting.status,
            retry_count=waiting.retry_count,
            max_retries=self._max_retries,
            next_retry_at=time_of(waiting.next_retry_at_ms),
            reason=waiting.reason or None,
        )


def _place_of(waiting: Undelivered) -> _Stored:
    return _Stored((waiting.conversation_id, waiting.seq, waiting.to_id))


def _unstored_item(unstored: Unstored, max_retries: int) -> QueueItem:
    return QueueItem(
        message_id=unstored.message_id,
        conversation_id=unstored.conversation_id,
        to=unstored.to or None,
        seq=None,
        status=unstored.status,
        retry_count=0,
        max_retries=max_retries,
        next_retry_at=None,
        reason=unstored.reason,
    )
