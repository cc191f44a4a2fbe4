"""How far a message is: in short, as a timeline, and who has it; also before it is stored, and where it never is."""

from typing import Annotated, Final, Literal, NamedTuple

from litestar import get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import no_such_message, seen_message
from services.gateway.api.paging import read_message_id
from services.gateway.api.problems import answers
from services.gateway.api.reads import Reads
from services.gateway.api.shapes import MessageStatus, Time
from services.gateway.commands.commands import Commands
from services.gateway.commands.refused import Refused
from services.gateway.settings import Settings
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.contracts.queries import GetReceipts, GetTimeline, MessageReceipt, MessageReceipts, Timeline, Way
from shared.contracts.subjects import RECEIPTS, TIMELINE

ReasonField = Annotated[str | None, Meta(description="Why it failed", examples=["blocked"])]
_REFUSALS: Final = (Code.INVALID, Code.UNAUTHENTICATED, Code.NOT_FOUND)


class AttemptView(Struct, frozen=True):
    """A try to reach a recipient, or (`failed`) the moment at which trying ended."""

    at: Time
    attempt: int
    outcome: Literal["retrying", "failed"]


class RecipientProgress(Struct, frozen=True, kw_only=True):
    """How far a message is with one recipient; `retry_count` of `max_retries` were tried since it waits anew."""

    user: Username
    status: Literal["sent", "retrying", "failed", "delivered", "read"]
    attempts: list[AttemptView]
    retry_count: int
    max_retries: int
    next_retry_at: Time | None
    reason: ReasonField = None
    delivered_at: Time | None
    read_at: Time | None


class MessageTimeline(Struct, frozen=True, kw_only=True):
    """A message's way from acceptance on. `queued` and `failed` (refused, with its `reason`) are not stored.

    `status` is the lowest of the recipients'. `stored_at` is missing for messages of before it was noted.
    """

    message_id: MessageId
    conversation_id: ConversationId
    seq: int | None
    status: Literal["queued", "sent", "delivered", "read", "failed"]
    reason: ReasonField = None
    accepted_at: Time | None
    stored_at: Time | None
    recipients: list[RecipientProgress]


class ReceiptView(Struct, frozen=True):
    """How far one recipient is with a message; without a time it is not there yet, or does not show when."""

    user: Username
    status: Literal["sent", "delivered", "read"]
    delivered_at: Time | None
    read_at: Time | None


class ReceiptList(Struct, frozen=True, kw_only=True):
    """Every member but the sender: there is no further page. Without `seq` the message is not stored."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int | None
    items: list[ReceiptView]
    next: str | None = None
    prev: str | None = None


class Unstored(NamedTuple):
    """A message of one's own that is not stored: queued still, or refused after it was queued."""

    message_id: MessageId
    conversation_id: ConversationId
    to: Username
    status: Literal["queued", "failed"]
    sent_at_ms: int | None = None
    reason: str | None = None


@get("/api/v1/messages/{message_id:str}/status", tags=["progress"], responses=answers(*_REFUSALS))
async def get_message_status(
    request: Asking,
    message_id: FromPath[str],
    reads: NamedDependency[Reads],
    commands: NamedDependency[Commands],
    refused: NamedDependency[Refused],
) -> MessageStatus:
    """Tell how far a message is: queued while it is only in the log, then sent, delivered, read; failed if refused."""
    asker, asked = request.user.user_id, read_message_id("message_id", message_id)
    queued = queued_message(commands, asker, asked)
    try:
        seen = await seen_message(reads, asker, asked)
    except Refusal as refusal:
        unstored = await _unstored(refusal, queued, refused, asker, asked)
    else:
        if seen is not None:
            return MessageStatus(
                message_id=seen.message_id,
                conversation_id=seen.conversation_id,
                status=seen.status,
                seq=seen.seq,
                delivered_at=seen.delivered_at,
                read_at=seen.read_at,
            )
        unstored = await _unstored(no_such_message(), queued, refused, asker, asked)
    return MessageStatus(
        message_id=unstored.message_id,
        conversation_id=unstored.conversation_id,
        status=unstored.status,
        reason=unstored.reason,
    )


@get(
    "/api/v1/messages/{message_id:str}/timeline",
    tags=["progress"],
    responses=answers(*_REFUSALS, Code.FORBIDDEN),
)
async def get_timeline(
    request: Asking,
    message_id: FromPath[str],
    reads: NamedDependency[Reads],
    commands: NamedDependency[Commands],
    refused: NamedDependency[Refused],
    settings: NamedDependency[Settings],
) -> MessageTimeline:
    """Tell how a message of mine went on its way: every attempt to reach each of its recipients."""
    asker, asked = request.user.user_id, read_message_id("message_id", message_id)
    queued = queued_message(commands, asker, asked)
    try:
        timeline = await reads.ask(TIMELINE, GetTimeline(asker, asked), Timeline)
    except Refusal as refusal:
        unstored = await _unstored(refusal, queued, refused, asker, asked)
        return MessageTimeline(
            message_id=unstored.message_id,
            conversation_id=unstored.conversation_id,
            seq=None,
            status=unstored.status,
            reason=unstored.reason,
            accepted_at=time_of(unstored.sent_at_ms),
            stored_at=None,
            recipients=[],
        )
    return MessageTimeline(
        message_id=timeline.message_id,
        conversation_id=timeline.conversation_id,
        seq=timeline.seq,
        status=_lowest(timeline.recipients),
        accepted_at=rfc3339(timeline.sent_at_ms),
        stored_at=time_of(timeline.stored_at_ms),
        recipients=[_recipient(way, settings.max_retries) for way in timeline.recipients],
    )


@get("/api/v1/messages/{message_id:str}/receipts", tags=["progress"], responses=answers(*_REFUSALS))
async def list_receipts(
    request: Asking,
    message_id: FromPath[str],
    reads: NamedDependency[Reads],
    commands: NamedDependency[Commands],
    refused: NamedDependency[Refused],
) -> ReceiptList:
    """Tell who has, and who has read, a message of a conversation of mine."""
    asker, asked = request.user.user_id, read_message_id("message_id", message_id)
    queued = queued_message(commands, asker, asked)
    try:
        found = await reads.ask(RECEIPTS, GetReceipts(asker, asked), MessageReceipts)
    except Refusal as refusal:
        unstored = await _unstored(refusal, queued, refused, asker, asked)
        return ReceiptList(message_id=unstored.message_id, conversation_id=unstored.conversation_id, seq=None, items=[])
    return ReceiptList(
        message_id=found.message_id,
        conversation_id=found.conversation_id,
        seq=found.seq,
        items=[_receipt(receipt) for receipt in found.receipts],
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [get_message_status, get_timeline, list_receipts]


def queued_message(commands: Commands, asker: UserId, message_id: MessageId) -> Unstored | None:
    """Find a message of one's own in flight; to be asked before history is: it may be stored in between."""
    queued = commands.queued(asker, message_id)
    if queued is None:
        return None
    return Unstored(queued.message_id, queued.conversation_id, queued.to, "queued", queued.sent_at_ms)


async def refused_message(refused: Refused, asker: UserId, message_id: MessageId) -> Unstored | None:
    """Find a message of one's own that was refused after it was queued."""
    found = await refused.find(asker, message_id)
    if found is None:
        return None
    return Unstored(found.message_id, found.conversation_id, found.to, "failed", reason=found.code)


def time_of(at_ms: int | None) -> str | None:
    """Write a time that may not have come."""
    return None if at_ms is None else rfc3339(at_ms)


async def _unstored(
    refusal: Refusal, queued: Unstored | None, refused: Refused, asker: UserId, message_id: MessageId
) -> Unstored:
    """Answer for a message that history does not know, or can't be asked for.

    Raises:
        Refusal: history's, where it is not known to be queued or refused either.
    """
    found = queued
    if found is None and refusal.code is Code.NOT_FOUND:
        found = await refused_message(refused, asker, message_id)
    if found is None:
        raise refusal
    return found


def _lowest(ways: list[Way]) -> Literal["sent", "delivered", "read"]:
    statuses = {way.status for way in ways}
    if not statuses or not statuses <= {"delivered", "read"}:
        return "sent"
    return "delivered" if "delivered" in statuses else "read"


def _recipient(way: Way, max_retries: int) -> RecipientProgress:
    attempts = [AttemptView(rfc3339(attempt.at_ms), attempt.attempt, attempt.outcome) for attempt in way.attempts]
    is_trying = way.status in {"retrying", "failed"}
    return RecipientProgress(
        user=way.username,
        status=way.status,
        attempts=attempts,
        retry_count=attempts[-1].attempt if is_trying and attempts else 0,
        max_retries=max_retries,
        next_retry_at=time_of(way.next_retry_at_ms),
        reason=way.reason or None,
        delivered_at=time_of(way.delivered_at_ms),
        read_at=time_of(way.read_at_ms),
    )


def _receipt(receipt: MessageReceipt) -> ReceiptView:
    return ReceiptView(
        receipt.username,
        "read" if receipt.is_read else "delivered" if receipt.is_delivered else "sent",
        time_of(receipt.delivered_at_ms),
        time_of(receipt.read_at_ms),
    )
