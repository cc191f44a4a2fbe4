"""Whom a user knows: who shares a conversation with it, and no block lies between."""

from collections.abc import Collection, Mapping
from typing import Final

from services.history.store.rows import rows_for
from shared.contracts.ids import ConversationId, UserId
from shared.database.snapshot import Read, Statement

# Look-ups for single rows, one by one: they go by the key whatever the planner thinks of the tables.

# Rows asked are (user, its direct conversation with $2).
_PAIRS: Final = Statement("""
    SELECT asked.value ->> 0, (
        SELECT 1 FROM block b WHERE b.conversation_id = asked.value ->> 1 LIMIT 1
    ) IS NOT NULL, (
        SELECT 1 FROM member m
        WHERE m.conversation_id = asked.value ->> 1 AND m.user_id = $2 AND m.left_rev IS NULL
    ) IS NOT NULL AND (
        SELECT 1 FROM member m
        WHERE m.conversation_id = asked.value ->> 1 AND m.user_id = asked.value ->> 0 AND m.left_rev IS NULL
    ) IS NOT NULL
    FROM json_rows($1) AS asked""")

_IN_GROUPS: Final = Statement("""
    WITH own AS MATERIALIZED (
        SELECT m.conversation_id FROM member m
        WHERE m.user_id = $2 AND m.left_rev IS NULL
          AND (SELECT c.kind FROM conversation c WHERE c.id = m.conversation_id) = 'group'
    )
    SELECT asked.value ->> 0 FROM json_rows($1) AS asked
    WHERE (
        SELECT 1 FROM own WHERE (
            SELECT 1 FROM member m
            WHERE m.conversation_id = own.conversation_id AND m.user_id = asked.value ->> 0 AND m.left_rev IS NULL
        ) IS NOT NULL LIMIT 1
    ) IS NOT NULL""")


def acquainted_in_pairs(user: UserId, others: Mapping[UserId, ConversationId]) -> Read[tuple[set[UserId], set[UserId]]]:
    """Find whom of some users one has a direct conversation with, and between whom and oneself a block lies.

    `others`: each with the direct conversation that it has, or would have, with the user.
    """
    rows = yield from rows_for(_PAIRS, list(others.items()), user)
    return {row[0] for row in rows if row[2]}, {row[0] for row in rows if row[1]}


def acquainted_in_groups(user: UserId, others: Collection[UserId]) -> Read[set[UserId]]:
    """Find whom of some users one shares a group with."""
    rows = yield from rows_for(_IN_GROUPS, [(other,) for other in others], user)
    return {row[0] for row in rows}
