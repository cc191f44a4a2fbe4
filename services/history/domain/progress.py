"""How far a message has come: what its sender would see, derived from cursors and receipts."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Literal, NamedTuple

from services.history.domain.stored import Conversation, State, StoredMessage, StoredReceipt, view
from shared.contracts.frames import MessageView, rfc3339
from shared.contracts.ids import UserId
from shared.contracts.queries import Member

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


class _Others(NamedTuple):
    """The members a message is for, and what all of them have, and have read."""

    members: list[Member]
    delivered_seq: int
    read_seq: int


class Progress:
    """Tells of each message of a conversation what its sender would see: status, and when it came about."""

    def __init__(self, conversation: Conversation, receipts: Iterable[StoredReceipt]) -> None:
        self._is_group = conversation.kind == "group"
        self._members = [member for member in conversation.members if not member.left]
        self._others: dict[UserId, _Others] = {}
        self._passed: dict[tuple[UserId, State], tuple[list[int], list[int]]] = {}
        for user_id, state, up_to_seq, at_ms in sorted(receipts):
            seqs, times = self._passed.setdefault((user_id, state), ([], []))
            seqs.append(up_to_seq)
            times.append(at_ms)

    def view(self, message: StoredMessage, asker: UserId) -> PageMessage:
        """Lay out a message as a page has it."""
        others = self._others_of(message.sender_id)
        seq = message.seq
        delivered = read = None
        status: Status = "sent"
        if others.members and seq <= others.delivered_seq:
            status = "read" if seq <= others.read_seq else "delivered"
            delivered = _latest(self._delivered_at(member.user_id, seq) for member in others.members)
        if status == "read":
            read = _latest(self._passed_at(member.user_id, "read", seq) for member in others.members)
        seen: PageMessage = {
            **view(message, asker, framed=False),
            "status": status,
            "delivered_at": None if delivered is None else rfc3339(delivered),
            "read_at": None if read is None else rfc3339(read),
        }
        if not self._is_group:
            return seen
        counted: GroupPageMessage = {
            **seen,
            "delivered_to": sum(seq <= _has(member) for member in others.members),
            "read_by": sum(seq <= member.read_seq for member in others.members),
        }
        return counted

    def _others_of(self, sender: UserId) -> _Others:
        others = self._others.get(sender)
        if others is None:
            members = [member for member in self._members if member.user_id != sender]
            delivered = min(map(_has, members), default=0)
            read = min((member.read_seq for member in members), default=0)
            others = self._others[sender] = _Others(members, delivered, read)
        return others

    def _delivered_at(self, user: UserId, seq: int) -> int | None:
        read = self._passed_at(user, "read", seq)  # who has read it has got it, if no earlier receipt says when
        delivered = self._passed_at(user, "delivered", seq)
        return read if delivered is None or (read is not None and read < delivered) else delivered

    def _passed_at(self, user: UserId, state: State, seq: int) -> int | None:
        seqs, times = self._passed.get((user, state), ((), ()))
        place = bisect_left(seqs, seq)
        return times[place] if place < len(seqs) else None


def _has(member: Member) -> int:
    return max(member.delivered_seq, member.read_seq)


def _latest(times: Iterable[int | None]) -> int | None:
    latest = 0
    for time in times:
        if time is None:
            return None
        latest = max(latest, time)
    return latest
