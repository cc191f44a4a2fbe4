"""Who is there: what gateways tell presence, and what presence tells gateways; JSON throughout.

Gateways keep one key per session in the bucket `presence` (`session_key`), without an end of its own, and one key of
their own (`gateway_key`) that lives for `GATEWAY_LIFE_S` and is put again every `GATEWAY_REFRESH_S`: a session is
there as long as its key and its gateway's are. Everything put there is republished on `PRESENCE_EVENTS`, the end of
a key too. Presence merges sessions into users, and says what changed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shared.contracts.ids import GatewayId, SessionId, UserId

ChosenStatus = Literal["online", "away", "dnd", "invisible"]
Status = Literal["online", "away", "dnd", "offline"]

GATEWAY_REFRESH_S: Final = 10
GATEWAY_LIFE_S: Final = 30
MAX_ASKED: Final = 500
"""How many users may be asked about at once."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The value of a session's key: the gateway it lives by. `shows_last_seen`: whether others may see when."""

    gateway_id: GatewayId
    shows_last_seen: bool = True


@dataclass(frozen=True, slots=True)
class PresenceState:
    """A user as others see it: who is invisible is offline. `last_seen_ms` (Unix): only offline, where it is shown."""

    user_id: UserId
    status: Status
    last_seen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PresenceReset:
    """Another replica took over, or lost its memory and has it again: whoever watches asks anew for all it watches."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class GetPresence:
    """Ask how users are, at most `MAX_ASKED`; presence does not ask who may know."""

    user_ids: list[UserId]


@dataclass(frozen=True, slots=True)
class PresenceStates:
    """One state for each that was asked for, in that order; unknown users are offline."""

    states: list[PresenceState]


@dataclass(frozen=True, slots=True)
class SetPresence:
    """Choose a status, for all devices and until another is chosen, or whether `last_seen` is shown; None: as it is."""

    user_id: UserId
    status: ChosenStatus | None = None
    shows_last_seen: bool | None = None


@dataclass(frozen=True, slots=True)
class PresenceSet:
    """It is kept: what the user has chosen now, and what others see."""

    chosen: ChosenStatus
    state: PresenceState


def session_key(user: UserId, session: SessionId) -> str:
    """Name the key of a session in the bucket."""
    return f"s.{user}.{session}"


def gateway_key(gateway: GatewayId) -> str:
    """Name a gateway's own key in the bucket."""
    return f"g.{gateway}"
