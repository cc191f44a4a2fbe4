"""Tells delivery who has come: what was parked for them waits again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.ids import UserId
from shared.contracts.retries import HellosSaid
from shared.contracts.subjects import HELLOS_SAID
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

GATHER_S: Final = 0.2
"""How long hellos are gathered before they are told together."""
MAX_WAITING: Final = 10_000
MAX_TOLD: Final = 1_000
"""Users in one message."""
POLLING_S: Final = 35.0
"""After so long without a poll, the next one is a first one again."""
MAX_POLLING: Final = 10_000

_log = logs.get(__name__)
_encode = msgspec.json.Encoder().encode


class Hellos:
    """Made by `running`. What can't be told is dropped: delivery's own sweep finds it later."""

    def __init__(self, connection: Connection, metrics: Metrics) -> None:
        self._connection = connection
        self._waiting: dict[UserId, None] = {}
        self._polling: dict[UserId, float] = {}
        self._is_waiting = asyncio.Event()
        metrics.bounded(
            "hellos_waiting",
            "Users of whose hello delivery is about to be told.",
            limit=MAX_WAITING,
            now=lambda: len(self._waiting),
        )
        metrics.bounded(
            "hellos_polling",
            "Users whose last poll was not long ago.",
            limit=MAX_POLLING,
            now=lambda: len(self._polling),
            kind="cache",
        )
        self._untold = metrics.counter(
            "hellos_untold", "Hellos that delivery was not told of: too many waited, or the broker was away."
        )

    def say(self, user_id: UserId) -> None:
        """Have delivery told that a user said hello."""
        if len(self._waiting) >= MAX_WAITING and user_id not in self._waiting:
            self._untold.inc()
            return
        self._waiting[user_id] = None
        self._is_waiting.set()

    def polled(self, user_id: UserId) -> None:
        """Note a poll; the first one for some time counts as a hello."""
        now_s = monotonic()
        if self._polling.pop(user_id, 0.0) < now_s:
            self.say(user_id)
        self._polling[user_id] = now_s + POLLING_S
        oldest, until_s = next(iter(self._polling.items()))
        if until_s < now_s or len(self._polling) > MAX_POLLING:
            del self._polling[oldest]

    async def tell(self) -> None:
        """Tell delivery of what was gathered, again and again, until cancelled."""
        while True:
            await self._is_waiting.wait()
            await asyncio.sleep(GATHER_S)
            self._is_waiting.clear()
            said, self._waiting = list(self._waiting), {}
            for start in range(0, len(said), MAX_TOLD):
                await self._tell(said[start : start + MAX_TOLD])

    async def _tell(self, said: list[UserId]) -> None:
        try:
            await self._connection.publish(HELLOS_SAID, _encode(HellosSaid(said)))
        except BROKER_ERRORS as error:
            self._untold.inc(len(said))
            _log.info("hellos_not_told", users=len(said), error=repr(error))


@asynccontextmanager
async def running(connection: Connection, metrics: Metrics) -> AsyncIterator[Hellos]:
    """Tell delivery until the block ends."""
    hellos = Hellos(connection, metrics)
    async with beside(hellos.tell()):
        yield hellos
