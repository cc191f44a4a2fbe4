"""What a device missed: which conversations, how much of each, and where it goes on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.history.domain.pages import PAGE_BYTES, fitting
from services.history.domain.stored import Own, StoredMember, StoredMessage, members_for, view
from shared.contracts.frames import MessageView, ReceiptFrame, receipt_frame
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.queries import Member, Missed

MISSED_MESSAGES: Final = 200
"""The most messages of one conversation in a resume."""
PART_CONVERSATIONS: Final = 200
PART_MESSAGES: Final = 500
PART_MEMBERS: Final = 500
"""Bounds of a part of a resume besides its content: all of it fits into one message of the broker."""
RECEIPT_MEMBERS: Final = 100
"""Groups up to this size tell every member's cursors."""


class Start(NamedTuple):
    """Where the reading of what was missed begins in a conversation.

    Above the revision `floor` for a device with a cursor, else above the seq `floor`. `is_reset`: the device's
    cursor was above the head.
    """

    own: Own
    is_by_rev: bool
    floor: int
    is_reset: bool = False

    @property
    def may_have_missed(self) -> bool:
        """Tell whether anything happened above the floor."""
        return self.floor < (self.own.rev if self.is_by_rev else self.own.last_seq)


class Share(NamedTuple):
    """How many messages of a conversation may come in this part."""

    start: Start
    quota: int


def start_of(own: Own, cursor: int | None) -> Start:
    """Decide where a device that holds `cursor` goes on in a conversation."""
    if cursor is None:
        return Start(own, is_by_rev=False, floor=own.delivered_seq)
    if cursor > own.rev:
        return Start(own, is_by_rev=True, floor=0, is_reset=True)
    return Start(own, is_by_rev=True, floor=max(0, cursor))


def share_out(
    starts: Iterable[Start],
    changed: Mapping[ConversationId, int],
    members: Mapping[ConversationId, Sequence[StoredMember]],
    room: int,
) -> list[Share]:
    """Choose the conversations of a part, the first of `starts`, so that it fits into one message of the broker.

    `changed`: how many messages lie above the floor, for those that are read by revision.
    """
    shares: list[Share] = []
    messages = people = 0
    for start in starts:
        own = start.own
        count = changed.get(own.conversation_id, 0) if start.is_by_rev else max(0, own.last_seq - start.floor)
        quota = min(count, MISSED_MESSAGES, max(0, room))
        messages += quota
        people += len(members.get(own.conversation_id, ()))
        if shares and (messages > PART_MESSAGES or people > PART_MEMBERS):
            break
        room -= quota
        shares.append(Share(start, quota))
    return shares


def gather(
    shares: Iterable[Share],
    found: Mapping[ConversationId, Sequence[StoredMessage]],
    members: Mapping[ConversationId, Sequence[StoredMember]],
    asker: UserId,
) -> list[Missed[MessageView | ReceiptFrame]]:
    """Put a part together: conversations as long as they fit as a whole, the first one cut if it has to be.

    `found`: per conversation at most one message more than its share, in the order of reading.
    """
    part: list[Missed[MessageView | ReceiptFrame]] = []
    used = 0
    for share in shares:
        own = share.start.own
        rows = found.get(own.conversation_id, ())
        count = fitting(rows, share.quota)
        used += sum(message.size for message in rows[: share.quota])
        if part and used > PAGE_BYTES:
            break
        people = members_for(members.get(own.conversation_id, ()), asker)
        part.append(
            Missed(
                conversation_id=own.conversation_id,
                rev=own.rev if count == len(rows) else _rev_before(share.start, rows, count),
                complete=count == len(rows),
                reset=share.start.is_reset,
                messages=[view(message, asker, framed=True) for message in rows[:count]],
                receipts=_receipts(own.conversation_id, people),
                members=people,
            )
        )
    return part


def _rev_before(start: Start, rows: Sequence[StoredMessage], count: int) -> int:
    """Return a revision below that of every message left out."""
    if not start.is_by_rev:
        return rows[count].first_rev - 1  # later seqs have greater first revs, and a rev is never below its first
    return rows[count - 1].rev if count else start.floor


def _receipts(conversation: ConversationId, members: Sequence[Member]) -> list[MessageView | ReceiptFrame]:
    present = [member for member in members if not member.left]
    if len(present) > RECEIPT_MEMBERS:
        return []
    frames: list[MessageView | ReceiptFrame] = []
    for member in present:
        if member.delivered_seq:
            frames.append(
                receipt_frame(conversation, member.username, "delivered", member.delivered_seq, member.delivered_at_ms)
            )
        if member.read_seq:
            frames.append(receipt_frame(conversation, member.username, "read", member.read_seq, member.read_at_ms))
    return frames
