"""Why a socket is closed: each reason a named value, with its close code and whether to come back."""

from typing import Final, NamedTuple

from msgspec import Struct

from services.gateway.protocol.outbound import encode


class Closing(NamedTuple):
    """One reason: the WebSocket close code, the goodbye's `code`, a sentence, and whether the client may reconnect."""

    close_code: int
    code: str
    reason: str
    may_reconnect: bool


GOING_AWAY: Final = Closing(1001, "going_away", "This server stops; another one takes over.", may_reconnect=True)
UNAVAILABLE: Final = Closing(1011, "unavailable", "The store can't be read right now.", may_reconnect=True)
INTERNAL: Final = Closing(1011, "internal", "Something went wrong on our side.", may_reconnect=True)
PROTOCOL_ERRORS: Final = Closing(4400, "invalid", "Three protocol errors within a minute.", may_reconnect=False)
UNAUTHENTICATED: Final = Closing(4401, "unauthenticated", "Not signed in.", may_reconnect=False)
NO_HELLO: Final = Closing(4401, "unauthenticated", "No hello within 10 seconds.", may_reconnect=False)
SIGNED_OUT: Final = Closing(4401, "unauthenticated", "This sign-in has ended.", may_reconnect=False)
NO_LIFE: Final = Closing(4408, "no_heartbeat", "No sign of life.", may_reconnect=True)
DEVICE_TAKEN: Final = Closing(4409, "device_taken", "This device connected again elsewhere.", may_reconnect=False)
TOO_SLOW: Final = Closing(4410, "slow", "Too many frames wait to be read.", may_reconnect=True)
TOO_LARGE: Final = Closing(4413, "too_large", "A frame was too large.", may_reconnect=False)
WRONG_VERSION: Final = Closing(4426, "unsupported", "This version is not supported; 1 is.", may_reconnect=False)
TOO_MANY_FRAMES: Final = Closing(4429, "rate_limited", "Over three times the frame rate.", may_reconnect=True)
TOO_MANY_SOCKETS: Final = Closing(4429, "too_many_sockets", "Too many sockets of this user.", may_reconnect=True)


class Goodbye(Struct, frozen=True, tag_field="type", tag="goodbye"):
    """The last frame of a socket that the server closes."""

    code: str
    reason: str
    reconnect: bool
    after_ms: int


def goodbye(closing: Closing, after_ms: int = 0) -> bytes:
    """Write the last frame."""
    return encode(Goodbye(closing.code, closing.reason, closing.may_reconnect, after_ms))
