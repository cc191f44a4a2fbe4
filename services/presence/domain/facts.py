"""What the bucket says, one fact a key: a session or a gateway is there, or has ended."""

from dataclasses import dataclass
from typing import TypeAlias

from shared.contracts.ids import GatewayId, SessionId, UserId


@dataclass(frozen=True, slots=True)
class SessionPut:
    """A session is there as long as its gateway is; `seq` names this putting of it."""

    user_id: UserId
    session_id: SessionId
    gateway_id: GatewayId
    shows_last_seen: bool
    seq: int


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session ended at `at_ms` (Unix)."""

    user_id: UserId
    session_id: SessionId
    at_ms: int


@dataclass(frozen=True, slots=True)
class GatewayPut:
    """A gateway is there."""

    gateway_id: GatewayId


@dataclass(frozen=True, slots=True)
class GatewayEnded:
    """A gateway ended, and with it its sessions, at `at_ms` (Unix): it said so, or was not heard of for too long."""

    gateway_id: GatewayId
    at_ms: int


Fact: TypeAlias = SessionPut | SessionEnded | GatewayPut | GatewayEnded
SessionKey: TypeAlias = tuple[UserId, SessionId]
