"""A user's conversations in a list: how many make a page, what is counted in them, how each is laid out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, cast

from services.history.domain.progress import Progress
from services.history.domain.stored import (
    Conversation,
    Passing,
    StoredMember,
    StoredMessage,
    StoredReceipt,
    members_for,
)
from shared.contracts.frames import ConversationView, MemberView
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.queries import Member

PAGE_MEMBERS: Final = 5_000
"""So many members are read for a page of the list, or those of one conversation; the page ends before more."""
LISTED_MEMBERS: Final = 100
"""So many members of a group are named."""
COUNTED_MESSAGES: Final = 100_000
"""So many messages are looked at to count the unread ones of a page."""


class Head(NamedTuple):
    """A conversation of a user at its head, with the user's own cursors."""

    conversation_id: ConversationId
    kind: str
    last_seq: int
    rev: int
    delivered_seq: int
    read_seq: int


class Unread(NamedTuple):
    """How many messages of others a user has not read, and the first one's seq."""

    messages: int
    first_seq: int | None


class Setting(NamedTuple):
    """What a user keeps about a conversation, and whether it blocks the other one there."""

    muted: bool = False
    pinned: bool = False
    archived: bool = False
    draft: str = ""
    blocked: bool = False


class Known(NamedTuple):
    """What was read about the conversations of a page."""

    last: Mapping[ConversationId, StoredMessage]
    members: Mapping[ConversationId, Sequence[StoredMember]]
    receipts: Mapping[ConversationId, Sequence[StoredReceipt]]
    unread: Mapping[ConversationId, Unread]
    settings: Mapping[ConversationId, Setting]
    names: Mapping[UserId, str]


def head_of(conversation: Conversation, user: UserId) -> Head:
    """Tell of a conversation what its list entry begins with; the user is one of its members."""
    own = next(member for member in conversation.members if member.user_id == user)
    return Head(
        conversation.conversation_id,
        conversation.kind,
        conversation.last_seq,
        conversation.rev,
        own.delivered_seq,
        own.read_seq,
    )


def readable(heads: Sequence[Head], group_sizes: Mapping[ConversationId, int]) -> Sequence[Head]:
    """Choose the first conversations, as many as can be read with all their members."""
    people = 0
    for count, head in enumerate(heads):
        people += group_sizes.get(head.conversation_id, 2)
        if people > PAGE_MEMBERS and count:
            return heads[:count]
    return heads


def countable(heads: Iterable[Head]) -> tuple[list[Head], dict[ConversationId, Unread]]:
    """Choose the conversations whose unread messages are counted, the shortest stretches first; and tell of the rest.

    Of what is too long to be looked at the whole stretch is told, which may hold messages of the user's own.
    """
    counted: list[Head] = []
    estimated: dict[ConversationId, Unread] = {}
    room = COUNTED_MESSAGES
    for head in sorted(heads, key=_stretch):
        stretch = _stretch(head)
        room -= stretch
        if room < 0:
            estimated[head.conversation_id] = Unread(stretch, head.read_seq + 1)
        elif stretch > 0:
            counted.append(head)
    return counted, estimated


def _stretch(head: Head) -> int:
    return max(0, head.last_seq - head.read_seq)


def passings(last: Iterable[StoredMessage], members: Mapping[ConversationId, Sequence[StoredMember]]) -> list[Passing]:
    """Name the recipients who have the last messages of conversations: for these there may be receipts."""
    return [
        Passing(message.conversation_id, member.user_id, message.seq)
        for message in last
        for member in members.get(message.conversation_id, ())
        if not member.left
        and member.user_id != message.sender_id
        and max(member.delivered_seq, member.read_seq) >= message.seq
    ]


def named(members: Mapping[ConversationId, Sequence[StoredMember]]) -> set[UserId]:
    """Tell whose names are shown."""
    return {member.user_id for people in members.values() for member in _listed(people)}


def lay_out(head: Head, known: Known, asker: UserId) -> ConversationView:
    """Lay out a conversation; `last_message` is null where nothing was written in it yet."""
    name = head.conversation_id
    stored = known.members.get(name, ())
    last = known.last.get(name)
    progress = Progress(Conversation(name, head.kind, head.last_seq, head.rev, stored), known.receipts.get(name, ()))
    unread = known.unread.get(name, Unread(0, None))
    setting = known.settings.get(name, Setting())
    shown = members_for(_listed(stored), asker)
    view: ConversationView = {
        "conversation_id": name,
        "kind": cast("Literal['direct', 'group']", head.kind),
        "rev": head.rev,
        "last_seq": head.last_seq,
        "last_message": None if last is None else progress.view(last, asker),
        "unread": unread.messages,
        "first_unread_seq": unread.first_seq,
        "delivered_seq": head.delivered_seq,
        "read_seq": head.read_seq,
        "members": [_member_view(member, known.names) for member in shown],
        "muted": setting.muted,
        "pinned": setting.pinned,
        "archived": setting.archived,
        "draft": setting.draft,
        "blocked": setting.blocked,
    }
    if head.kind == "direct":
        for member in shown:
            if member.user_id != asker:
                view["peer"] = _member_view(member, known.names)
    return view


def _listed(members: Iterable[StoredMember]) -> list[StoredMember]:
    present = [member for member in members if not member.left]
    present.sort(key=lambda member: member.username)
    return present[:LISTED_MEMBERS]


def _member_view(member: Member, names: Mapping[UserId, str]) -> MemberView:
    return {
        "username": member.username,
        "display_name": names.get(member.user_id, ""),
        "delivered_seq": member.delivered_seq,
        "read_seq": member.read_seq,
    }
