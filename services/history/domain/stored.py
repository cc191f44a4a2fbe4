"""What the store knows, as values, and whom it may be told."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import MessageView, message_view
from shared.contracts.ids import ClientId, ConversationId, MessageId, UserId, Username
from shared.contracts.queries import Member

State = Literal["delivered", "read"]


class StoredMessage(NamedTuple):
    """A message as it lies in the store; `size` is what its content takes as JSON, in bytes."""

    conversation_id: ConversationId
    seq: int
    rev: int
    first_rev: int
    message_id: MessageId
    sender_id: UserId
    sender: Username
    client_id: ClientId
    content: str
    content_type: str
    sent_at_ms: int
    reply_to: MessageId | None
    mentions: tuple[Username, ...]
    size: int


class StoredReceipt(NamedTuple):
    """When a member's cursor came to stand at `up_to_seq`."""

    user_id: UserId
    state: State
    up_to_seq: int
    at_ms: int


class Passing(NamedTuple):
    """A recipient whose cursor has passed a message."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int


class StoredMember(NamedTuple):
    """A member with its cursors; `shown_read_seq` is the read cursor as others may see it. `left`: a former one."""

    user_id: UserId
    username: Username
    delivered_seq: int
    read_seq: int
    delivered_at_ms: int
    read_at_ms: int
    shown_read_seq: int
    shown_read_at_ms: int
    left: bool = False


class Conversation(NamedTuple):
    """A conversation at its head, with all its members, former ones too."""

    conversation_id: ConversationId
    kind: str
    last_seq: int
    rev: int
    members: Sequence[StoredMember]


class Own(NamedTuple):
    """A conversation of a user, with the user's delivered cursor."""

    conversation_id: ConversationId
    last_seq: int
    rev: int
    delivered_seq: int


def members_for(members: Iterable[StoredMember], asker: UserId) -> list[Member]:
    """Tell a user of members: what it has read itself, and what the others show."""
    return [as_it_is(member) if member.user_id == asker else _as_shown(member) for member in members]


def as_it_is(member: StoredMember) -> Member:
    """Tell what a member has truly read, which is its own affair."""
    return Member(
        member.user_id,
        member.username,
        member.delivered_seq,
        member.read_seq,
        member.delivered_at_ms,
        member.read_at_ms,
        member.left,
    )


def _as_shown(member: StoredMember) -> Member:
    return Member(
        member.user_id,
        member.username,
        member.delivered_seq,
        member.shown_read_seq,
        member.delivered_at_ms,
        member.shown_read_at_ms,
        member.left,
    )


def is_member(conversation: Conversation, user: UserId) -> bool:
    """Tell whether a user is a member now."""
    return any(member.user_id == user and not member.left for member in conversation.members)


def unknown_conversation() -> Refusal:
    """Say that a conversation is unknown, or not the asker's."""
    return Refusal(Code.NOT_FOUND, "There is no such conversation.")


def unknown_message() -> Refusal:
    """Say that a message is unknown, or not where the asker may see it."""
    return Refusal(Code.NOT_FOUND, "There is no such message here.")


def admit(conversation: Conversation, user: UserId, *, unknown: Callable[[], Refusal] = unknown_conversation) -> None:
    """Let a member pass; `unknown` says that there is nothing of what was asked for.

    Raises:
        Refusal: `not_member` for a former member, `not_found` for a stranger, who learns nothing.
    """
    if is_member(conversation, user):
        return
    if any(member.user_id == user for member in conversation.members):
        raise Refusal(Code.NOT_MEMBER, "You are no longer a member of this conversation.")
    raise unknown()


def view(message: StoredMessage, asker: UserId, *, framed: bool) -> MessageView:
    """Lay out a message for one of its readers; its sender finds its own `id` in it."""
    return message_view(
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
        client_id=message.client_id if message.sender_id == asker else None,
        framed=framed,
    )
