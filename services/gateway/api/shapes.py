"""What the message endpoints answer. `M` is a message: described for the OpenAPI document, raw JSON when sent."""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from litestar import Response
from msgspec import Meta, Struct, field

from services.gateway.fanout.watcher import Shown
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ConversationId, MessageId, Username
from shared.contracts.presence import Status as PresenceStatus
from shared.contracts.queries import Member

M = TypeVar("M")

Status = Literal["queued", "sent", "delivered", "read"]
Time = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds", examples=["2026-11-22T10:00:00.123Z"])]

_encode = msgspec.json.Encoder().encode


class MessageItem(Struct, frozen=True, kw_only=True):
    """A message with what its sender would see of its way. `id` stands only in the sender's own view."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    sender: Username
    content: str
    content_type: str
    sent_at: Time
    status: Status
    delivered_at: Time | None
    read_at: Time | None
    reply_to: MessageId | None = None
    mentions: list[Username] | None = None
    id: str | None = None


class SyncedMessage(Struct, frozen=True, kw_only=True):
    """A message as in the frame of the socket, without its type."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    sender: Username
    content: str
    content_type: str
    sent_at: Time
    reply_to: MessageId | None = None
    mentions: list[Username] | None = None
    id: str | None = None


class PeerCursor(Struct, frozen=True):
    """How far a member has, and has read, the conversation."""

    username: Username
    delivered_seq: int
    read_seq: int
    delivered_at: Time | None
    read_at: Time | None


class HistoryPage(Struct, Generic[M], frozen=True):
    """A page with somebody, oldest message first; `has_more` and `next` speak of the direction asked."""

    conversation_id: ConversationId
    messages: list[M]
    next: str | None
    prev: str | None
    has_more: bool
    first_unread_seq: int | None
    peer: PeerCursor


class MessageList(Struct, Generic[M], frozen=True):
    """A page of a conversation, oldest message first."""

    items: list[M]
    next: str | None
    prev: str | None
    has_more: bool
    first_unread_seq: int | None
    members: list[PeerCursor]


class SentMessage(Struct, frozen=True):
    """A stored message. `duplicate`: the same request was stored before, this is its first answer."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    status: Literal["sent"]
    sent_at: Time
    duplicate: bool


class QueuedMessage(Struct, frozen=True):
    """A message in the log that is not stored yet; its status tells when it is."""

    message_id: MessageId
    conversation_id: ConversationId
    status: Literal["queued"]


class QueuedDelivery(Struct, frozen=True):
    """A message accepted for somebody who may be away, with the state of its delivery."""

    message_id: MessageId
    status: Literal["queued"]
    retry_count: int
    max_retries: int
    next_retry_at: Time


class MessageStatus(Struct, frozen=True, kw_only=True):
    """How far a message is; without `seq` it is not stored: queued still, or failed, refused for a `reason`."""

    message_id: MessageId
    conversation_id: ConversationId
    status: Status | Literal["failed"]
    seq: int | None = None
    delivered_at: Time | None = None
    read_at: Time | None = None
    reason: str | None = None


class CursorView(Struct, frozen=True):
    """Where one's own cursors stand now."""

    conversation_id: ConversationId
    delivered_seq: int
    read_seq: int


class SyncMember(Struct, frozen=True):
    """A member's cursors."""

    username: Username
    delivered_seq: int
    read_seq: int


class SyncPage(Struct, Generic[M], frozen=True):
    """What was missed of one conversation; where `complete`, `rev` is the new cursor."""

    conversation_id: ConversationId
    messages: list[M]
    members: list[SyncMember]
    rev: int
    complete: bool


class TypingItem(Struct, frozen=True):
    """A member types, or has stopped; without another word it is over after `ttl_ms`."""

    conversation_id: ConversationId
    user: Username
    state: Literal["start", "stop"]
    ttl_ms: int


class PresenceItem(Struct, frozen=True, omit_defaults=True):
    """How somebody is; `last_seen` only where it may be seen."""

    user: Username
    status: PresenceStatus
    last_seen: Time | None = None


class Synced(Struct, Generic[M], frozen=True):
    """What was missed. `cursors` replace the client's; conversations in `more` have more to fetch.

    `typing`: who began or stopped while this was waited for. `presence`: how those are who were watched.
    """

    epoch: str
    conversations: list[SyncPage[M]]
    cursors: dict[ConversationId, int]
    more: list[ConversationId]
    typing: list[TypingItem] = field(default_factory=list)
    presence: list[PresenceItem] = field(default_factory=list)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with JSON that may hold raw parts."""
    return Response(_encode(body), status_code=status, media_type="application/json", headers=headers)


def presence_item(user: Username, shown: Shown) -> PresenceItem:
    """Show how somebody is."""
    return PresenceItem(user, shown.status, None if shown.last_seen_ms is None else rfc3339(shown.last_seen_ms))


def peer_cursor(member: Member) -> PeerCursor:
    """Show a member's cursors; one that never moved has no time."""
    return PeerCursor(
        member.username,
        member.delivered_seq,
        member.read_seq,
        rfc3339(member.delivered_at_ms) if member.delivered_at_ms else None,
        rfc3339(member.read_at_ms) if member.read_at_ms else None,
    )
