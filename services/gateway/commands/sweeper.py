"""What is late: told of after 2 s, looked for in the store after 5 s; one scan for all, no timer per message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.gateway.commands.inflight import InFlight
from services.gateway.commands.pending import Sending
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import subjects
from shared.contracts.errors import Refusal
from shared.contracts.queries import FindOutcomes, Outcomes
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.tasks import beside

SCAN_S: Final = 0.25
OUTCOMES_AT_ONCE: Final = 500

_log = logs.get(__name__)


class Sweeper:
    """Looks through what is in flight.

    Answers may be lost when the broker was away, or when too many came at once on their subject (`answers`): then
    all that is durable is looked for at once.
    """

    def __init__(self, connection: Connection, in_flight: InFlight, answers: str) -> None:
        self._connection = connection
        self._in_flight = in_flight
        self._answers = answers
        self._was_deaf = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep until the block ends."""
        self._connection.on_reconnect.append(self._on_reconnect)
        self._connection.on_dropped.append(self._on_dropped)
        try:
            async with beside(self._sweep()):
                yield
        finally:
            self._connection.on_reconnect.remove(self._on_reconnect)
            self._connection.on_dropped.remove(self._on_dropped)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SCAN_S)
            try:
                everything, self._was_deaf = self._was_deaf, False
                self._in_flight.tell_queued(monotonic())
                await self._ask_for(self._in_flight.take_overdue(monotonic(), everything=everything))
            except Exception:  # noqa: BLE001 - top of a task: the next scan goes on
                _log.exception("sweep_failed")

    async def _ask_for(self, overdue: list[Sending]) -> None:
        for start in range(0, len(overdue), OUTCOMES_AT_ONCE):
            asked = overdue[start : start + OUTCOMES_AT_ONCE]
            question = FindOutcomes(list({sending.message_id for sending in asked}))
            try:
                outcomes = await ask(self._connection, subjects.OUTCOMES, question, Outcomes)
            except Refusal as refusal:
                _log.warning("outcomes_not_known", waiting=len(overdue), reason=refusal.detail)
                return  # they are asked for again in 5 s
            found = {outcome.message_id: outcome for outcome in outcomes.found}
            for sending in asked:
                if sending.message_id in found:
                    self._in_flight.on_outcome(sending, found[sending.message_id])

    def _on_reconnect(self) -> None:
        self._was_deaf = True

    def _on_dropped(self, subject: str) -> None:
        if subject == self._answers:
            self._was_deaf = True
