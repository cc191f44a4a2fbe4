"""The lives of connections: what was sent in an earlier one is not heard any more once a later one was.

A node that is frozen keeps what was sent to it. When it thaws it passes that on, though whoever sent it has long gone
to another node and said newer things there.
"""

import secrets
from typing import Final

HEADER: Final = "Parley-Life"
MAX_KEPT: Final = 10_000
"""Connections whose life is remembered; the one that was heard of least lately goes."""


class Life:
    """The present life of a connection; `stamp` is what it puts on all that it sends."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(8)
        self._number = 0
        self.stamp = self._written()

    def end(self) -> None:
        """Begin the next one."""
        self._number += 1
        self.stamp = self._written()

    def _written(self) -> str:
        return f"{self._name} {self._number}"


class Lives:
    """What one listener has heard of others' lives."""

    def __init__(self) -> None:
        self._latest: dict[str, int] = {}

    def is_over(self, stamp: str) -> bool:
        """Tell whether a later life was heard of than the one that this came from."""
        name, _, written = stamp.partition(" ")
        if not written.isdecimal():
            return False
        number, latest = int(written), self._latest.pop(name, 0)
        self._latest[name] = max(number, latest)
        while len(self._latest) > MAX_KEPT:
            del self._latest[next(iter(self._latest))]
        return number < latest
