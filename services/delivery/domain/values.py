"""What delivery knows while it decides, what it writes, and what came of it: values without behaviour."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.contracts.commands import Command, CursorState, Origin
from shared.contracts.errors import Code
from shared.contracts.ids import ConversationId, MessageId, UserId, Username

Kind = Literal["direct", "group"]


class Item(NamedTuple):
    """One command of the log and where it stands: partition, sequence of its bundle, place in it.

    `own_request_id` is "" where its request has no other name than its origin's; `trace`: the context of its span.
    """

    partition: int
    seq: int
    place: int
    origin: Origin
    command: Command
    own_request_id: str = ""
    trace: str = ""

    @property
    def request_id(self) -> str:
        """What names the request in logs."""
        return self.own_request_id or self.origin.request_id


class StoredMessage(NamedTuple):
    """A row of `message`, in the order of its columns."""

    conversation_id: ConversationId
    seq: int
    rev: int
    first_rev: int
    message_id: MessageId
    sender_id: UserId
    sender: Username
    client_id: str
    request: bytes
    content: str
    content_type: str
    sent_at_ms: int
    reply_to: MessageId | None
    mentions: tuple[Username, ...]


class ReceiptRow(NamedTuple):
    """A row of `receipt`: the moment at which a cursor reached a message."""

    conversation_id: ConversationId
    user_id: UserId
    state: CursorState
    up_to_seq: int
    at_ms: int


@dataclass(slots=True)
class MemberState:
    """A member's cursors and when they last moved (Unix ms, 0: never); `left_rev`: a former member.

    `shown_read_seq`: the read cursor as others see it.
    """

    username: Username
    delivered_seq: int = 0
    read_seq: int = 0
    delivered_at_ms: int = 0
    read_at_ms: int = 0
    left_rev: int | None = None
    shown_read_seq: int = 0
    shown_read_at_ms: int = 0

    @property
    def has_left(self) -> bool:
        """Whether this is a former member."""
        return self.left_rev is not None


@dataclass(slots=True)
class Conversation:
    """A conversation with its head and its members, former ones included."""

    kind: Kind
    last_seq: int = 0
    rev: int = 0
    members: dict[UserId, MemberState] = field(default_factory=dict)
    audience: tuple[UserId, ...] = ()
    """The present members: whom its events are for."""

    def count_members(self) -> None:
        """Make `audience` anew; after every change of the members."""
        self.audience = tuple(user for user, member in self.members.items() if not member.has_left)


class Operation(NamedTuple):
    """A row of `operation`, in the order of its columns: the first outcome of a command that is no message."""

    id: MessageId
    conversation_id: ConversationId
    user_id: UserId
    kind: str
    request: bytes
    rev: int
    at_ms: int


class BlockRow(NamedTuple):
    """A row of `block`, in the order of its columns."""

    conversation_id: ConversationId
    blocker_id: UserId
    blocked_id: UserId
    blocked: Username
    at_ms: int


@dataclass(slots=True)
class View:
    """What is known of the conversations, messages and operations that a batch speaks of.

    `blockers`: who of a pair blocks the other, by their direct conversation, which need not exist.
    """

    conversations: dict[ConversationId, Conversation]
    messages: dict[MessageId, StoredMessage]
    operations: dict[MessageId, Operation] = field(default_factory=dict)
    blockers: dict[ConversationId, frozenset[UserId]] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What a batch writes."""

    messages: list[StoredMessage] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    heads: set[ConversationId] = field(default_factory=set)
    members: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    delivered: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    """Members whose delivered cursor a receipt moved."""
    operations: list[Operation] = field(default_factory=list)
    blocks: dict[tuple[ConversationId, UserId], BlockRow | None] = field(default_factory=dict)
    """By conversation and blocker; None: ended."""


class Stored(NamedTuple):
    """A message is in the store. `is_repeat`: it was before this request, which is only answered."""

    origin: Origin
    message: StoredMessage
    audience: tuple[UserId, ...]
    is_repeat: bool


class CursorMoved(NamedTuple):
    """A member has, or has read, more than before."""

    origin: Origin
    conversation_id: ConversationId
    username: Username
    state: CursorState
    up_to_seq: int
    at_ms: int
    audience: tuple[UserId, ...]
    user_id: UserId


class CursorKept(NamedTuple):
    """The cursor was there already: whoever asked is told where it stands."""

    origin: Origin
    user_id: UserId
    conversation_id: ConversationId
    username: Username
    state: CursorState
    up_to_seq: int
    at_ms: int


class Refused(NamedTuple):
    """The command is not carried out; nothing is stored, a repeat is decided anew."""

    origin: Origin
    code: Code
    detail: str


class BlockSet(NamedTuple):
    """A block is as it was asked for; `user_ids` are the pair. `is_repeat`: it was before this request."""

    origin: Origin
    operation_id: MessageId
    conversation_id: ConversationId
    user_ids: tuple[UserId, UserId]
    is_repeat: bool


Outcome = Stored | CursorMoved | CursorKept | BlockSet | Refused
