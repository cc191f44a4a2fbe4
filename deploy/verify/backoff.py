"""When a client tries again, by the page: random waits that grow, reset by a stable connection."""

import random
from datetime import timedelta

LONGEST = timedelta(seconds=30)
STABLE = timedelta(seconds=10)
TRIES_BEFORE_HTTP = 3


class Backoff:
    """The reconnect state of one client."""

    def __init__(self, dice: random.Random) -> None:
        """Begin with no failure behind us."""
        self._dice = dice
        self._n = 0
        self.failed_tries = 0

    @property
    def uses_http(self) -> bool:
        """Whether messages go by HTTP for now."""
        return self.failed_tries >= TRIES_BEFORE_HTTP

    def caught_up(self) -> None:
        """Take note of a connection that works."""
        self.failed_tries = 0

    def ended(self, after: timedelta | None) -> None:
        """Take note of the end of a connection that worked for `after`, or of a failed try."""
        if after is None:
            self.failed_tries += 1
        elif after >= STABLE:
            self._n = 0

    def wait(self, at_least: timedelta = timedelta(0)) -> timedelta:
        """Return how long to wait before the next try; a goodbye's `after_ms` comes before it."""
        longest = min(LONGEST, timedelta(seconds=2**self._n))
        self._n += 1
        return at_least + self._dice.random() * longest
