"""What has not reached its recipients, and what was tried to reach them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from services.history.domain.waiting import BEHIND, Behind, Entry, OwnMessage, Stretch, Waiting
from services.history.store.rows import rows_for
from shared.contracts.ids import ConversationId, MessageId, UserId
from shared.contracts.queries import Attempt
from shared.database.snapshot import Read, Row, Statement

_BEHIND: Final = Statement("""
    SELECT m.conversation_id, c.last_seq, min(n.delivered_seq), count(*)
    FROM member m
    JOIN conversation c ON c.id = m.conversation_id
    JOIN member n ON n.conversation_id = m.conversation_id
    WHERE m.user_id = $1 AND m.left_rev IS NULL AND m.conversation_id >= $2
      AND n.user_id <> $1 AND n.left_rev IS NULL AND n.delivered_seq < c.last_seq
    GROUP BY m.conversation_id, c.last_seq
    ORDER BY m.conversation_id LIMIT $3""")

# What is asked for each row stands by itself for PostgreSQL: it would rather walk through all of an index whose order
# is the answer's, and SQLite, which does not, knows no LATERAL.

# Rows asked are (conversation, floor, ceiling).
_OWN: Final = Statement(
    """
    SELECT own.conversation_id, own.seq, own.message_id
    FROM json_rows($1) AS asked
    CROSS JOIN LATERAL (
        SELECT m.conversation_id, m.seq, m.message_id FROM message m
        WHERE m.conversation_id = asked.value ->> 0 AND m.sender_id = $2
          AND m.seq > CAST(asked.value ->> 1 AS bigint) AND m.seq <= CAST(asked.value ->> 2 AS bigint)
        ORDER BY m.seq LIMIT $3
    ) AS own
    ORDER BY own.conversation_id, own.seq LIMIT $3""",
    sqlite="""
    SELECT m.conversation_id, m.seq, m.message_id
    FROM json_rows($1) AS asked
    CROSS JOIN message m
    WHERE m.conversation_id = asked.value ->> 0 AND m.sender_id = $2
      AND m.seq > CAST(asked.value ->> 1 AS bigint) AND m.seq <= CAST(asked.value ->> 2 AS bigint)
    ORDER BY m.conversation_id, m.seq LIMIT $3""",
)

# Rows asked are (conversation, seq): who does not have that message.
_WAITING: Final = Statement(
    """
    SELECT n.conversation_id, n.user_id, n.username, n.delivered_seq,
           r.state, r.attempt, r.up_to_seq, r.next_at_ms, r.reason
    FROM json_rows($1) AS asked
    CROSS JOIN LATERAL (
        SELECT m.conversation_id, m.user_id, m.username, m.delivered_seq FROM member m
        WHERE m.conversation_id = asked.value ->> 0 AND m.user_id <> $2 AND m.left_rev IS NULL
          AND m.delivered_seq < CAST(asked.value ->> 1 AS bigint)
        OFFSET 0
    ) AS n
    LEFT JOIN retry r ON r.user_id = n.user_id AND r.conversation_id = n.conversation_id""",
    sqlite="""
    SELECT n.conversation_id, n.user_id, n.username, n.delivered_seq,
           r.state, r.attempt, r.up_to_seq, r.next_at_ms, r.reason
    FROM json_rows($1) AS asked
    CROSS JOIN member n
    LEFT JOIN retry r ON r.user_id = n.user_id AND r.conversation_id = n.conversation_id
    WHERE n.conversation_id = asked.value ->> 0 AND n.user_id <> $2 AND n.left_rev IS NULL
      AND n.delivered_seq < CAST(asked.value ->> 1 AS bigint)""",
)

# Of every recipient the last $4 attempts for the message $3 of the conversation $2.
_ATTEMPTS: Final = Statement(
    """
    SELECT asked.value ->> 0, a.at_ms, a.attempt, a.outcome
    FROM json_rows($1) AS asked
    CROSS JOIN LATERAL (
        SELECT t.at_ms, t.attempt, t.outcome FROM retry_attempt t
        WHERE t.conversation_id = $2 AND t.user_id = asked.value ->> 0 AND t.up_to_seq >= $3 AND t.after_seq < $3
        ORDER BY t.up_to_seq DESC, t.at_ms DESC LIMIT $4
    ) AS a""",
    sqlite="""
    SELECT t.user_id, t.at_ms, t.attempt, t.outcome
    FROM json_rows($1) AS asked
    CROSS JOIN retry_attempt t
    WHERE t.conversation_id = $2 AND t.user_id = asked.value ->> 0 AND (t.up_to_seq, t.at_ms) IN (
        SELECT l.up_to_seq, l.at_ms FROM retry_attempt l
        WHERE l.conversation_id = $2 AND l.user_id = asked.value ->> 0 AND l.up_to_seq >= $3 AND l.after_seq < $3
        ORDER BY l.up_to_seq DESC, l.at_ms DESC LIMIT $4
      )""",
)

_STORED_AT: Final = Statement("SELECT m.stored_at_ms FROM message m WHERE m.message_id = $1")


def behind(user: UserId, start: ConversationId) -> Read[list[Behind]]:
    """Find the conversations of a user in which others do not have everything, in the order of their ids."""
    rows = yield from _BEHIND.rows(user, start, BEHIND + 1)
    return list(map(Behind._make, rows))


def own_messages(stretches: Sequence[Stretch], user: UserId, limit: int) -> Read[list[OwnMessage]]:
    """Find the first messages of a user in stretches of conversations; every message there is looked at."""
    rows = yield from rows_for(_OWN, stretches, user, limit)
    return list(map(OwnMessage._make, rows))


def recipients_waiting(messages: Sequence[OwnMessage], user: UserId) -> Read[dict[ConversationId, list[Waiting]]]:
    """Find who of the others does not have all of some messages, which are given oldest first."""
    highest = {message.conversation_id: message.seq for message in messages}
    rows = yield from rows_for(_WAITING, list(highest.items()), user)
    found = defaultdict(list)
    for name, user_id, username, delivered_seq, *entry in rows:
        found[name].append(Waiting(user_id, username, delivered_seq, _entry(entry)))
    return found


def attempts(
    recipients: Sequence[UserId], conversation_id: ConversationId, seq: int, each: int
) -> Read[dict[UserId, list[Attempt]]]:
    """Find what was tried to bring a message to some of its recipients, the last so many times of each."""
    rows = yield from rows_for(_ATTEMPTS, [(user,) for user in recipients], conversation_id, seq, each)
    found = defaultdict(list)
    for user, at_ms, attempt, outcome in rows:
        found[user].append(Attempt(at_ms, attempt, outcome))
    return found


def stored_at(message_id: MessageId) -> Read[int | None]:
    """Find when a message was stored, where that was noted."""
    rows = yield from _STORED_AT.rows(message_id)
    return rows[0][0] if rows else None


def _entry(row: Row) -> Entry | None:
    return None if row[0] is None else Entry._make(row)
