"""Brings the schema of a database up to date (Alembic; expand, then contract: ADR 7)."""

import asyncio
import time
from collections.abc import Callable

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from shared.database.engine import open_engine
from shared.database.schema import HEAD, MIGRATIONS, SchemaUnfit, state_of

_LOCK = 0x7061726C6579  # one migration at a time on PostgreSQL
_TRY_EVERY_S = 0.2


def upgrade(url: str, revision: str = HEAD) -> None:
    """Bring the database at `url` to the newest revision; safe to call at every start and from several hosts.

    One that a newer program has migrated stays as it is: rolling back needs no way back for the schema (ADR 7).
    `revision`: an earlier one to stop at, for tests.

    Raises:
        SchemaUnfit: a newer program has taken away what this one needs.
        What a database raises that is away.
    """
    asyncio.run(_over(url, lambda connection: _upgrade(connection, revision)))


def upgrade_within(connection: sa.Connection, revision: str = HEAD) -> None:
    """Do what `upgrade` does, within the caller's transaction.

    Raises:
        SchemaUnfit: a newer program has taken away what this one needs.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if _is_to_be_upgraded(connection):
        command.upgrade(config_for(connection, is_within=True), revision)


async def _over(url: str, work: Callable[[sa.Connection], None]) -> None:
    engine = open_engine(url, "writer", pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, revision: str) -> None:
    """Upgrade SQLite in one transaction; PostgreSQL in one for each migration, or in none where it asks for that."""
    if connection.dialect.name != "postgresql":
        upgrade_within(connection, revision)
        return
    # The lock is the session's. Whoever waits for it does so outside of a transaction: an index that is built
    # concurrently waits for the end of all transactions that are older.
    while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
        connection.commit()
        time.sleep(_TRY_EVERY_S)
    is_to_be_upgraded = _is_to_be_upgraded(connection)
    connection.commit()
    if is_to_be_upgraded:
        command.upgrade(config_for(connection, is_within=False), revision)


def _is_to_be_upgraded(connection: sa.Connection) -> bool:
    state = state_of(connection)
    if state.is_newer and state.problem:
        raise SchemaUnfit(state.problem)
    return not state.is_newer


def config_for(connection: sa.Connection, *, is_within: bool) -> Config:
    """Tell Alembic where the migrations are, and what they run over; `is_within`: the caller's transaction."""
    config = Config(attributes={"connection": connection, "is_within": is_within})
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
