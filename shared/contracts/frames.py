"""The frames to clients that more than one service writes (protocol page, section 3); absent fields are left out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NotRequired, TypedDict

from shared.contracts.ids import ClientId, ConversationId, MessageId, Username


class MessageView(TypedDict):
    """A message as clients see it; `id` only for the sender's own devices."""

    type: NotRequired[Literal["message"]]
    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    sender: Username
    content: str
    content_type: str
    sent_at: str
    reply_to: NotRequired[MessageId]
    mentions: NotRequired[list[Username]]
    id: NotRequired[ClientId]


class ReceiptFrame(TypedDict):
    """How far a member has, or has read, a conversation."""

    type: Literal["read_receipt"]
    conversation_id: ConversationId
    user: Username
    state: Literal["delivered", "read"]
    up_to_seq: int
    at: str


class StatusFrame(TypedDict):
    """What became of a message, to its sender: `user` and `up_to_seq` say of which recipient, and up to where."""

    type: Literal["message_status"]
    message_id: MessageId
    conversation_id: ConversationId
    status: Literal["queued", "sent", "retrying", "failed"]
    at: str
    user: NotRequired[Username]
    up_to_seq: NotRequired[int]
    retry_count: NotRequired[int]
    max_retries: NotRequired[int]
    next_retry_at: NotRequired[str]
    reason: NotRequired[str]


class ResyncFrame(TypedDict):
    """Something was missed: with a conversation, sync it."""

    type: Literal["resync"]
    conversation_id: NotRequired[ConversationId]
    reason: Literal["gap", "epoch_changed", "broker_reconnect", "slow", "access_changed"]


class TypingFrame(TypedDict):
    """A member types, or has stopped; without another one it is over after `ttl_ms`."""

    type: Literal["typing"]
    conversation_id: ConversationId
    user: Username
    state: Literal["start", "stop"]
    ttl_ms: int


class UserStatusFrame(TypedDict):
    """How a watched user is; who is invisible is offline."""

    type: Literal["user_status"]
    user: Username
    status: Literal["online", "away", "dnd", "offline"]
    last_seen: NotRequired[str]


class MemberView(TypedDict):
    """A member of a conversation as another member sees it."""

    username: Username
    display_name: str
    delivered_seq: int
    read_seq: int


class ConversationView(TypedDict):
    """A conversation in a user's list; `unread` is counted, `last_message` is like one of a page.

    `peer` is the other one where it is direct. `muted`, `pinned`, `archived`, `draft` are the user's own, `blocked`:
    the user blocks the peer.
    """

    conversation_id: ConversationId
    kind: Literal["direct", "group"]
    rev: int
    last_seq: int
    last_message: object
    unread: int
    first_unread_seq: int | None
    delivered_seq: int
    read_seq: int
    members: list[MemberView]
    peer: NotRequired[MemberView]
    muted: bool
    pinned: bool
    archived: bool
    draft: str
    blocked: bool


@lru_cache(maxsize=4096)  # under load many messages are of one millisecond
def rfc3339(unix_ms: int) -> str:
    """Write a time as the protocol does: UTC with milliseconds, `2026-11-22T10:00:00.123Z`."""
    seconds, millis = divmod(unix_ms, 1000)
    return f"{_to_the_second(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=1024)  # the messages of one second share it
def _to_the_second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def message_view(  # noqa: PLR0913 - one argument per field of the frame
    *,
    message_id: MessageId,
    conversation_id: ConversationId,
    seq: int,
    rev: int,
    sender: Username,
    content: str,
    content_type: str,
    sent_at_ms: int,
    reply_to: MessageId | None = None,
    mentions: Sequence[Username] = (),
    client_id: ClientId | None = None,
    framed: bool = True,
) -> MessageView:
    """Lay out a message for a client; `framed` puts the `type` in front, as a frame has it and a page has not."""
    view: MessageView = {"type": "message"} if framed else {}  # type: ignore[typeddict-item] # filled right below
    view["message_id"] = message_id
    view["conversation_id"] = conversation_id
    view["seq"] = seq
    view["rev"] = rev
    view["sender"] = sender
    view["content"] = content
    view["content_type"] = content_type
    view["sent_at"] = rfc3339(sent_at_ms)
    if reply_to is not None:
        view["reply_to"] = reply_to
    if mentions:
        view["mentions"] = list(mentions)
    if client_id is not None:
        view["id"] = client_id
    return view


def receipt_frame(
    conversation_id: ConversationId,
    user: Username,
    state: Literal["delivered", "read"],
    up_to_seq: int,
    at_ms: int,
) -> ReceiptFrame:
    """Lay out a receipt for a client."""
    return {
        "type": "read_receipt",
        "conversation_id": conversation_id,
        "user": user,
        "state": state,
        "up_to_seq": up_to_seq,
        "at": rfc3339(at_ms),
    }
