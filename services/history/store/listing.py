# ruff: noqa: S608 - statements are put together from our own columns alone
"""A user's conversations by their last messages, and what a list shows of each."""

from collections.abc import Collection, Iterable
from typing import Final

from services.history.domain.listing import PAGE_MEMBERS, Head, Setting, Unread
from services.history.domain.stored import StoredMessage
from services.history.store.rows import MESSAGE, rows_for, to_messages
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.queries import GetConversations
from shared.database.snapshot import Read, Statement

_GREATEST: Final = 2**63 - 1


def _heads(condition: str = "") -> Statement:
    """Write the question for the conversations of $1 behind (time $2, conversation $3), $4 at most.

    Only the last message of each has to be found to put them in order.
    """
    return Statement(f"""
    WITH own AS MATERIALIZED (
        SELECT m.conversation_id, m.delivered_seq, m.read_seq, (
            SELECT l.sent_at_ms FROM message l WHERE l.conversation_id = m.conversation_id ORDER BY l.seq DESC LIMIT 1
        ) AS at_ms
        FROM member m
        WHERE m.user_id = $1 AND m.left_rev IS NULL{condition}
    )
    SELECT c.id, c.kind, c.last_seq, c.rev, newest.delivered_seq, newest.read_seq
    FROM (
        SELECT own.conversation_id, own.delivered_seq, own.read_seq, own.at_ms FROM own
        WHERE (own.at_ms, own.conversation_id) < ($2, $3)
        ORDER BY own.at_ms DESC, own.conversation_id DESC LIMIT $4
    ) AS newest
    CROSS JOIN conversation c
    WHERE c.id = newest.conversation_id
    ORDER BY newest.at_ms DESC, c.id DESC""")


_ARCHIVED: Final = """(
            SELECT s.archived FROM member_setting s WHERE s.conversation_id = m.conversation_id AND s.user_id = $1
        )"""
_HEADS: Final = {
    None: _heads(),
    True: _heads(f" AND {_ARCHIVED} IS TRUE"),
    False: _heads(f" AND {_ARCHIVED} IS NOT TRUE"),
}

_GROUP_SIZES: Final = Statement("""
    SELECT asked.value ->> 0, (
        SELECT count(*) FROM (
            SELECT 1 FROM member m WHERE m.conversation_id = asked.value ->> 0 LIMIT $2
        ) AS counted
    )
    FROM json_rows($1) AS asked""")

# Rows asked are (conversation, seq).
_MESSAGES_AT: Final = Statement(f"""
    SELECT {MESSAGE}
    FROM json_rows($1) AS asked
    CROSS JOIN message m
    WHERE m.conversation_id = asked.value ->> 0 AND m.seq = CAST(asked.value ->> 1 AS bigint)""")

# Rows asked are (conversation, seq): what lies above and is not of $2.
_UNREAD: Final = Statement(
    """
    SELECT asked.value ->> 0, unread.count, unread.first
    FROM json_rows($1) AS asked
    CROSS JOIN LATERAL (
        SELECT count(*) AS count, min(m.seq) AS first FROM message m
        WHERE m.conversation_id = asked.value ->> 0 AND m.seq > CAST(asked.value ->> 1 AS bigint)
          AND m.sender_id <> $2
    ) AS unread""",
    sqlite="""
    SELECT m.conversation_id, count(*), min(m.seq)
    FROM json_rows($1) AS asked
    CROSS JOIN message m
    WHERE m.conversation_id = asked.value ->> 0 AND m.seq > CAST(asked.value ->> 1 AS bigint) AND m.sender_id <> $2
    GROUP BY m.conversation_id""",
)

_SETTINGS: Final = Statement("""
    SELECT asked.value ->> 0, s.muted, s.pinned, s.archived, s.draft, (
        SELECT 1 FROM block b WHERE b.conversation_id = asked.value ->> 0 AND b.blocker_id = $2
    ) IS NOT NULL
    FROM json_rows($1) AS asked
    LEFT JOIN member_setting s ON s.conversation_id = asked.value ->> 0 AND s.user_id = $2""")

_DISPLAY_NAMES: Final = Statement("""
    SELECT a.id, a.display_name FROM account a
    WHERE a.id IN (SELECT asked.value ->> 0 FROM json_rows($1) AS asked)""")


def heads(query: GetConversations) -> Read[list[Head]]:
    """Find the conversations of a page of the list, and one more, the one with the newest message first."""
    at_ms, conversation_id = query.before or (_GREATEST, "")
    rows = yield from _HEADS[query.archived].rows(query.user_id, at_ms, conversation_id, query.limit + 1)
    return list(map(Head._make, rows))


def group_sizes(heads: Iterable[Head]) -> Read[dict[ConversationId, int]]:
    """Count the members of those that are groups, no further than it matters."""
    groups = [(head.conversation_id,) for head in heads if head.kind == "group"]
    rows = yield from rows_for(_GROUP_SIZES, groups, PAGE_MEMBERS)
    return {row[0]: row[1] for row in rows}


def last_messages(heads: Iterable[Head]) -> Read[dict[ConversationId, StoredMessage]]:
    """Read the last message of each conversation."""
    rows = yield from rows_for(_MESSAGES_AT, [(head.conversation_id, head.last_seq) for head in heads])
    return {message.conversation_id: message for message in to_messages(rows)}


def unread(heads: Iterable[Head], user: UserId) -> Read[dict[ConversationId, Unread]]:
    """Count what a user has not read of others; every message above its cursor is looked at."""
    rows = yield from rows_for(_UNREAD, [(head.conversation_id, head.read_seq) for head in heads], user)
    return {row[0]: Unread(row[1], row[2]) for row in rows}


def settings(heads: Iterable[Head], user: UserId) -> Read[dict[ConversationId, Setting]]:
    """Find what a user keeps about conversations, and whether it blocks the other one there."""
    rows = yield from rows_for(_SETTINGS, [(head.conversation_id,) for head in heads], user)
    return {
        name: Setting(bool(muted), bool(pinned), bool(archived), draft or "", bool(blocked))
        for name, muted, pinned, archived, draft, blocked in rows
    }


def display_names(users: Collection[UserId]) -> Read[dict[UserId, str]]:
    """Find the names that users gave themselves."""
    rows = yield from rows_for(_DISPLAY_NAMES, [(user,) for user in users])
    return {row[0]: row[1] for row in rows}
