"""What people need: choices, search, blocks, retries, settings of members.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand the schema; nothing that running services use is taken away here."""
    for choice in ("read_receipts", "typing", "last_seen"):
        op.add_column("account", sa.Column(choice, sa.Boolean(), nullable=False, server_default=sa.true()))
    for column in ("shown_read_seq", "shown_read_at_ms"):
        op.add_column("member", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE member SET shown_read_seq = read_seq, shown_read_at_ms = read_at_ms")
    op.add_column("message", sa.Column("stored_at_ms", sa.BigInteger(), nullable=True))
    _create_tables_of_the_gateway()
    _create_tables_of_delivery()


def _create_tables_of_the_gateway() -> None:
    op.create_table(
        "account_word",
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word", "user_id", name=op.f("pk_account_word")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_account_word_user_id"), "account_word", ["user_id"])
    accounts = op.get_bind().execute(sa.text("SELECT id, username, display_name FROM account")).all()
    words = {(word, user_id) for user_id, username, name in accounts for word in (username, *name.casefold().split())}
    if words:
        table = sa.table("account_word", sa.column("word"), sa.column("user_id"))
        op.bulk_insert(table, [{"word": word, "user_id": user_id} for word, user_id in sorted(words)])
    op.create_table(
        "member_setting",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("muted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("draft", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", name=op.f("pk_member_setting")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refused_message",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_refused_message")),
    )
    op.create_index(op.f("ix_refused_message_at_ms"), "refused_message", ["at_ms"])
    op.create_index("ix_refused_message_sender_id_message_id", "refused_message", ["sender_id", "message_id"])


def _create_tables_of_delivery() -> None:
    op.create_table(
        "operation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    op.create_table(
        "block",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("blocker_id", sa.Text(), nullable=False),
        sa.Column("blocked_id", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "blocker_id", name=op.f("pk_block")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_block_blocker_id"), "block", ["blocker_id"])
    op.create_table(
        "retry",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("up_to_seq", sa.BigInteger(), nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", name=op.f("pk_retry")),
    )
    op.create_index("ix_retry_state_next_at_ms", "retry", ["state", "next_at_ms"])
    op.create_table(
        "retry_attempt",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("up_to_seq", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", "up_to_seq", "at_ms", name=op.f("pk_retry_attempt")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_retry_attempt_at_ms"), "retry_attempt", ["at_ms"])
