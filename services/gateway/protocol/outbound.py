"""What a client is sent, encoded once; messages and receipts come encoded from delivery and history."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from shared.contracts.errors import RETRYABLE, Refusal
from shared.contracts.frames import TypingFrame, rfc3339
from shared.contracts.ids import ConversationId, MessageId, SessionId, UserId, Username
from shared.contracts.presence import Status

HEARTBEAT_MS: Final = 20_000

ResyncReason = Literal["gap", "epoch_changed", "broker_reconnect", "slow", "access_changed"]

encode = msgspec.json.Encoder().encode
stamp = lru_cache(4096)(rfc3339)
"""`rfc3339`, remembered: a burst of acks shares its few milliseconds."""


class Me(Struct, frozen=True):
    """The user whose socket it is."""

    id: UserId
    username: Username
    display_name: str


class Welcome(Struct, frozen=True, tag_field="type", tag="welcome"):
    """The first answer to a `hello`."""

    session_id: SessionId
    user: Me
    epoch: str
    heartbeat_ms: int
    limits: Mapping[str, int | float]
    server_time: str


class CaughtUp(Struct, frozen=True, tag_field="type", tag="caught_up", omit_defaults=True):
    """The end of a replay: where the client now stands, and where there is more to fetch."""

    replayed: int
    cursors: dict[ConversationId, int]
    more: list[ConversationId] | None = None


class Ack(Struct, frozen=True, gc=False, tag_field="type", tag="ack"):
    """The message is stored."""

    re: str
    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    status: Literal["sent"]
    sent_at: str
    duplicate: bool


class MessageStatus(Struct, frozen=True, gc=False, tag_field="type", tag="message_status", omit_defaults=True):
    """What became of a message that is not stored yet, or was not stored at once."""

    message_id: MessageId
    conversation_id: ConversationId
    status: Literal["queued", "sent", "failed"]
    at: str
    reason: str | None = None


class UserStatus(Struct, frozen=True, gc=False, tag_field="type", tag="user_status", omit_defaults=True):
    """How a watched user is."""

    user: Username
    status: Status
    last_seen: str | None = None


class SyncPage(Struct, frozen=True, tag_field="type", tag="sync_page"):
    """A page of a conversation."""

    re: str
    conversation_id: ConversationId
    messages: list[Raw]
    members: list["MemberCursor"]
    rev: int
    complete: bool


class MemberCursor(Struct, frozen=True, gc=False):
    """How far a member has, and has read, a conversation."""

    username: Username
    delivered_seq: int
    read_seq: int


class Resync(Struct, frozen=True, tag_field="type", tag="resync", omit_defaults=True):
    """Fetch one conversation again, or say hello again."""

    reason: ResyncReason
    conversation_id: ConversationId | None = None


class ServerPing(Struct, frozen=True, tag_field="type", tag="ping"):
    """Ask a silent client for a sign of life."""

    n: int


class ServerPong(Struct, frozen=True, gc=False, tag_field="type", tag="pong"):
    """Give a client the sign of life it asked for."""

    n: int


class Error(Struct, frozen=True, tag_field="type", tag="error", omit_defaults=True):
    """A frame was refused; the socket stays open."""

    code: str
    detail: str
    retryable: bool
    re: str | None = None
    retry_after_ms: int | None = None
    fields: dict[str, str] | None = None


def error(refusal: Refusal, re: str | None = None) -> bytes:
    """Write a refusal as a frame."""
    return encode(
        Error(
            code=refusal.code.value,
            detail=refusal.detail,
            retryable=refusal.code in RETRYABLE,
            re=re,
            retry_after_ms=refusal.retry_after_ms,
            fields=refusal.fields,
        )
    )


def ack(
    *,
    re: str,
    message_id: MessageId,
    conversation_id: ConversationId,
    seq: int,
    rev: int,
    sent_at_ms: int,
    duplicate: bool,
) -> bytes:
    """Write an ack."""
    return encode(Ack(re, message_id, conversation_id, seq, rev, "sent", stamp(sent_at_ms), duplicate))


def message_status(
    message_id: MessageId,
    conversation_id: ConversationId,
    status: Literal["queued", "sent", "failed"],
    at_ms: int,
    *,
    reason: str | None = None,
) -> bytes:
    """Write what became of a message that was not stored at once."""
    return encode(MessageStatus(message_id, conversation_id, status, stamp(at_ms), reason))


@lru_cache(4096)  # a change is told to everybody who watches
def user_status(user: Username, status: Status, last_seen_ms: int | None) -> bytes:
    """Write how a user is."""
    return encode(UserStatus(user, status, None if last_seen_ms is None else rfc3339(last_seen_ms)))


def typing(conversation_id: ConversationId, user: Username, state: Literal["start", "stop"], ttl_ms: int) -> bytes:
    """Write that a member types, or has stopped."""
    frame: TypingFrame = {
        "type": "typing",
        "conversation_id": conversation_id,
        "user": user,
        "state": state,
        "ttl_ms": ttl_ms,
    }
    return encode(frame)


def resync(reason: ResyncReason, conversation_id: ConversationId | None = None) -> bytes:
    """Write a resync."""
    return encode(Resync(reason, conversation_id))


def with_id(frame: bytes, client_id: str) -> bytes:
    """Put the client's id into a message frame, for its author's own devices; the frame is not parsed."""
    return b'%b,"id":"%b"}' % (frame[:-1], client_id.encode())
