"""What the gateway asks history, and the replies; JSON both ways (request-reply over the broker).

`M` is the form of a message in a reply: history writes `MessageView`, the gateway reads raw JSON that it passes
on unparsed. A refused query is answered with a `QueryFailed` instead; the header `Parley-Failed: 1` tells.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

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
    """A member and how far it has, and has read, the conversation. `left`: a former member."""

    user_id: UserId
    username: Username
    delivered_seq: int
    read_seq: int
    delivered_at_ms: int = 0
    read_at_ms: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a conversation; `kind` is "direct" or "group", "" where there is no such conversation."""

    kind: str
    members: list[Member]
    last_seq: int = 0
    rev: int = 0


@dataclass(frozen=True, slots=True)
class GetPage:
    """Ask for a page of a conversation, at most one of `before_seq`, `after_seq`, `around`, `at_ms` given.

    Without any: the newest messages. `around`: a message id, with messages on both sides. `at_ms`: from the
    first message sent at or after that time (Unix ms). `before_id`: like `before_seq`, by message id.
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
