"""The broker, for the length of one command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.cli.output import Refused
from deploy.local.settings import Settings
from shared.broker.connection import Connection

_CONNECT_S = 5.0


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """Connect, and hang up at the end.

    Raises:
        Refused: there is no broker at this address.
    """
    connection = Connection(settings.operator, "parley-cli")
    try:
        async with asyncio.timeout(_CONNECT_S):
            await connection.open()
    except TimeoutError as error:
        raise Refused(
            f"the broker at {settings.broker} does not let us in: is the system up? Else set PARLEY_NATS_URL, and "
            "PARLEY_NATS_NKEY_FILE where it wants a key; `parley doctor` says more"
        ) from error
    try:
        yield connection
    finally:
        await connection.close()
