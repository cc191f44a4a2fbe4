"""Runs all checks at once, each for a bounded time: one that breaks or hangs costs its own row and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from deploy.cli.doctor.findings import Finding, fail
from shared.broker.connection import BROKER_ERRORS

TIMEOUT_S: Final = 7.0
"""After so long an examination is over, whatever is still being looked at."""

T = TypeVar("T")
Check = Callable[[], Awaitable[list[Finding]]]


class Shared(Generic[T]):
    """What several checks need and one of them has made; `async with` it, so that it ends with them."""

    def __init__(self, make: Callable[[], Awaitable[T]], leave: Callable[[T], Awaitable[None]] | None = None) -> None:
        self._make = make
        self._leave = leave
        self._making: asyncio.Future[T] | None = None

    async def __aenter__(self) -> Self:
        """Begin; nothing is made before it is asked for."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Give up what is still being made, leave what was made."""
        if self._making is None:
            return
        self._making.cancel()
        await asyncio.wait([self._making])
        if self._leave is not None and not self._making.cancelled() and self._making.exception() is None:
            await self._leave(self._making.result())

    async def get(self) -> T:
        """Return it, made at the first call; a caller who gives up takes it from nobody else.

        Raises:
            What making it raises.
        """
        if self._making is None:
            self._making = asyncio.ensure_future(self._make())
        return await asyncio.shield(self._making)


async def examine(checks: Mapping[str, Check], timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Run the checks; their findings come in the order of the checks."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_run(name, check, timeout_s)) for name, check in checks.items()]
    return [finding for task in running for finding in task.result()]


async def _run(name: str, check: Check, timeout_s: float) -> list[Finding]:
    try:
        async with asyncio.timeout(timeout_s) as patience:
            return await check()
    except Exception as error:  # noqa: BLE001 - top of a task; its decision is a row
        if isinstance(error, TimeoutError) and patience.expired():
            return [
                fail(name, f"no answer within {timeout_s:g} s", "look whether what it asks hangs, then run it again")
            ]
        if isinstance(error, (*BROKER_ERRORS, SQLAlchemyError)):
            return [fail(name, f"could not be looked at: {_said(error)}", "the rows of broker and database say why")]
        return [fail(name, f"could not be looked at: {_said(error)}", "a fault of the doctor: please report this line")]


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
