"""The gateway's way to the database: a connection to read by, one to write by, a refusal while it is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts.errors import Code, Refusal
from shared.database.engine import is_sqlite, open_engine
from shared.database.pools import pool_in_use, pool_room
from shared.database.tables import account

PATIENCE_S: Final = 5.0

Row = sa.Row[*tuple[Any, ...]]
Question = sa.Select[*tuple[Any, ...]]

# What asyncpg raises while it connects is not always wrapped.
_AWAY = (
    OSError,
    TimeoutError,
    sa.exc.TimeoutError,
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,  # asyncpg's, of a connection that was killed while it had nothing to do
)


class Database:
    """Lends connections; `async with` it. Nothing is connected before the first question.

    Whatever is asked by it raises `Refusal` `unavailable` while the database can't be reached, or does not answer
    in 5 s.
    """

    def __init__(self, database_url: str) -> None:
        self._writer: AsyncEngine = open_engine(database_url, "writer")
        self._reader = open_engine(database_url, "reader") if is_sqlite(database_url) else self._writer

    async def __aenter__(self) -> Self:
        """Do nothing yet: a database that is away delays no start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    @property
    def room(self) -> int:
        """How many connections there may be."""
        return sum(pool_room(engine) for engine in {self._writer, self._reader})

    @property
    def in_use(self) -> int:
        """How many connections are lent right now."""
        return sum(pool_in_use(engine) for engine in {self._writer, self._reader})

    async def ping(self) -> None:
        """Read one row at most, to see that the database and its schema are there."""
        async with self.reading() as connection:
            await connection.execute(sa.select(account.c.id).limit(1))

    async def row(self, question: Question) -> Row | None:
        """Read the first row of an answer."""
        async with self.reading() as connection:
            return (await connection.execute(question)).first()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection to read by, with one snapshot on SQLite."""
        async with _reached(PATIENCE_S), self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self, patience_s: float = PATIENCE_S) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction, committed at the end of the block."""
        async with _reached(patience_s), self._writer.begin() as connection:
            yield connection


@asynccontextmanager
async def _reached(patience_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(patience_s):
            yield
    except (*_AWAY, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Refusal(Code.UNAVAILABLE, "The store can't be reached right now. Try again.", 1000) from error
    except sa.exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Refusal(Code.UNAVAILABLE, "The store went away just now. Try again.", 1000) from error
