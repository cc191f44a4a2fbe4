"""What all sockets of a gateway share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.gateway.commands.commands import Commands
from services.gateway.commands.typing import TTL_S, Typing
from services.gateway.domain import Principal, Rate
from services.gateway.fanout.hub import Hub
from services.gateway.fanout.presence import Presence
from services.gateway.protocol.closing import Closing
from services.gateway.protocol.outbound import HEARTBEAT_MS, Me, Welcome, encode
from services.gateway.settings import Settings
from services.gateway.ws.history import History
from shared.contracts.frames import rfc3339
from shared.contracts.ids import SessionId
from shared.runtime.clock import now_ms


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a socket waits for a hello, between heartbeats, for a sign of life, and for the store; in seconds.

    `typing_s`: how long somebody types who says so once.
    """

    hello_s: float = 10.0
    heartbeat_s: float = HEARTBEAT_MS / 1000
    life_s: float = 10.0
    store_s: float = 20.0
    typing_s: float = TTL_S


PATIENCE: Final = Patience()
"""What the protocol says."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts that a session works with. A rate is None where rates are not limited."""

    hub: Hub
    commands: Commands
    typing: Typing
    presence: Presence
    history: History
    limits: Mapping[str, int | float]
    frame_bytes: int
    frame_rate: Rate | None
    receipt_rate: Rate | None
    patience: Patience
    on_closed: Callable[[Closing], None]

    def welcome(self, session_id: SessionId, who: Principal, epoch: str) -> bytes:
        """Write a session's welcome."""
        me = Me(who.user_id, who.username, who.display_name)
        heartbeat_ms = int(self.patience.heartbeat_s * 1000)
        return encode(Welcome(session_id, me, epoch, heartbeat_ms, self.limits, rfc3339(now_ms())))


def surroundings(
    settings: Settings,
    hub: Hub,
    commands: Commands,
    typing: Typing,
    presence: Presence,
    history: History,
    *,
    patience: Patience,
    on_closed: Callable[[Closing], None],
) -> Surroundings:
    """Gather what sessions need."""
    frames = Rate(settings.limit_frames_per_s, settings.limit_frames_burst)
    receipts = Rate(settings.limit_receipts_per_s, max(1.0, settings.limit_receipts_per_s))
    return Surroundings(
        hub=hub,
        commands=commands,
        typing=typing,
        presence=presence,
        history=history,
        limits=settings.limits(),
        frame_bytes=settings.limit_frame_bytes,
        frame_rate=frames if settings.rate_limits else None,
        receipt_rate=receipts if settings.rate_limits else None,
        patience=patience,
        on_closed=on_closed,
    )
