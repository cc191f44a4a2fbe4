"""Order the words that people are found by as their code points are, so that a prefix is a range of the index.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Collate the column on PostgreSQL; SQLite compares bytes anyway."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("account_word", "word", type_=sa.Text(collation="C"))
