"""What must be there before a service starts: the schema in the database, the streams in the broker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.broker.access import Access
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import Difference, StreamSettings, differences, provision
from shared.database import schema
from shared.database.migrate import upgrade
from shared.database.schema import SchemaState, SchemaUnfit
from shared.runtime import clock

T = TypeVar("T")

_TRY_EVERY_S = 0.1


class NotPrepared(Exception):
    """The database or the broker could not be brought up to date; the text says what was seen."""


async def prepare_database(url: str, timeout_s: float) -> None:
    """Bring the schema up to date, waiting for a server that is still coming up; safe at every start.

    Raises:
        NotPrepared: no connection within `timeout_s`, or the database refused a change.
    """
    await _with_database(lambda: asyncio.to_thread(upgrade, url), timeout_s, "brought up to date")


async def look_at_database(url: str, timeout_s: float) -> SchemaState:
    """Look at the schema, waiting for a server that is still coming up; changes nothing, makes no file.

    Raises:
        NotPrepared: no connection within `timeout_s`, or the database refused to be read.
    """
    return await _with_database(lambda: schema.look(url), timeout_s, "read")


async def _with_database(work: Callable[[], Awaitable[T]], timeout_s: float, what: str) -> T:
    deadline = clock.monotonic() + timeout_s
    while True:
        try:
            return await work()
        except SchemaUnfit as error:
            raise NotPrepared(str(error)) from error
        except OSError as error:
            if clock.monotonic() > deadline:
                raise NotPrepared(f"the database can't be reached after {timeout_s:.0f} s: {error}") from error
        except Exception as error:
            raise NotPrepared(f"the database can't be {what}: {error!r}") from error
        await asyncio.sleep(_TRY_EVERY_S)


async def prepare_broker(way: Access, streams: StreamSettings, timeout_s: float) -> None:
    """Create or update the streams, waiting for a broker that is still coming up.

    Raises:
        NotPrepared: it did not answer well within `timeout_s`.
    """
    await _with_broker(way, lambda connection: provision(connection, streams), timeout_s)


async def look_at_broker(way: Access, streams: StreamSettings, timeout_s: float) -> list[Difference]:
    """Tell how the streams differ from what is wanted, waiting for a broker that is still coming up.

    Raises:
        NotPrepared: it did not answer well within `timeout_s`.
    """
    return await _with_broker(way, lambda connection: differences(connection, streams), timeout_s)


async def _with_broker(way: Access, work: Callable[[Connection], Awaitable[T]], timeout_s: float) -> T:
    deadline = clock.monotonic() + timeout_s
    problem = ""
    while (left := deadline - clock.monotonic()) > 0:
        connection = Connection(way, "provisioner")
        try:
            async with asyncio.timeout(left):
                return await _connected(connection, work)
        except BROKER_ERRORS as error:
            problem = connection.trouble or repr(error)
            await asyncio.sleep(_TRY_EVERY_S)
    raise NotPrepared(f"the broker at {' '.join(way.servers)} is not ready after {timeout_s:.0f} s: {problem}")


async def _connected(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    await connection.open()
    try:
        return await work(connection)
    finally:
        await connection.close()
