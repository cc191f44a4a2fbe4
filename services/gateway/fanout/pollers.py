"""Who is here by HTTP alone: a sign-in that long-polls is a session, and for some time after each poll."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from services.gateway.domain import Principal
from services.gateway.fanout.attendance import Attendance
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

POLLED_S: Final = 35.0
"""How long somebody is still there after the end of a poll: as long as two of them may be apart."""
MAX_POLLED: Final = 10_000
"""Sign-ins between two polls; the one whose last poll is the longest ago goes where there are more."""
SCAN_S: Final = 1.0


class Pollers:
    """The sign-ins that poll here; made by `running`. How many poll at the same time is bounded by the hub."""

    def __init__(self, attendance: Attendance, gateway_id: GatewayId, metrics: Metrics) -> None:
        self._attendance = attendance
        self._gateway_id = gateway_id
        self._polling: dict[SessionId, int] = {}
        self._polled: dict[SessionId, tuple[UserId, float]] = {}  # the next to go first
        metrics.bounded(
            "pollers",
            "Sign-ins that polled lately, and poll right now beside them.",
            limit=MAX_POLLED,
            now=lambda: len(self._polling) + len(self._polled),
            kind="cache",
        )
        self._gone_early = metrics.counter("pollers_gone_early", "Sign-ins taken for gone because too many poll.")

    @contextmanager
    def polling(self, who: Principal) -> Iterator[None]:
        """Let a user be there while it polls."""
        session_id = self._session(who.sign_in_id)
        self._polled.pop(session_id, None)
        self._polling[session_id] = self._polling.get(session_id, 0) + 1
        self._attendance.come(who.user_id, session_id, shows_last_seen=who.choices.last_seen)
        try:
            yield
        finally:
            self._polling[session_id] -= 1
            if not self._polling[session_id]:
                del self._polling[session_id]
                self._polled[session_id] = who.user_id, monotonic() + POLLED_S
                if len(self._polled) > MAX_POLLED:
                    self._gone_early.inc()
                    self._go(next(iter(self._polled)))

    def end_sign_ins(self, _user_id: UserId, sign_in_ids: Iterable[str]) -> None:
        """Let those go who signed out."""
        for session_id in map(self._session, sign_in_ids):
            if session_id in self._polled:
                self._go(session_id)

    async def tend(self) -> None:
        """Let those go who have not polled for long, until cancelled."""
        while True:
            await asyncio.sleep(SCAN_S)
            now_s = monotonic()
            while self._polled:
                session_id, (_, until_s) = next(iter(self._polled.items()))
                if until_s > now_s:
                    break
                self._go(session_id)

    def _session(self, sign_in_id: str) -> SessionId:
        """Name a session after its sign-in, and after the gateway: the same sign-in may poll at others too."""
        return SessionId(f"{self._gateway_id}-{sign_in_id}")

    def _go(self, session_id: SessionId) -> None:
        user_id, _ = self._polled.pop(session_id)
        self._attendance.go(user_id, session_id)


@asynccontextmanager
async def running(attendance: Attendance, gateway_id: GatewayId, metrics: Metrics) -> AsyncIterator[Pollers]:
    """Look after the pollers until the block ends."""
    pollers = Pollers(attendance, gateway_id, metrics)
    async with beside(pollers.tend()):
        yield pollers
