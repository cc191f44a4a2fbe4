"""Waiting for the broker and the database: what is begun is brought to its end, however long they are away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

import structlog

from services.delivery.store import STORE_ERRORS
from shared.broker.connection import BROKER_ERRORS
from shared.runtime.logs import brief

T = TypeVar("T")

AWAY: Final = (*BROKER_ERRORS, *STORE_ERRORS)
PER_S: Final = 500
"""How many entries are moved a second at most: live messages have the database and the broker to themselves else."""
AT_ONCE: Final = 100
"""How many entries are moved in one transaction."""
MAX_PAUSE_S: Final = 2.0

log = structlog.get_logger("retries")


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do something that may be done twice, again and again until neither broker nor database is in the way."""
    pause = 0.1
    while True:
        try:
            return await work()
        except AWAY as error:
            reason = brief(error)
            (log.warning if pause < MAX_PAUSE_S else log.debug)("retries_wait", reason=reason)
        await asyncio.sleep(pause)
        pause = min(MAX_PAUSE_S, pause * 2)


def slices(values: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Cut what may be long into what fits into one transaction."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
