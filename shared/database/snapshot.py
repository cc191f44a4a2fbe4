"""Reading fast: all that a question needs is read in one snapshot, on the driver's own connection."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar, cast

import asyncpg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from shared.database.engine import KEY_LOOKUPS, is_sqlite, open_engine, open_sync_sqlite

T = TypeVar("T")

Row = Sequence[Any]
Asked = tuple["Statement", tuple[str | int, ...]]
Read = Generator[Asked, Sequence[Row], T]
"""A reading: it yields statements, is sent their rows, and returns what it made of them.

So the same reading runs in one go in SQLite's thread, and awaits each answer of PostgreSQL.
"""

_TROUBLE: Final = (
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that was killed while it had nothing to do
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
    any length in one parameter. `sqlite` is given where SQLite needs other words.
    """

    __slots__ = ("postgresql", "sqlite")

    def __init__(self, text: str, *, sqlite: str | None = None) -> None:
        self.sqlite = _PARAMETER.sub(r"?\1", _JSON_ROWS.sub(r"json_each(\1)", sqlite or text))
        self.postgresql = _JSON_ROWS.sub(r"json_array_elements(\1::json)", text)

    def rows(self, *values: str | int) -> Read[Sequence[Row]]:
        """Read the rows: `rows = yield from statement.rows(…)`."""
        return (yield self, values)


class Snapshots:
    """Reads in snapshots, on a few connections that it keeps; one that failed is thrown away.

    SQLAlchemy opens the connections, but nothing is read through it: that costs several times the statement.
    `last_read` is when a reading last came to its end (monotonic seconds; None before the first).
    """

    def __init__(self, url: str, *, size: int, patience_s: float) -> None:
        self.last_read: float | None = None
        self.in_use = 0
        """How many connections are reading right now."""
        self._patience_s = patience_s
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Connection] = []
        self._source: _Source = _SqliteFile(url) if is_sqlite(url) else _PostgresPool(url, size)

    async def read(self, reading: Read[T]) -> T:
        """Carry out a reading in one snapshot; what it raises itself comes through.

        Raises:
            DatabaseAway: the database could not be reached, or did not answer within the patience.
        """
        try:
            async with asyncio.timeout(self._patience_s), self._free:
                self.in_use += 1
                try:
                    found = await self._read(reading)
                finally:
                    self.in_use -= 1
        except _TROUBLE as error:
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error
        self.last_read = time.monotonic()
        return found

    async def _read(self, reading: Read[T]) -> T:
        connection = self._idle.pop() if self._idle else await self._source.connect()
        try:
            found = await connection.read(reading)
        except (*_TROUBLE, asyncio.CancelledError):
            await connection.discard()
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return found

    async def close(self) -> None:
        """Close the connections, none of which is in use any more."""
        while self._idle:
            await self._idle.pop().discard()
        await self._source.close()


class _Connection(Protocol):
    async def read(self, reading: Read[T]) -> T:
        """Carry out a reading, and leave the connection outside of a transaction."""
        ...

    async def discard(self) -> None:
        """Close it, whatever it is doing."""
        ...


class _Source(Protocol):
    async def connect(self) -> _Connection: ...

    async def close(self) -> None: ...


class _SqliteFile:
    def __init__(self, url: str) -> None:
        self._url = url

    async def connect(self) -> _Connection:
        return _Sqlite(self._url)

    async def close(self) -> None:
        """Leave the file alone: the connections were all that was open."""


class _Sqlite:
    """A connection with a thread of its own, in which a reading runs as one function: a way there and back is dear."""

    def __init__(self, url: str) -> None:
        self._engine = open_sync_sqlite(url)
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._pooled: PoolProxiedConnection | None = None
        self._is_given_up = False

    async def read(self, reading: Read[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, reading)

    async def discard(self) -> None:
        self._is_given_up = True
        if self._pooled is not None:
            cast("sqlite3.Connection", self._pooled.driver_connection).interrupt()
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _read(self, reading: Read[T]) -> T:
        if self._pooled is None:
            self._pooled = self._engine.raw_connection()
        driver = cast("sqlite3.Connection", self._pooled.driver_connection)
        driver.execute("BEGIN")
        try:
            statement, values = next(reading)
            while not self._is_given_up:
                statement, values = reading.send(driver.execute(statement.sqlite, values).fetchall())
        except StopIteration as done:
            found: T = done.value
            return found
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
        raise TimeoutError

    def _close(self) -> None:
        if self._pooled is not None:
            self._pooled.invalidate()
        self._engine.dispose()


class _PostgresPool:
    def __init__(self, url: str, size: int) -> None:
        self._engine = open_engine(url, "reader", pool_size=size, planner=KEY_LOOKUPS)

    async def connect(self) -> _Connection:
        pooled = await self._engine.connect()
        return _Postgres(pooled, (await pooled.get_raw_connection()).driver_connection)

    async def close(self) -> None:
        await self._engine.dispose()


class _Postgres:
    def __init__(self, pooled: AsyncConnection, driver: Any) -> None:
        self._pooled = pooled
        self._driver = driver

    async def read(self, reading: Read[T]) -> T:
        await self._driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        try:
            statement, values = next(reading)
            while True:
                statement, values = reading.send(await self._driver.fetch(statement.postgresql, *values))
        except StopIteration as done:
            found: T = done.value
        except (*_TROUBLE, asyncio.CancelledError):
            raise  # nothing more is asked of it: a server that is frozen would not answer
        except BaseException:
            await self._driver.execute("ROLLBACK")
            raise
        await self._driver.execute("ROLLBACK")
        return found

    async def discard(self) -> None:
        self._driver.terminate()  # a polite goodbye waits for a server that may be frozen
        with suppress(*_TROUBLE):
            await self._pooled.invalidate()
        with suppress(*_TROUBLE):
            await self._pooled.close()
