"""Signs of life: after a silence the client is pinged, and given up when that changes nothing."""

import random
from enum import Enum


class Sign(Enum):
    """What a look at a client's silence says."""

    FINE = "fine"
    PING = "ping"
    DEAD = "dead"


class Life:
    """One client's silence. A frame only sets a flag: the clock is read once a second, for all sockets together."""

    __slots__ = ("_dead_after_s", "_is_heard", "_ping_after_s", "_pinged_s", "_silent_from_s")

    def __init__(self, heartbeat_s: float, dead_after_s: float, now_s: float) -> None:
        self._is_heard = False
        self._silent_from_s = now_s
        self._pinged_s = 0.0
        self._dead_after_s = dead_after_s
        # a look comes up to a second late on both ends: so it stays within 10 % of the heartbeat
        self._ping_after_s = heartbeat_s * random.uniform(0.9, 1.0)  # noqa: S311 - no secret

    def hear(self) -> None:
        """Note that a frame came."""
        self._is_heard = True

    def look(self, now_s: float) -> Sign:
        """Tell what is to be done now."""
        if self._is_heard:
            self._is_heard = False
            self._silent_from_s, self._pinged_s = now_s, 0.0
            return Sign.FINE
        if self._pinged_s:
            return Sign.DEAD if now_s - self._pinged_s >= self._dead_after_s else Sign.FINE
        if now_s - self._silent_from_s >= self._ping_after_s:
            self._pinged_s = now_s
            return Sign.PING
        return Sign.FINE
