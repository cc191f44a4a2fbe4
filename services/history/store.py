# ruff: noqa: S608 - statements are put together from our own columns alone
"""All of history's SQL, keyset only: one function a question; those that belong together make up one reading."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from services.history.domain.pages import Reading
from services.history.domain.resume import MISSED_MESSAGES, Share, Start
from services.history.domain.stored import Conversation, Own, StoredMessage, StoredReceipt
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.contracts.queries import Member, Outcome, Sync
from shared.database.snapshot import DatabaseAway, Read, Row, Snapshots, Statement

__all__ = ["DatabaseAway", "Read", "Store"]

T = TypeVar("T")

CONNECTIONS: Final = 4
PATIENCE_S: Final = 1.5
"""Shorter than gateways wait for a reply, so that they hear from here that the database is away."""

_encode = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(tuple[Username, ...]).decode

_MESSAGE = """m.conversation_id, m.seq, m.rev, m.first_rev, m.message_id, m.sender_id, m.sender, m.client_id,
    m.content, m.content_type, m.sent_at_ms, m.reply_to, m.mentions"""
_MEMBER = """m.user_id, m.username, m.delivered_seq, m.read_seq, m.delivered_at_ms, m.read_at_ms,
    m.left_rev IS NOT NULL"""

_CONVERSATION = Statement(f"""
    SELECT c.kind, c.last_seq, c.rev, {_MEMBER}
    FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id
    WHERE c.id = $1
    ORDER BY m.user_id""")

_CONVERSATION_WITH_UNREAD = Statement(f"""
    SELECT c.kind, c.last_seq, c.rev, {_MEMBER}, CASE WHEN m.user_id = $2 THEN (
        SELECT u.seq FROM message u
        WHERE u.conversation_id = c.id AND u.seq > m.read_seq AND u.sender_id <> $2
        ORDER BY u.seq LIMIT 1
    ) END
    FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id
    WHERE c.id = $1
    ORDER BY m.user_id""")

_SEQ_OF = Statement("SELECT m.seq FROM message m WHERE m.message_id = $1 AND m.conversation_id = $2")

# Times are not indexed: they rise with the seq, but for gateways' clocks. So the interval of seqs is halved.
_SEQ_AT = Statement("""
    WITH RECURSIVE halved(low, high) AS (
        SELECT CAST(1 AS bigint), c.last_seq + 1 FROM conversation c WHERE c.id = $1
        UNION ALL
        SELECT CASE WHEN m.sent_at_ms < $2 THEN m.seq + 1 ELSE h.low END,
               CASE WHEN m.sent_at_ms < $2 THEN h.high ELSE m.seq END
        FROM halved h JOIN message m ON m.conversation_id = $1 AND m.seq = (h.low + h.high) / 2
        WHERE h.low < h.high
    )
    SELECT max(low) FROM halved""")

_MESSAGES_BELOW = Statement(f"""
    SELECT {_MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.seq < $2
    ORDER BY m.seq DESC LIMIT $3""")

_MESSAGES_ABOVE = Statement(f"""
    SELECT {_MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.seq > $2
    ORDER BY m.seq LIMIT $3""")

_MESSAGES_CHANGED = Statement(f"""
    SELECT {_MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.rev > $2
    ORDER BY m.rev LIMIT $3""")

_MESSAGE_BY_ID = Statement(f"SELECT {_MESSAGE} FROM message m WHERE m.message_id = $1")

# Of every member and state: the receipts among the seqs from $2 to $3, and the first one at or behind their end.
# PostgreSQL surely goes by the index only if it is told to look for each pair; SQLite does, but knows no LATERAL.
_RECEIPTS = Statement(
    """
    SELECT m.user_id, s.state, r.up_to_seq, r.at_ms
    FROM member m
    CROSS JOIN (VALUES ('delivered'), ('read')) AS s(state)
    CROSS JOIN LATERAL (
        SELECT n.up_to_seq, n.at_ms FROM receipt n
        WHERE n.conversation_id = $1 AND n.user_id = m.user_id AND n.state = s.state
          AND n.up_to_seq >= $2 AND n.up_to_seq < $3
        UNION ALL (
            SELECT n.up_to_seq, n.at_ms FROM receipt n
            WHERE n.conversation_id = $1 AND n.user_id = m.user_id AND n.state = s.state AND n.up_to_seq >= $3
            ORDER BY n.up_to_seq LIMIT 1
        )
    ) AS r
    WHERE m.conversation_id = $1""",
    sqlite="""
    SELECT r.user_id, r.state, r.up_to_seq, r.at_ms
    FROM member m
    CROSS JOIN (SELECT 'delivered' AS state UNION ALL SELECT 'read') AS s
    CROSS JOIN receipt r
    WHERE m.conversation_id = $1
      AND r.conversation_id = $1 AND r.user_id = m.user_id AND r.state = s.state
      AND r.up_to_seq BETWEEN $2 AND coalesce((
        SELECT min(n.up_to_seq) FROM receipt n
        WHERE n.conversation_id = $1 AND n.user_id = m.user_id AND n.state = s.state AND n.up_to_seq >= $3
      ), $3)""",
)

_EPOCH = Statement("SELECT e.value FROM epoch e WHERE e.id = 1")

_CONVERSATIONS_OF = Statement("""
    SELECT c.id, c.last_seq, c.rev, m.delivered_seq
    FROM member m JOIN conversation c ON c.id = m.conversation_id
    WHERE m.user_id = $1 AND m.left_rev IS NULL AND m.conversation_id > $2
    ORDER BY m.conversation_id LIMIT $3""")

_MEMBERS_OF = Statement(f"""
    SELECT m.conversation_id, {_MEMBER} FROM member m
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
    SELECT {_MESSAGE}
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

_OUTCOMES = Statement("""
    SELECT m.message_id, m.conversation_id, m.seq, m.first_rev, m.sent_at_ms, m.request
    FROM message m
    WHERE m.message_id IN (SELECT asked.value ->> 0 FROM json_rows($1) AS asked)""")


class Store:
    """The tables that delivery writes, for reading. Nothing is connected before the first question."""

    def __init__(self, url: str) -> None:
        self._snapshots = Snapshots(url, size=CONNECTIONS, patience_s=PATIENCE_S)

    @property
    def last_read(self) -> float | None:
        """When a read last succeeded, in monotonic seconds; None before the first."""
        return self._snapshots.last_read

    async def read(self, reading: Read[T]) -> T:
        """Carry out a reading, all of it in one snapshot; what it raises comes through.

        Raises:
            DatabaseAway: the database could not be reached, or did not answer in time.
        """
        return await self._snapshots.read(reading)

    async def close(self) -> None:
        """Close the connections."""
        await self._snapshots.close()


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
    unread = next((row[10] for row in rows if row[10] is not None), None)
    return _conversation(conversation_id, rows), unread


def seq_of(conversation_id: ConversationId, message_id: MessageId) -> Read[int | None]:
    """Find where a message lies in a conversation."""
    rows = yield from _SEQ_OF.rows(message_id, conversation_id)
    return rows[0][0] if rows else None


def seq_at(conversation_id: ConversationId, at_ms: int) -> Read[int]:
    """Find the first message sent at or after a time; one above the last seq where there is none."""
    rows = yield from _SEQ_AT.rows(conversation_id, at_ms)
    return int(rows[0][0])


def messages_of_page(conversation_id: ConversationId, reading: Reading) -> Read[list[StoredMessage]]:
    """Read the messages of a page, and one more, in the order of reading."""
    statement = _MESSAGES_BELOW if reading.is_backwards else _MESSAGES_ABOVE
    rows = yield from statement.rows(conversation_id, reading.edge, reading.limit + 1)
    return _messages(rows)


def messages_of_sync(query: Sync) -> Read[list[StoredMessage]]:
    """Read the messages of a sync page, and one more, in the order of reading."""
    if query.after_rev is not None:
        rows = yield from _MESSAGES_CHANGED.rows(query.conversation_id, query.after_rev, query.limit + 1)
    else:
        rows = yield from _MESSAGES_BELOW.rows(query.conversation_id, query.before_seq or 0, query.limit + 1)
    return _messages(rows)


def message(message_id: MessageId) -> Read[StoredMessage | None]:
    """Find a message by its id."""
    rows = yield from _MESSAGE_BY_ID.rows(message_id)
    found = _messages(rows)
    return found[0] if found else None


def receipts(messages: Sequence[StoredMessage]) -> Read[list[StoredReceipt]]:
    """Find when the cursors passed some messages of one conversation, which are given oldest first."""
    if not messages:
        return []
    oldest, newest = messages[0], messages[-1]
    rows = yield from _RECEIPTS.rows(oldest.conversation_id, oldest.seq, newest.seq)
    return list(map(StoredReceipt._make, rows))


def epoch() -> Read[str]:
    """Return the name of this history, "" where it has none yet."""
    rows = yield from _EPOCH.rows()
    return rows[0][0] if rows else ""


def conversations_of(user: UserId, after: ConversationId, limit: int) -> Read[list[Own]]:
    """Find the conversations of a user in the order of their ids, behind one."""
    rows = yield from _CONVERSATIONS_OF.rows(user, after, limit)
    return [Own(*row) for row in rows]


def members_of(starts: Iterable[Start]) -> Read[dict[ConversationId, list[Member]]]:
    """Find the members of many conversations."""
    rows = yield from _rows_for(_MEMBERS_OF, [(start.own.conversation_id,) for start in starts])
    members = defaultdict(list)
    for row in rows:
        members[row[0]].append(_member(row[1:]))
    return members


def changed_counts(starts: Iterable[Start]) -> Read[dict[ConversationId, int]]:
    """Count the messages above the floors of conversations that are read by revision, no further than it matters."""
    asked = [(start.own.conversation_id, start.floor) for start in starts if start.is_by_rev and start.may_have_missed]
    rows = yield from _rows_for(_COUNT_CHANGED, asked, MISSED_MESSAGES + 1)
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
        rows = yield from _rows_for(statement, asked, longest)
        for missed in _messages(rows):
            found[missed.conversation_id].append(missed)
    return found


def outcomes(message_ids: Iterable[MessageId]) -> Read[list[Outcome]]:
    """Find which of some messages are stored, as their first `ack` told it."""
    rows = yield from _rows_for(_OUTCOMES, [(message_id,) for message_id in message_ids])
    return [
        Outcome(message_id, conversation_id, seq, rev, sent_at_ms, bytes(request).hex())
        for message_id, conversation_id, seq, rev, sent_at_ms, request in rows
    ]


def _rows_for(statement: Statement, asked: Sequence[tuple[Any, ...]], *values: int) -> Read[Sequence[Row]]:
    """Ask about many things at once; about none without asking."""
    return (yield from statement.rows(_encode(asked).decode(), *values)) if asked else []


def _conversation(conversation_id: ConversationId, rows: Sequence[Row]) -> Conversation:
    kind, last_seq, rev = rows[0][:3]
    members = [_member(row[3:10]) for row in rows if row[3] is not None]
    return Conversation(conversation_id, kind, last_seq, rev, members)


def _member(row: Row) -> Member:
    user_id, username, delivered_seq, read_seq, delivered_at_ms, read_at_ms, left = row
    return Member(user_id, username, delivered_seq, read_seq, delivered_at_ms, read_at_ms, bool(left))


def _messages(rows: Iterable[Row]) -> list[StoredMessage]:
    return [
        StoredMessage._make((*row[:12], _names(row[12]) if row[12] else (), _size(row[8], row[12]))) for row in rows
    ]


def _size(content: str, mentions: str | None) -> int:
    return len(_encode(content)) + len(mentions or "")
