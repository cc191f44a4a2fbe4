"""How far a message has come: what its sender would see, derived from cursors and receipts."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

from services.history.domain.stored import Conversation, State, StoredMember, StoredMessage, StoredReceipt, view
from shared.contracts.frames import MessageView, rfc3339
from shared.contracts.ids import UserId

Status = Literal["sent", "delivered", "read"]


class PageMessage(MessageView):
    """A message of a page, with what its sender would see of its way; times are RFC 3339."""

    status: Status
    delivered_at: str | None
    read_at: str | None


class GroupPageMessage(PageMessage):
    """A message of a group's page, with how many of the others have it, and have read it."""

    delivered_to: int
    read_by: int


class Reached(NamedTuple):
    """How far a message came with one of its recipients; times are None where it did not, or they are not known."""

    member: StoredMember
    is_delivered: bool
    is_read: bool
    delivered_at_ms: int | None
    read_at_ms: int | None


class _Other(NamedTuple):
    """A member whom a message is for: how far it is, and when its cursors came to stand where."""

    member: StoredMember
    delivered_seq: int
    read_seq: int
    delivered: "_Stands"
    read: "_Stands"

    def times(self, seq: int) -> tuple[int | None, int | None]:
        """Tell when it got a message, and read it, where that is known.

        Whoever has read it has got it, if no earlier receipt says when.
        """
        read_at = self.read.passed_at(seq)
        got_at = self.delivered.passed_at(seq)
        if got_at is None or (read_at is not None and read_at < got_at):
            got_at = read_at
        return got_at, read_at


class _Stands(NamedTuple):
    """Where a cursor stood, ascending, and since when."""

    seqs: list[int]
    at_ms: list[int]

    def passed_at(self, seq: int) -> int | None:
        """Tell when the cursor passed a seq, where that is known."""
        place = bisect_left(self.seqs, seq)
        return self.at_ms[place] if place < len(self.seqs) else None


class _Others(NamedTuple):
    """All whom a message is for, and what every one of them has, and has read."""

    each: list[_Other]
    delivered_seq: int
    read_seq: int


class Progress:
    """Tells of each message of a conversation what its sender would see: status, and when it came about.

    Whoever asks, what was read without telling counts as delivered.
    """

    def __init__(self, conversation: Conversation, receipts: Iterable[StoredReceipt]) -> None:
        self._conversation = conversation
        self._others: dict[UserId, _Others] = {}
        self._stands: defaultdict[tuple[UserId, State], _Stands] = defaultdict(lambda: _Stands([], []))
        for user_id, state, up_to_seq, at_ms in sorted(receipts):
            stands = self._stands[user_id, state]
            stands.seqs.append(up_to_seq)
            stands.at_ms.append(at_ms)

    def view(self, message: StoredMessage, asker: UserId) -> PageMessage:
        """Lay out a message as a page has it."""
        seq = message.seq
        others = self._others_of(message.sender_id)
        status: Status = "sent"
        delivered = read = None
        if seq <= others.delivered_seq:
            status = "read" if seq <= others.read_seq else "delivered"
            delivered, read = _times(others.each, seq)
        shown = cast("GroupPageMessage", view(message, asker, framed=False))
        shown["status"] = status
        shown["delivered_at"] = None if delivered is None else rfc3339(delivered)
        shown["read_at"] = None if read is None else rfc3339(read)
        if self._conversation.kind == "group":
            shown["delivered_to"] = sum(seq <= other.delivered_seq for other in others.each)
            shown["read_by"] = sum(seq <= other.read_seq for other in others.each)
        return shown

    def reached(self, message: StoredMessage) -> list[Reached]:
        """Tell how far a message came with each of its recipients, in the order of their usernames."""
        found: list[Reached] = []
        for other in self._others_of(message.sender_id).each:
            delivered_at, read_at = other.times(message.seq)
            is_delivered, is_read = message.seq <= other.delivered_seq, message.seq <= other.read_seq
            found.append(
                Reached(
                    other.member,
                    is_delivered,
                    is_read,
                    delivered_at if is_delivered else None,
                    read_at if is_read else None,
                )
            )
        return sorted(found, key=lambda reached: reached.member.username)

    def _others_of(self, sender: UserId) -> _Others:
        others = self._others.get(sender)
        if others is None:
            each = [
                _Other(
                    member,
                    max(member.delivered_seq, member.read_seq),
                    member.shown_read_seq,
                    self._stands[member.user_id, "delivered"],
                    self._stands[member.user_id, "read"],
                )
                for member in self._conversation.members
                if member.user_id != sender and not member.left
            ]
            others = self._others[sender] = _Others(
                each,
                min((other.delivered_seq for other in each), default=0),
                min((other.read_seq for other in each), default=0),
            )
        return others


def _times(each: Iterable[_Other], seq: int) -> tuple[int | None, int | None]:
    """Tell when the last of some members got a message, and read it; None where that is not known of one."""
    delivered: int | None = 0
    read: int | None = 0
    for other in each:
        got_at, read_at = other.times(seq)
        delivered = None if delivered is None or got_at is None else max(delivered, got_at)
        read = None if read is None or read_at is None else max(read, read_at)
    return delivered, read
