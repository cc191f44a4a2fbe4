"""What the tests of upgrades share: a look behind the program's back at its database."""

import asyncio
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from shared.database.engine import open_engine

Rows = Sequence[Sequence[Any]]


def run_sql(url: str, *statements: str) -> Rows:
    """Run statements in one transaction, whatever the program thinks of the schema; the rows of the last, if any."""

    async def run() -> Rows:
        engine = open_engine(url, "writer", pool_size=1)
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    result = await connection.execute(sa.text(statement))
                return result.all() if result.returns_rows else ()
        finally:
            await engine.dispose()

    return asyncio.run(run())
