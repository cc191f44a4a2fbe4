"""What must be there before a service starts: the schema in the database, the streams in the broker."""

import asyncio

from shared.broker.access import Access
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import StreamSettings, provision
from shared.database.migrate import upgrade
from shared.runtime import clock

_TRY_EVERY_S = 0.1


class NotPrepared(Exception):
    """The database or the broker could not be brought up to date; the text says what was seen."""


async def prepare_database(url: str, timeout_s: float) -> None:
    """Bring the schema up to date, waiting for a server that is still coming up; safe at every start.

    Raises:
        NotPrepared: no connection within `timeout_s`, or the database refused a change.
    """
    deadline = clock.monotonic() + timeout_s
    while True:
        try:
            return await asyncio.to_thread(upgrade, url)
        except OSError as error:
            if clock.monotonic() > deadline:
                raise NotPrepared(f"the database can't be reached after {timeout_s:.0f} s: {error}") from error
        except Exception as error:
            raise NotPrepared(f"the database can't be brought up to date: {error!r}") from error
        await asyncio.sleep(_TRY_EVERY_S)


async def prepare_broker(way: Access, streams: StreamSettings, timeout_s: float) -> None:
    """Create or update the streams, waiting for a broker that is still coming up.

    Raises:
        NotPrepared: it did not answer well within `timeout_s`.
    """
    deadline = clock.monotonic() + timeout_s
    problem: Exception | None = None
    while (left := deadline - clock.monotonic()) > 0:
        try:
            async with asyncio.timeout(left):
                await _provision(way, streams)
        except BROKER_ERRORS as error:
            problem = error
            await asyncio.sleep(_TRY_EVERY_S)
        else:
            return
    raise NotPrepared(f"the broker at {' '.join(way.servers)} is not ready after {timeout_s:.0f} s: {problem!r}")


async def _provision(way: Access, streams: StreamSettings) -> None:
    connection = Connection(way, "provisioner")
    await connection.open()
    try:
        await provision(connection, streams)
    finally:
        await connection.close()
