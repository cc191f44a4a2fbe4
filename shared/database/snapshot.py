"""Reading fast: statements on the driver's own connection, each question inside one snapshot of the database."""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import aiosqlite
import asyncpg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Row = Sequence[Any]

_TROUBLE: Final = (
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    sqlalchemy.exc.SQLAlchemyError,
    OSError,
    TimeoutError,
)
_PARAMETER: Final = re.compile(r"\$(\d+)")
_JSON_ROWS: Final = re.compile(r"json_rows\((\$\d+)\)")


class DatabaseAway(Exception):
    """A read failed at the database, which may answer again later; the text says what was seen."""


class Statement:
    """A statement for both databases: parameters are `$1`, `$2` …, each used at least once.

    `json_rows($1)` opens a JSON list of lists as rows with one column `value`, read with `value ->> 0`: a list of
    any length in one parameter.
    """

    __slots__ = ("postgresql", "sqlite")

    def __init__(self, text: str) -> None:
        self.sqlite = _PARAMETER.sub(r"?\1", _JSON_ROWS.sub(r"json_each(\1)", text))
        self.postgresql = _JSON_ROWS.sub(r"json_array_elements(\1::json)", text)


class Snapshot(Protocol):
    """One state of the database: all that is read in it agrees."""

    async def rows(self, statement: Statement, *values: str | int) -> Sequence[Row]:
        """Return the rows of a statement."""
        ...


class Snapshots:
    """Hands out snapshots, on connections that it keeps; one that failed is thrown away.

    SQLAlchemy opens the connections, but nothing is read through it: that costs several times the statement.
    `last_read` is when a snapshot was last read to its end (monotonic seconds; None before the first).
    """

    def __init__(self, engine: AsyncEngine, *, size: int, patience_s: float) -> None:
        self.last_read: float | None = None
        self._engine = engine
        self._patience_s = patience_s
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Sqlite | _Postgres] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Snapshot]:
        """Open a snapshot, for reading alone.

        Raises:
            DatabaseAway: the database could not be reached, or did not answer within the patience.
        """
        try:
            async with asyncio.timeout(self._patience_s), self._free:
                connection = self._idle.pop() if self._idle else await self._connect()
                is_sound = False
                try:
                    await connection.begin()
                    try:
                        yield connection
                    except Exception as error:
                        is_sound = not isinstance(error, _TROUBLE)
                        raise
                    else:
                        is_sound = True
                finally:
                    await self._put_back(connection, is_sound=is_sound)
                self.last_read = time.monotonic()
        except _TROUBLE as error:
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connections, none of which is in use any more."""
        while self._idle:
            await self._idle.pop().discard()
        await self._engine.dispose()

    async def _connect(self) -> "_Sqlite | _Postgres":
        pooled = await self._engine.connect()
        driver = (await pooled.get_raw_connection()).driver_connection
        if isinstance(driver, aiosqlite.Connection):
            return _Sqlite(pooled, driver)
        return _Postgres(pooled, driver)

    async def _put_back(self, connection: "_Sqlite | _Postgres", *, is_sound: bool) -> None:
        if not is_sound:
            await connection.discard()
            return
        try:
            await connection.end()
        except BaseException:
            await connection.discard()
            raise
        self._idle.append(connection)


class _Sqlite:
    def __init__(self, pooled: AsyncConnection, driver: aiosqlite.Connection) -> None:
        self._pooled = pooled
        self._driver = driver

    async def begin(self) -> None:
        await self._driver.execute_fetchall("BEGIN")

    async def end(self) -> None:
        await self._driver.execute_fetchall("COMMIT")

    async def rows(self, statement: Statement, *values: str | int) -> Sequence[Row]:
        return list(await self._driver.execute_fetchall(statement.sqlite, values))

    async def discard(self) -> None:
        await self._driver.interrupt()  # else closing waits for the statement
        await _throw_away(self._pooled)


class _Postgres:
    def __init__(self, pooled: AsyncConnection, driver: Any) -> None:
        self._pooled = pooled
        self._driver = driver

    async def begin(self) -> None:
        await self._driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    async def end(self) -> None:
        await self._driver.execute("COMMIT")

    async def rows(self, statement: Statement, *values: str | int) -> Sequence[Row]:
        found: list[Row] = await self._driver.fetch(statement.postgresql, *values)
        return found

    async def discard(self) -> None:
        self._driver.terminate()  # a polite goodbye waits for a server that may be frozen
        await _throw_away(self._pooled)


async def _throw_away(pooled: AsyncConnection) -> None:
    with suppress(*_TROUBLE):
        await pooled.invalidate()
    with suppress(*_TROUBLE):
        await pooled.close()
