"""Drafts a migration for whoever develops: `python -m shared.database.draft "keep notes"`, after changing `tables`."""

import asyncio
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command

from shared.database.engine import open_engine
from shared.database.migrate import config_for, upgrade_within
from shared.database.schema import HEAD


def draft(message: str) -> None:
    """Write the next file of `migrations/versions`: what `tables` has that the migrations don't make."""

    def compare(connection: sa.Connection) -> None:
        upgrade_within(connection)
        config = config_for(connection, is_within=True)
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        command.revision(config, message, autogenerate=True, rev_id=f"{int(HEAD) + 1:04}")

    async def run(url: str) -> None:
        engine = open_engine(url, "writer", pool_size=1)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(compare)
        finally:
            await engine.dispose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(f"sqlite+aiosqlite:///{Path(folder) / 'draft.db'}"))


if __name__ == "__main__":
    draft(" ".join(sys.argv[1:]))
