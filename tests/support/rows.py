"""Rows around conversations: accounts, what members keep, blocks, and what has not reached its recipients."""

from typing import Any

from shared.contracts import ids
from shared.contracts.ids import ConversationId, UserId
from tests.support.history import NOON, Row, name_of


def account_row(user: UserId, display_name: str) -> Row:
    """Make an account."""
    return {
        "id": user,
        "username": name_of(user),
        "display_name": display_name,
        "password_hash": "",
        "created_at_ms": NOON,
    }


def setting_row(conversation: ConversationId, user: UserId, **flags: Any) -> Row:
    """Make what a member keeps about a conversation."""
    return {"conversation_id": conversation, "user_id": user, "changed_at_ms": NOON, **flags}


def block_row(blocker: UserId, blocked: UserId) -> Row:
    """Make a block, of the direct conversation that the two have, or would have."""
    return {
        "conversation_id": ids.direct_conversation_id(blocker, blocked),
        "blocker_id": blocker,
        "blocked_id": blocked,
        "blocked": name_of(blocked),
        "at_ms": NOON,
    }


def retry_row(
    conversation: ConversationId,
    user: UserId,
    up_to_seq: int,
    attempt: int = 0,
    *,
    state: str = "waiting",
    next_s: int = 60,
    reason: str = "",
) -> Row:
    """Make an entry of what has not reached a recipient, due so many seconds after noon."""
    return {
        "user_id": user,
        "conversation_id": conversation,
        "username": name_of(user),
        "state": state,
        "attempt": attempt,
        "up_to_seq": up_to_seq,
        "opened_at_ms": NOON,
        "next_at_ms": NOON + next_s * 1000,
        "reason": reason,
    }


def attempt_row(
    conversation: ConversationId,
    user: UserId,
    after_seq: int,
    up_to_seq: int,
    attempt: int,
    at_s: int,
    outcome: str = "retrying",
) -> Row:
    """Make an attempt to reach a recipient, so many seconds after noon."""
    return {
        "conversation_id": conversation,
        "user_id": user,
        "up_to_seq": up_to_seq,
        "at_ms": NOON + at_s * 1000,
        "after_seq": after_seq,
        "attempt": attempt,
        "outcome": outcome,
    }
