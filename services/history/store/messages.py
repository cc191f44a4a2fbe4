# ruff: noqa: S608 - statements are put together from our own columns alone
"""Messages: those of a page or of a sync page, single ones by their ids, and when they were received."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from services.history.domain.pages import Reading
from services.history.domain.stored import Passing, StoredMessage, StoredReceipt
from services.history.store.rows import MESSAGE, rows_for, to_messages
from shared.contracts.ids import ConversationId, MessageId
from shared.contracts.queries import Outcome, Sync
from shared.database.snapshot import Read, Statement

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
    SELECT {MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.seq < $2
    ORDER BY m.seq DESC LIMIT $3""")

_MESSAGES_ABOVE = Statement(f"""
    SELECT {MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.seq > $2
    ORDER BY m.seq LIMIT $3""")

_MESSAGES_CHANGED = Statement(f"""
    SELECT {MESSAGE} FROM message m
    WHERE m.conversation_id = $1 AND m.rev > $2
    ORDER BY m.rev LIMIT $3""")

_MESSAGE_BY_ID = Statement(f"SELECT {MESSAGE} FROM message m WHERE m.message_id = $1")

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

# Rows asked are (conversation, user, seq): of each state the first receipt at or behind the seq.
_FIRST_RECEIPTS = Statement(
    """
    SELECT asked.value ->> 0, asked.value ->> 1, s.state, r.up_to_seq, r.at_ms
    FROM json_rows($1) AS asked
    CROSS JOIN (VALUES ('delivered'), ('read')) AS s(state)
    CROSS JOIN LATERAL (
        SELECT n.up_to_seq, n.at_ms FROM receipt n
        WHERE n.conversation_id = asked.value ->> 0 AND n.user_id = asked.value ->> 1 AND n.state = s.state
          AND n.up_to_seq >= CAST(asked.value ->> 2 AS bigint)
        ORDER BY n.up_to_seq LIMIT 1
    ) AS r""",
    sqlite="""
    SELECT r.conversation_id, r.user_id, r.state, r.up_to_seq, r.at_ms
    FROM json_rows($1) AS asked
    CROSS JOIN (SELECT 'delivered' AS state UNION ALL SELECT 'read') AS s
    CROSS JOIN receipt r
    WHERE r.conversation_id = asked.value ->> 0 AND r.user_id = asked.value ->> 1 AND r.state = s.state
      AND r.up_to_seq = (
        SELECT min(n.up_to_seq) FROM receipt n
        WHERE n.conversation_id = asked.value ->> 0 AND n.user_id = asked.value ->> 1 AND n.state = s.state
          AND n.up_to_seq >= CAST(asked.value ->> 2 AS bigint)
      )""",
)

_OUTCOMES = Statement("""
    SELECT m.message_id, m.conversation_id, m.seq, m.first_rev, m.sent_at_ms, m.request
    FROM message m
    WHERE m.message_id IN (SELECT asked.value ->> 0 FROM json_rows($1) AS asked)""")


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
    return to_messages(rows)


def messages_of_sync(query: Sync) -> Read[list[StoredMessage]]:
    """Read the messages of a sync page, and one more, in the order of reading."""
    if query.after_rev is not None:
        rows = yield from _MESSAGES_CHANGED.rows(query.conversation_id, query.after_rev, query.limit + 1)
    else:
        rows = yield from _MESSAGES_BELOW.rows(query.conversation_id, query.before_seq or 0, query.limit + 1)
    return to_messages(rows)


def message(message_id: MessageId) -> Read[StoredMessage | None]:
    """Find a message by its id."""
    rows = yield from _MESSAGE_BY_ID.rows(message_id)
    found = to_messages(rows)
    return found[0] if found else None


def receipts(messages: Sequence[StoredMessage]) -> Read[list[StoredReceipt]]:
    """Find when the cursors passed some messages of one conversation, which are given oldest first."""
    if not messages:
        return []
    oldest, newest = messages[0], messages[-1]
    rows = yield from _RECEIPTS.rows(oldest.conversation_id, oldest.seq, newest.seq)
    return list(map(StoredReceipt._make, rows))


def first_receipts(asked: Sequence[Passing]) -> Read[dict[ConversationId, list[StoredReceipt]]]:
    """Find when cursors passed messages, of many conversations at once."""
    rows = yield from rows_for(_FIRST_RECEIPTS, asked)
    found = defaultdict(list)
    for conversation_id, *receipt in rows:
        found[conversation_id].append(StoredReceipt._make(receipt))
    return found


def outcomes(message_ids: Iterable[MessageId]) -> Read[list[Outcome]]:
    """Find which of some messages are stored, as their first `ack` told it."""
    rows = yield from rows_for(_OUTCOMES, [(message_id,) for message_id in message_ids])
    return [
        Outcome(message_id, conversation_id, seq, rev, sent_at_ms, bytes(request).hex())
        for message_id, conversation_id, seq, rev, sent_at_ms, request in rows
    ]
