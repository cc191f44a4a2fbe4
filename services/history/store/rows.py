"""What all of history's SQL shares: the columns of a message and of a member, and the values made of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from services.history.domain.stored import StoredMember, StoredMessage
from shared.contracts.ids import Username
from shared.database.snapshot import Read, Row, Statement

encode: Final = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(tuple[Username, ...]).decode

MESSAGE: Final = """m.conversation_id, m.seq, m.rev, m.first_rev, m.message_id, m.sender_id, m.sender, m.client_id,
    m.content, m.content_type, m.sent_at_ms, m.reply_to, m.mentions"""
"""The columns of a message `m`, as `to_messages` takes them."""
MEMBER: Final = """m.user_id, m.username, m.delivered_seq, m.read_seq, m.delivered_at_ms, m.read_at_ms,
    m.shown_read_seq, m.shown_read_at_ms, m.left_rev IS NOT NULL"""
"""The columns of a member `m`, as `to_member` takes them."""


def rows_for(statement: Statement, asked: Sequence[tuple[Any, ...]], *values: str | int) -> Read[Sequence[Row]]:
    """Ask about many things at once; about none without asking."""
    return (yield from statement.rows(encode(asked).decode(), *values)) if asked else []


def to_member(row: Row) -> StoredMember:
    """Make a member."""
    return StoredMember._make((*row[:8], bool(row[8])))


def to_messages(rows: Iterable[Row]) -> list[StoredMessage]:
    """Make messages."""
    return [
        StoredMessage._make((*row[:12], _names(row[12]) if row[12] else (), _size(row[8], row[12]))) for row in rows
    ]


def _size(content: str, mentions: str | None) -> int:
    return len(encode(content)) + len(mentions or "")
