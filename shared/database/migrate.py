"""Brings the schema of a database up to date (Alembic; expand, then contract)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.database.engine import open_engine

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x7061726C6579  # one migration at a time on PostgreSQL


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest revision; safe to call at every start and from several hosts."""
    asyncio.run(_over(url, _upgrade))


def revisions(url: str) -> tuple[str | None, str | None]:
    """Return the revision that the database is at, and the newest one there is."""
    found: list[tuple[str | None, str | None]] = []

    def look(connection: sa.Connection) -> None:
        head = ScriptDirectory.from_config(_config(connection)).get_current_head()
        found.append((MigrationContext.configure(connection).get_current_revision(), head))

    asyncio.run(_over(url, look))
    return found[0]


async def _over(url: str, work: Callable[[sa.Connection], None]) -> None:
    engine = open_engine(url, "writer", pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    command.upgrade(_config(connection), "head")


def _config(connection: sa.Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
