"""The waits inside nats-py, so that whoever is cancelled meanwhile is cancelled.

nats-py 2.16 waits with `asyncio.wait_for`. Before Python 3.12 that swallows a cancellation that comes together with
what is waited for, be it an answer or a refused connection: a task that was told to end then goes on for ever, and so
does whoever waits for its end.
"""

import asyncio
import sys
from collections.abc import Awaitable
from types import ModuleType
from typing import TypeVar

from nats.aio import client, subscription, transport

T = TypeVar("T")


def mend() -> None:
    """Have nats-py wait as it does from Python 3.12 on; nothing else sees a change."""
    if sys.version_info >= (3, 12):
        return
    mended = ModuleType("asyncio")
    mended.__dict__.update(vars(asyncio), wait_for=_wait_for)
    for module in (client, subscription, transport):
        vars(module)["asyncio"] = mended


async def _wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - as nats-py calls it
    async with asyncio.timeout(timeout):
        return await awaitable
