"""Somebody who watches others, and what it was told of each."""

from collections.abc import Callable
from typing import Final, NamedTuple

from shared.contracts.ids import UserId, Username
from shared.contracts.presence import Status


class Shown(NamedTuple):
    """How a user is, as somebody else is told; `last_seen_ms` in Unix milliseconds, only where it may be seen."""

    status: Status
    last_seen_ms: int | None = None


OFFLINE: Final = Shown("offline")
"""What is told of whom one may not watch, and of who does not exist."""

Tell = Callable[[Username, Shown], bool]
"""Passes on how a user is. False: that can't be done now, and is tried again with what is true then."""


class Watch:
    """One user, watched by one watcher. `is_allowed`: None until it is known; False: let go as soon as that is told."""

    __slots__ = ("asked_at_s", "is_allowed", "told", "user_id", "username", "watcher")

    def __init__(self, watcher: "Watcher", username: Username, asked_at_s: float) -> None:
        self.watcher = watcher
        self.username = username
        self.asked_at_s = asked_at_s
        self.user_id = UserId("")
        self.is_allowed: bool | None = None
        self.told: Shown | None = None

    @property
    def is_over(self) -> bool:
        """Whether the watcher has lost interest meanwhile."""
        return self.watcher.watches.get(self.username) is not self


class Watcher:
    """A socket or a long poll of a user. `is_behind`: it could not be told of `untold`."""

    __slots__ = ("is_behind", "tell", "untold", "user_id", "watches")

    def __init__(self, user_id: UserId, tell: Tell) -> None:
        self.user_id = user_id
        self.tell = tell
        self.watches: dict[Username, Watch] = {}
        self.untold: dict[Watch, None] = {}
        self.is_behind = False
