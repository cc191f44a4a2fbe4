# ruff: noqa: S608 - statements are put together from our own columns alone
"""Conversations, their members, and who of a pair blocks the other."""

from collections.abc import Sequence

from services.history.domain.stored import Conversation
from services.history.store.rows import MEMBER, to_member
from shared.contracts.ids import ConversationId, UserId
from shared.database.snapshot import Read, Row, Statement

_CONVERSATION = Statement(f"""
    SELECT c.kind, c.last_seq, c.rev, {MEMBER}
    FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id
    WHERE c.id = $1
    ORDER BY m.user_id""")

_CONVERSATION_WITH_UNREAD = Statement(f"""
    SELECT c.kind, c.last_seq, c.rev, {MEMBER}, CASE WHEN m.user_id = $2 THEN (
        SELECT u.seq FROM message u
        WHERE u.conversation_id = c.id AND u.seq > m.read_seq AND u.sender_id <> $2
        ORDER BY u.seq LIMIT 1
    ) END
    FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id
    WHERE c.id = $1
    ORDER BY m.user_id""")

_BLOCKERS = Statement("SELECT b.blocker_id FROM block b WHERE b.conversation_id = $1 ORDER BY b.blocker_id")


def conversation(conversation_id: ConversationId) -> Read[Conversation | None]:
    """Find a conversation with its members."""
    rows = yield from _CONVERSATION.rows(conversation_id)
    return _conversation(conversation_id, rows) if rows else None


def conversation_with_unread(
    conversation_id: ConversationId, user: UserId
) -> Read[tuple[Conversation | None, int | None]]:
    """Find a conversation with its members, and a member's first unread message of somebody else."""
    rows = yield from _CONVERSATION_WITH_UNREAD.rows(conversation_id, user)
    if not rows:
        return None, None
    unread = next((row[12] for row in rows if row[12] is not None), None)
    return _conversation(conversation_id, rows), unread


def blockers(conversation_id: ConversationId) -> Read[list[UserId]]:
    """Find who of a pair blocks the other, by the direct conversation that the two have, or would have."""
    rows = yield from _BLOCKERS.rows(conversation_id)
    return [row[0] for row in rows]


def _conversation(conversation_id: ConversationId, rows: Sequence[Row]) -> Conversation:
    kind, last_seq, rev = rows[0][:3]
    members = [to_member(row[3:12]) for row in rows if row[3] is not None]
    return Conversation(conversation_id, kind, last_seq, rev, members)
