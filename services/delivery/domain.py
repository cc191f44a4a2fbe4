"""What each command does, decided from the log and delivery's own tables alone: arguments in, values out.

A replay of the log decides the same, so there is no clock and no chance in here. `decide` updates the `View` that
it is given and collects the rows to write in a `Changes`; the store writes them in the transaction that also moves
the position.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, assert_never

from shared.contracts.commands import Command, CursorState, MoveCursor, Origin, SendMessage
from shared.contracts.errors import Code
from shared.contracts.ids import ConversationId, MessageId, UserId, Username, direct_conversation_id

Kind = Literal["direct", "group"]


class Item(NamedTuple):
    """One command of the log and where it stands: partition, sequence of its bundle, place in it."""

    partition: int
    seq: int
    place: int
    origin: Origin
    command: Command


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
    """A member's cursors and when they last moved (Unix ms, 0: never); `left_rev`: a former member."""

    username: Username
    delivered_seq: int = 0
    read_seq: int = 0
    delivered_at_ms: int = 0
    read_at_ms: int = 0
    left_rev: int | None = None

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


@dataclass(slots=True)
class View:
    """What is known of the conversations and messages that a batch speaks of."""

    conversations: dict[ConversationId, Conversation]
    messages: dict[MessageId, StoredMessage]


@dataclass(slots=True)
class Changes:
    """What a batch writes."""

    messages: list[StoredMessage] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    heads: set[ConversationId] = field(default_factory=set)
    members: set[tuple[ConversationId, UserId]] = field(default_factory=set)


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


class CursorKept(NamedTuple):
    """The cursor was there already: whoever asked is told where it stands."""

    origin: Origin
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


Outcome = Stored | CursorMoved | CursorKept | Refused


def decide(items: Iterable[Item], view: View) -> tuple[list[Outcome], Changes]:
    """Carry out commands in log order: what came of each, and the rows that say so. `view` is brought up to date."""
    outcomes: list[Outcome] = []
    changes = Changes()
    for item in items:
        command = item.command
        if isinstance(command, SendMessage):
            _send(item.origin, command, view, changes, outcomes)
        elif isinstance(command, MoveCursor):
            outcomes.append(_move_cursor(item.origin, command, view, changes))
        else:
            assert_never(command)
    return outcomes, changes


def recall(items: Iterable[Item], view: View) -> list[Outcome]:
    """Find again what came of commands that are applied but maybe not announced; nothing is changed.

    A message that is not stored was refused then, and is refused now for the same reason.
    """
    outcomes: list[Outcome] = []
    for item in items:
        command = item.command
        if isinstance(command, SendMessage):
            known = view.messages.get(command.message_id)
            if known is not None and known.request == command.request:
                conversation = view.conversations[known.conversation_id]
                outcomes.append(Stored(item.origin, known, conversation.audience, is_repeat=False))
                if command.seen_seq:
                    outcomes += _recall_cursor(item.origin, command.sender_id, known.conversation_id, "read", view)
            elif known is not None:
                outcomes.append(_conflict(item.origin))
            elif (refused := _refuse_message(item.origin, command, view)) is not None:
                outcomes.append(refused)
        elif isinstance(command, MoveCursor):
            found = _recall_cursor(item.origin, command.user_id, command.conversation_id, command.state, view)
            outcomes += found or [Refused(item.origin, Code.NOT_FOUND, _NO_CONVERSATION)]
        else:
            assert_never(command)
    return outcomes


_NO_CONVERSATION = "There is no such conversation."


def _send(origin: Origin, command: SendMessage, view: View, changes: Changes, outcomes: list[Outcome]) -> None:
    known = view.messages.get(command.message_id)
    if known is not None:
        if known.request != command.request:
            outcomes.append(_conflict(origin))
        else:
            audience = view.conversations[known.conversation_id].audience
            outcomes.append(Stored(origin, known, audience, is_repeat=True))
        return
    refused = _refuse_message(origin, command, view)
    if refused is not None:
        outcomes.append(refused)
        return
    conversation_id = command.conversation_id
    conversation = view.conversations.get(conversation_id)
    if conversation is None:
        conversation = view.conversations[conversation_id] = _open_direct(command)
        changes.members.update((conversation_id, user) for user in conversation.members)
    conversation.last_seq = seq = conversation.last_seq + 1
    conversation.rev = rev = conversation.rev + 1
    changes.heads.add(conversation_id)
    stored = StoredMessage(
        conversation_id,
        seq,
        rev,
        rev,
        command.message_id,
        command.sender_id,
        command.sender,
        command.client_id,
        command.request,
        command.content,
        command.content_type,
        command.sent_at_ms,
        command.reply_to,
        command.mentions,
    )
    view.messages[command.message_id] = stored
    changes.messages.append(stored)
    outcomes.append(Stored(origin, stored, conversation.audience, is_repeat=False))
    sender = conversation.members[command.sender_id]
    if command.seen_seq > sender.read_seq:
        seen = MoveCursor(
            conversation_id,
            command.sender_id,
            command.sender,
            "read",
            min(command.seen_seq, seq),
            command.sent_at_ms,
        )
        outcomes.append(_move_cursor(origin, seen, view, changes))
    if sender.delivered_seq == seq - 1:  # nothing undelivered lies between: the sender has its own message
        sender.delivered_seq, sender.delivered_at_ms = seq, command.sent_at_ms
        changes.members.add((conversation_id, command.sender_id))


def _refuse_message(origin: Origin, command: SendMessage, view: View) -> Refused | None:
    conversation = view.conversations.get(command.conversation_id)
    if conversation is None:
        is_pair = command.peer_id not in {"", command.sender_id}
        if not is_pair or direct_conversation_id(command.sender_id, command.peer_id) != command.conversation_id:
            return Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION)
    else:
        member = conversation.members.get(command.sender_id)
        if member is None:
            return Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION)
        if member.has_left:
            return Refused(origin, Code.NOT_MEMBER, "You are not a member of this conversation any more.")
    if command.reply_to is not None:
        target = view.messages.get(command.reply_to)
        if target is None or target.conversation_id != command.conversation_id:
            return Refused(origin, Code.NOT_FOUND, "The message replied to is not in this conversation.")
    return None


def _open_direct(command: SendMessage) -> Conversation:
    members = {command.sender_id: MemberState(command.sender), command.peer_id: MemberState(command.peer)}
    conversation = Conversation("direct", members=members)
    conversation.count_members()
    return conversation


def _move_cursor(origin: Origin, command: MoveCursor, view: View, changes: Changes) -> Outcome:
    conversation_id, user_id, at_ms = command.conversation_id, command.user_id, command.at_ms
    conversation = view.conversations.get(conversation_id)
    member = conversation.members.get(user_id) if conversation is not None else None
    if conversation is None or member is None:
        return Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION)
    if member.has_left:
        return Refused(origin, Code.NOT_MEMBER, "You are not a member of this conversation any more.")
    up_to = min(command.up_to_seq, conversation.last_seq)
    if up_to <= (member.read_seq if command.state == "read" else member.delivered_seq):
        return _kept(origin, conversation_id, member, command.state, at_ms)
    if command.state == "read":
        member.read_seq, member.read_at_ms = up_to, at_ms
        changes.receipts.append(ReceiptRow(conversation_id, user_id, "read", up_to, at_ms))
    if up_to > member.delivered_seq:
        member.delivered_seq, member.delivered_at_ms = up_to, at_ms
        changes.receipts.append(ReceiptRow(conversation_id, user_id, "delivered", up_to, at_ms))
    changes.members.add((conversation_id, user_id))
    return CursorMoved(origin, conversation_id, member.username, command.state, up_to, at_ms, conversation.audience)


def _kept(
    origin: Origin, conversation_id: ConversationId, member: MemberState, state: CursorState, at_ms: int
) -> CursorKept:
    if state == "read":
        seq, moved_at_ms = member.read_seq, member.read_at_ms
    else:
        seq, moved_at_ms = member.delivered_seq, member.delivered_at_ms
    return CursorKept(origin, conversation_id, member.username, state, seq, moved_at_ms or at_ms)


def _recall_cursor(
    origin: Origin, user_id: UserId, conversation_id: ConversationId, state: CursorState, view: View
) -> list[Outcome]:
    conversation = view.conversations.get(conversation_id)
    member = conversation.members.get(user_id) if conversation is not None else None
    if conversation is None or member is None:
        return []
    kept = _kept(origin, conversation_id, member, state, 0)
    if kept.up_to_seq == 0 or kept.at_ms == 0:
        return []
    return [CursorMoved(*kept, conversation.audience)]


def _conflict(origin: Origin) -> Refused:
    return Refused(origin, Code.ID_CONFLICT, "This id was used for another request. Use a new id for a new message.")
