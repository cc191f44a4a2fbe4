"""How one user looks to others: what is kept of a user, and what a choice or a leaving makes of it."""

from dataclasses import dataclass, replace

from shared.contracts.ids import UserId
from shared.contracts.presence import ChosenStatus, PresenceState, SetPresence


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a user for good. `last_seen_ms` (Unix): when the user was last seen to be there."""

    chosen: ChosenStatus = "online"
    shows_last_seen: bool = True
    last_seen_ms: int | None = None


def state_of(user: UserId, kept: Kept, *, is_there: bool) -> PresenceState:
    """Show a user to others: who is invisible is offline, and when somebody was there is told only where it may be."""
    if is_there and kept.chosen != "invisible":
        return PresenceState(user, kept.chosen)
    return PresenceState(user, "offline", kept.last_seen_ms if kept.shows_last_seen else None)


def after_choosing(kept: Kept, choice: SetPresence, *, is_there: bool, now_ms: int) -> Kept:
    """Follow a user's choice. Becoming invisible looks like leaving: it is the last that is seen of who is there."""
    chosen = kept.chosen if choice.status is None else choice.status
    shows_last_seen = kept.shows_last_seen if choice.shows_last_seen is None else choice.shows_last_seen
    disappears = is_there and chosen == "invisible" != kept.chosen
    return Kept(chosen, shows_last_seen, now_ms if disappears else kept.last_seen_ms)


def after_leaving(kept: Kept, left_ms: int) -> Kept:
    """Note when a user left; of who is invisible nobody sees it, and the time never goes back."""
    if kept.chosen == "invisible" or left_ms <= (kept.last_seen_ms or 0):
        return kept
    return replace(kept, last_seen_ms=left_ms)
