"""What the gateway asks history, and the replies; JSON both ways (request-reply over the broker).

`M` is the form of a message in a reply: history writes `MessageView`, the gateway reads raw JSON that it passes
on unparsed. A refused query is answered with a `QueryFailed` instead; the header `Parley-Failed: 1` tells.
"""

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from shared.contracts.ids import ConversationId, MessageId, UserId, Username

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class QueryFailed:
    """Why a query has no reply: a `Code` and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class GetMembers:
    """Ask who is in a conversation (any asker: the gateway checks membership with it)."""

    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class Member:
    """A member and how far it has, and has read, the conversation. `left`: a former member.

    In replies to a user, `read_seq` of others is what they show. `display_name` is given where the reply says so.
    """

    user_id: UserId
    username: Username
    delivered_seq: int
    read_seq: int
    delivered_at_ms: int = 0
    read_at_ms: int = 0
    left: bool = False
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a conversation; `kind` is "direct" or "group", "" where there is no such conversation.

    `blocker_ids`: who of a direct conversation's pair blocks the other, also before it exists.
    """

    kind: str
    members: list[Member]
    last_seq: int = 0
    rev: int = 0
    blocker_ids: list[UserId] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GetPage:
    """Ask for a page of a conversation; at most one of the places is given.

    Without any: the newest messages. `around`: a message id, with messages on both sides; `around_seq`: the same
    by seq, one above the last is cut to it. `at_ms`: from the first message sent at or after that time (Unix ms).
    `before_id`: like `before_seq`, by message id.
    `limit` 1-200; a page ends early at 256 KiB of content.
    """

    user_id: UserId
    conversation_id: ConversationId
    limit: int = 50
    before_seq: int | None = None
    after_seq: int | None = None
    around: MessageId | None = None
    at_ms: int | None = None
    before_id: MessageId | None = None
    around_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Messages, oldest first, each with `status`, `delivered_at`, `read_at` besides the frame's fields.

    `has_older` / `has_newer` speak of what lies beyond the page's ends. `first_unread_seq` is the asker's first
    unread message of another sender, None where there is none. An unknown conversation is an empty page.
    """

    conversation_id: ConversationId
    messages: list[M]
    has_older: bool
    has_newer: bool
    oldest_seq: int | None
    newest_seq: int | None
    first_unread_seq: int | None
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Resume:
    """Ask for what a device missed (the read behind `hello` and long-polling).

    `cursors`: the revisions the device holds; a conversation without one is read from the user's own delivered
    cursor. Conversations come in the order of their ids; `after` continues behind one. `room`: how many messages
    may still come (2,000 in all).
    """

    user_id: UserId
    cursors: dict[ConversationId, int] = field(default_factory=dict)
    after: ConversationId = ConversationId("")
    room: int = 2000


@dataclass(frozen=True, slots=True)
class Missed(Generic[M]):
    """One conversation of a resume, read in one snapshot.

    `rev`: the head that was read, or, where `complete` is false, the last revision before the first one left
    out. `reset`: the device's cursor was above the head, and everything is replayed from 0. `messages` have the
    frame's `type`; `receipts` are `read_receipt` frames, one per member and state above 0.
    """

    conversation_id: ConversationId
    rev: int
    complete: bool
    reset: bool
    messages: list[M]
    receipts: list[M]
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Resumed(Generic[M]):
    """A part of what was missed, at most 256 KiB of content: ask again with `after` = `next` until it is ""."""

    epoch: str
    conversations: list[Missed[M]]
    next: ConversationId = ConversationId("")


@dataclass(frozen=True, slots=True)
class Sync:
    """Ask for messages changed after a revision (ascending by rev), or older than a seq (ascending by seq)."""

    user_id: UserId
    conversation_id: ConversationId
    limit: int
    after_rev: int | None = None
    before_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Synced(Generic[M]):
    """A `sync_page` without its `type` and `re`; `rev` and `complete` as the protocol page says."""

    conversation_id: ConversationId
    messages: list[M]
    members: list[Member]
    rev: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FindOutcomes:
    """Ask whether messages are stored, by id: for gateways whose answers were lost."""

    message_ids: list[MessageId]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stored message as its `ack` tells it, with the hash of its first request (hex)."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    rev: int
    sent_at_ms: int
    request: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The stored ones among those asked for."""

    found: list[Outcome]


@dataclass(frozen=True, slots=True)
class GetMessage:
    """Ask for one message by id, as a member of its conversation sees it."""

    user_id: UserId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Found(Generic[M]):
    """One message like those of a `Page`; `message` is None where the asker has none of that id."""

    message: M | None


@dataclass(frozen=True, slots=True)
class GetConversations:
    """Ask for a user's conversations, the one with the newest message first.

    `before` continues behind (time of the last message in Unix ms, conversation). `archived`: only those that are,
    or are not; None: all. `limit` 1-200.
    """

    user_id: UserId
    limit: int = 50
    before: tuple[int, ConversationId] | None = None
    archived: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversations(Generic[M]):
    """`ConversationView`s (`shared.contracts.frames`); `next` continues them, None at the end."""

    items: list[M]
    next: tuple[int, ConversationId] | None


@dataclass(frozen=True, slots=True)
class GetConversation:
    """Ask for one conversation of a user."""

    user_id: UserId
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class GetUndelivered:
    """Ask for a user's own messages that have not reached somebody, oldest first in each conversation. `limit` 1-200.

    `after` continues behind (conversation, seq, recipient's id).
    """

    user_id: UserId
    limit: int = 50
    after: tuple[ConversationId, int, UserId] | None = None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message that has not reached one of its recipients, and what is done about it.

    `status`: "sent" before anything was tried, "retrying", or "failed": parked, with its `reason`.
    """

    message_id: MessageId
    conversation_id: ConversationId
    to: Username
    to_id: UserId
    seq: int
    status: Literal["sent", "retrying", "failed"]
    retry_count: int
    next_retry_at_ms: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UndeliveredPage:
    """A page of what is waiting; `next` continues it, None at the end."""

    items: list[Undelivered]
    next: tuple[ConversationId, int, UserId] | None


@dataclass(frozen=True, slots=True)
class GetTimeline:
    """Ask how a message went on its way, as its sender; a member who did not send it is `forbidden`."""

    user_id: UserId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach a recipient, or (`outcome` "failed") the moment at which trying ended."""

    at_ms: int
    attempt: int
    outcome: Literal["retrying", "failed"]


@dataclass(frozen=True, slots=True)
class Way:
    """How far a message came with one recipient; times are None for what has not happened, or is not shown."""

    username: Username
    status: Literal["sent", "retrying", "failed", "delivered", "read"]
    attempts: list[Attempt]
    next_retry_at_ms: int | None
    reason: str
    delivered_at_ms: int | None
    read_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A message from acceptance on. `stored_at_ms` is None for messages of before it was noted."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    sent_at_ms: int
    stored_at_ms: int | None
    recipients: list[Way]


@dataclass(frozen=True, slots=True)
class GetReceipts:
    """Ask who has, and has read, a message, as a member of its conversation."""

    user_id: UserId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class MessageReceipt:
    """How far one recipient is with a message: Unix ms, None for not yet (or not shown)."""

    username: Username
    delivered_at_ms: int | None
    read_at_ms: int | None
    is_delivered: bool
    is_read: bool


@dataclass(frozen=True, slots=True)
class MessageReceipts:
    """One for each member but the sender, in the order of usernames."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    receipts: list[MessageReceipt]


@dataclass(frozen=True, slots=True)
class FindAcquainted:
    """Ask whom of some users one may watch: who shares a conversation, and no block lies between. At most 500."""

    user_id: UserId
    others: list[UserId]


@dataclass(frozen=True, slots=True)
class Acquainted:
    """Those who may be watched, among those asked for."""

    user_ids: list[UserId]
