"""Whose name or choices changed just now: a socket may still come in with what was true before."""

from typing import Final, NamedTuple

from services.gateway.domain import Choices
from shared.contracts.events import AccountChanged
from shared.contracts.ids import UserId
from shared.runtime.clock import monotonic

MAX_KEPT: Final = 10_000


class Change(NamedTuple):
    """A user as it is since `at_s` (monotonic)."""

    at_s: float
    display_name: str
    choices: Choices


class Changes:
    """The latest change of each user, of the users who changed last."""

    def __init__(self) -> None:
        self._kept: dict[UserId, Change] = {}

    def __len__(self) -> int:
        """How many users are kept."""
        return len(self._kept)

    def note(self, changed: AccountChanged) -> Change:
        """Keep what was heard just now."""
        choices = Choices(changed.read_receipts, changed.typing, changed.last_seen)
        change = Change(monotonic(), changed.display_name, choices)
        self._kept.pop(changed.user_id, None)
        self._kept[changed.user_id] = change
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return change

    def since(self, user_id: UserId, at_s: float) -> Change | None:
        """Tell how a user changed, where that was heard after a moment (monotonic)."""
        change = self._kept.get(user_id)
        return None if change is None or change.at_s < at_s else change
