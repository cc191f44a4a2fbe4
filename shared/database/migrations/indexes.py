"""How a migration builds an index on a table that may be big: beside the traffic, where the database can."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def build_index(name: str, table: str, columns: Sequence[str | sa.TextClause], *, unique: bool = False) -> None:
    """Build an index; on PostgreSQL concurrently, outside of any transaction, so that writing goes on.

    Let it be the only thing that its migration does. What a build that failed has left behind is dropped first, so it
    may be repeated. SQLite, and a restore (which nobody waits for), build it as part of their transaction.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql" or (context.config and context.config.attributes["is_within"]):
        op.create_index(name, table, columns, unique=unique)
        return
    with context.autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, unique=unique, postgresql_concurrently=True)
