"""The broker, for the length of one command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.cli.output import Refused
from shared.broker.connection import Connection

_CONNECT_S = 5.0


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect, and hang up at the end.

    Raises:
        Refused: there is no broker at this address.
    """
    connection = Connection(url, "parley-cli")
    try:
        async with asyncio.timeout(_CONNECT_S):
            await connection.open()
    except TimeoutError as error:
        raise Refused(f"the broker at {url} does not answer: is the system up? Else set PARLEY_NATS_URL") from error
    try:
        yield connection
    finally:
        await connection.close()
