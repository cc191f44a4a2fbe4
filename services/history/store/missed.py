# ruff: noqa: S608 - statements are put together from our own columns alone
"""What a device missed: the conversations of a user, and what changed in them."""

from collections import defaultdict
from collections.abc import Iterable

from services.history.domain.resume import MISSED_MESSAGES, Share, Start
from services.history.domain.stored import Own, StoredMember, StoredMessage
from services.history.store.rows import MEMBER, MESSAGE, rows_for, to_member, to_messages
from shared.contracts.ids import ConversationId, UserId
from shared.database.snapshot import Read, Statement

_EPOCH = Statement("SELECT e.value FROM epoch e WHERE e.id = 1")

_CONVERSATIONS_OF = Statement("""
    SELECT c.id, c.last_seq, c.rev, m.delivered_seq
    FROM member m JOIN conversation c ON c.id = m.conversation_id
    WHERE m.user_id = $1 AND m.left_rev IS NULL AND m.conversation_id > $2
    ORDER BY m.conversation_id LIMIT $3""")

_MEMBERS_OF = Statement(f"""
    SELECT m.conversation_id, {MEMBER} FROM member m
    WHERE m.conversation_id IN (SELECT asked.value ->> 0 FROM json_rows($1) AS asked)
    ORDER BY m.conversation_id, m.user_id""")

# Rows asked are (conversation, floor).
_COUNT_CHANGED = Statement("""
    SELECT asked.value ->> 0, (
        SELECT count(*) FROM (
            SELECT 1 FROM message m
            WHERE m.conversation_id = asked.value ->> 0 AND m.rev > CAST(asked.value ->> 1 AS bigint)
            ORDER BY m.rev LIMIT $2
        ) AS changed
    )
    FROM json_rows($1) AS asked""")


def _missed(position: str) -> Statement:
    """Write the question for the first messages above a floor, of many conversations at once.

    Rows asked are (conversation, floor, quota): so many and one more are read, $2 at most. `position` is what the
    floor and the order are of.
    """
    return Statement(f"""
    SELECT {MESSAGE}
    FROM json_rows($1) AS asked
    CROSS JOIN message m
    WHERE m.conversation_id = asked.value ->> 0
      AND m.{position} > CAST(asked.value ->> 1 AS bigint) AND m.{position} <= (
        SELECT max(placed.position) FROM (
            SELECT ahead.position, row_number() OVER (ORDER BY ahead.position) AS place FROM (
                SELECT n.{position} AS position FROM message n
                WHERE n.conversation_id = asked.value ->> 0 AND n.{position} > CAST(asked.value ->> 1 AS bigint)
                ORDER BY n.{position} LIMIT $2
            ) AS ahead
        ) AS placed
        WHERE placed.place <= CAST(asked.value ->> 2 AS bigint) + 1
      )
    ORDER BY m.conversation_id, m.{position}""")


_MISSED_BY_REV = _missed("rev")
_MISSED_BY_SEQ = _missed("seq")


def epoch() -> Read[str]:
    """Return the name of this history, "" where it has none yet."""
    rows = yield from _EPOCH.rows()
    return rows[0][0] if rows else ""


def conversations_of(user: UserId, after: ConversationId, limit: int) -> Read[list[Own]]:
    """Find the conversations of a user in the order of their ids, behind one."""
    rows = yield from _CONVERSATIONS_OF.rows(user, after, limit)
    return [Own(*row) for row in rows]


def members_of(conversations: Iterable[ConversationId]) -> Read[dict[ConversationId, list[StoredMember]]]:
    """Find the members of many conversations."""
    rows = yield from rows_for(_MEMBERS_OF, [(name,) for name in conversations])
    members = defaultdict(list)
    for row in rows:
        members[row[0]].append(to_member(row[1:]))
    return members


def changed_counts(starts: Iterable[Start]) -> Read[dict[ConversationId, int]]:
    """Count the messages above the floors of conversations that are read by revision, no further than it matters."""
    asked = [(start.own.conversation_id, start.floor) for start in starts if start.is_by_rev and start.may_have_missed]
    rows = yield from rows_for(_COUNT_CHANGED, asked, MISSED_MESSAGES + 1)
    return {row[0]: row[1] for row in rows}


def missed_messages(shares: Iterable[Share]) -> Read[dict[ConversationId, list[StoredMessage]]]:
    """Read what was missed: of each conversation its share and one message more, in the order of reading."""
    by_rev: list[tuple[ConversationId, int, int]] = []
    by_seq: list[tuple[ConversationId, int, int]] = []
    for start, quota in shares:
        if start.may_have_missed:
            (by_rev if start.is_by_rev else by_seq).append((start.own.conversation_id, start.floor, quota))
    found = defaultdict(list)
    for statement, asked in ((_MISSED_BY_REV, by_rev), (_MISSED_BY_SEQ, by_seq)):
        longest = max((quota for _, _, quota in asked), default=0) + 1
        rows = yield from rows_for(statement, asked, longest)
        for missed in to_messages(rows):
            found[missed.conversation_id].append(missed)
    return found
