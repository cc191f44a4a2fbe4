"""One user as presence holds one in memory, and what comes of what happens to it."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.presence.domain.sight import Kept
from shared.contracts.ids import GatewayId, SessionId
from shared.contracts.presence import PresenceState


class Session(NamedTuple):
    """A session, whether it is there or waits for its gateway."""

    gateway_id: GatewayId
    shows_last_seen: bool
    seq: int


@dataclass(slots=True)
class Person:
    """A user who is there, has just left, or is about to choose something.

    `kept` is None until it was read; `saved` is what was read or handed out to be kept. `left_ms` is not 0 from the
    moment the last session ended until that is accounted for. `shows` is what a new session said before `kept` was
    read. `choices` under way need it to stay.
    """

    sessions: dict[SessionId, Session] = field(default_factory=dict)
    kept: Kept | None = None
    saved: Kept | None = None
    told: PresenceState | None = None
    is_there: bool = False
    left_ms: int = 0
    shows: bool | None = None
    choices: int = 0


class Settled(NamedTuple):
    """What became of a user: what is to be told, and what is to be kept, each None where it is as it was."""

    tell: PresenceState | None = None
    keep: Kept | None = None


NOTHING: Final = Settled()
