# ruff: noqa: S608 - statements are put together from our own columns alone
"""Whom a user knows: who shares a conversation with it, and no block lies between."""

from collections.abc import Collection, Mapping
from typing import Final

from services.history.store.rows import rows_for
from shared.contracts.ids import ConversationId, UserId
from shared.database.snapshot import Read, Statement

MANY: Final = 500
"""Who is in so many conversations is looked for in the asker's groups."""


def _is_member(conversation: str, user: str) -> str:
    """Write the condition that a user is in a conversation.

    As a range the user is no key to PostgreSQL, which else goes by all conversations of the user where it thinks that
    most people are in one.
    """
    return f"""(
            SELECT 1 FROM member k
            WHERE k.conversation_id = {conversation} AND k.user_id BETWEEN {user} AND {user} AND k.left_rev IS NULL
        ) IS NOT NULL"""


# Rows asked are (user, its direct conversation with $2).
_PAIRS: Final = Statement(f"""
    SELECT asked.value ->> 0, (
            SELECT 1 FROM block b WHERE b.conversation_id = asked.value ->> 1 LIMIT 1
        ) IS NOT NULL,
        {_is_member("asked.value ->> 1", "$2")}
        AND {_is_member("asked.value ->> 1", "(asked.value ->> 0)")}
    FROM json_rows($1) AS asked""")

# Few of whom one asks about are in many conversations: theirs are looked through. For the others one's own are.
_IN_GROUPS: Final = Statement(f"""
    WITH own AS MATERIALIZED (
        SELECT m.conversation_id FROM member m
        WHERE m.user_id = $2 AND m.left_rev IS NULL
          AND (SELECT c.kind FROM conversation c WHERE c.id = m.conversation_id) = 'group'
    )
    SELECT asked.value ->> 0 FROM json_rows($1) AS asked
    WHERE CASE WHEN (
        SELECT count(*) FROM (SELECT 1 FROM member m WHERE m.user_id = asked.value ->> 0 LIMIT $3) AS counted
    ) < $3 THEN (
        SELECT 1 FROM member m
        WHERE m.user_id = asked.value ->> 0 AND m.left_rev IS NULL AND {_is_member("m.conversation_id", "$2")} LIMIT 1
    ) ELSE (
        SELECT 1 FROM own WHERE {_is_member("own.conversation_id", "(asked.value ->> 0)")} LIMIT 1
    ) END IS NOT NULL""")


def acquainted_in_pairs(user: UserId, others: Mapping[UserId, ConversationId]) -> Read[tuple[set[UserId], set[UserId]]]:
    """Find whom of some users one has a direct conversation with, and between whom and oneself a block lies.

    `others`: each with the direct conversation that it has, or would have, with the user.
    """
    rows = yield from rows_for(_PAIRS, list(others.items()), user)
    return {row[0] for row in rows if row[2]}, {row[0] for row in rows if row[1]}


def acquainted_in_groups(user: UserId, others: Collection[UserId]) -> Read[set[UserId]]:
    """Find whom of some users one shares a group with."""
    rows = yield from rows_for(_IN_GROUPS, [(other,) for other in others], user, MANY)
    return {row[0] for row in rows}
