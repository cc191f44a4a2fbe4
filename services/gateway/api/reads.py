"""Questions to history, with the age of the last one that was answered."""

from typing import Any, TypeVar

from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts.errors import Refusal
from shared.contracts.queries import FindOutcomes, Outcomes
from shared.contracts.subjects import OUTCOMES, Query
from shared.runtime import clock
from shared.runtime.health import Unhealthy

P = TypeVar("P")
R = TypeVar("R")

FRESH_S = 5.0
"""A read this young proves that reading works; for an older one the probe asks by itself."""


class Reads:
    """Asks history over the broker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answered_at_s: float | None = None

    async def ask(self, query: Query[P, Any], question: P, reply: type[R], timeout_s: float = 5.0) -> R:
        """Ask; `reply` says how to read the answer.

        Raises:
            Refusal: history's own, or `unavailable`.
        """
        answer = await ask(self._connection, query, question, reply, timeout_s)
        self._answered_at_s = clock.monotonic()
        return answer

    async def probe(self) -> str:
        """Tell how long ago a read succeeded, trying one where that is long.

        Raises:
            Unhealthy: none succeeds.
        """
        if self._age_s() > FRESH_S:
            try:
                await self.ask(OUTCOMES, FindOutcomes([]), Outcomes, 1.5)
            except Refusal as refusal:
                age_s = self._age_s()
                last = "none succeeded yet" if age_s == float("inf") else f"the last success was {age_s:.0f} s ago"
                raise Unhealthy(f"{refusal.detail} ({last})") from refusal
        return f"last successful read {self._age_s():.1f} s ago"

    def _age_s(self) -> float:
        return float("inf") if self._answered_at_s is None else clock.monotonic() - self._answered_at_s
