"""The tracker: who has not got what was just stored; in memory, bounded, ordered by how long they have waited."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from services.delivery.domain.retry import Key
from services.delivery.domain.values import CursorMoved, Outcome, Stored

LIMIT: Final = 200_000


class Tracker:
    """Takes notes of every batch, at about a microsecond a message, and gives out who has waited too long.

    Over its limit it drops new notes (`dropped` counts them): the sweep finds what they were about. Times are seconds
    on any clock that never goes back.
    """

    def __init__(self, wait_s: float, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._wait_s = wait_s
        self._limit = limit
        self._waiting: OrderedDict[tuple[str, str], list[float]] = OrderedDict()  # (user, conversation): [seq, since]

    def __len__(self) -> int:
        """Count the recipients who wait, per conversation."""
        return len(self._waiting)

    def note(self, outcomes: Iterable[Outcome], now: float) -> None:
        """Note what a batch has brought about."""
        for outcome in outcomes:
            if isinstance(outcome, Stored):
                if not outcome.is_repeat:
                    self._note_stored(outcome, now)
            elif isinstance(outcome, CursorMoved):
                self._note_moved(outcome, now)

    def take_expired(self, now: float, limit: int) -> list[Key]:
        """Give out those who have waited too long, so many at most; they are not tracked any more."""
        expired: list[Key] = []
        latest = now - self._wait_s
        waiting = self._waiting
        while waiting and len(expired) < limit:
            key = next(iter(waiting))
            if waiting[key][1] > latest:
                break
            del waiting[key]
            expired.append(Key._make(key))
        return expired

    def _note_stored(self, stored: Stored, now: float) -> None:
        waiting = self._waiting
        message = stored.message
        sender_id, conversation_id, seq = message.sender_id, message.conversation_id, message.seq
        for user_id in stored.audience:
            if user_id != sender_id:
                key = (user_id, conversation_id)
                known = waiting.get(key)
                if known is not None:
                    known[0] = seq
                elif len(waiting) < self._limit:
                    waiting[key] = [seq, now]
                else:
                    self.dropped += 1

    def _note_moved(self, moved: CursorMoved, now: float) -> None:
        key = (moved.user_id, moved.conversation_id)
        known = self._waiting.get(key)
        if known is None:
            return
        if moved.up_to_seq >= known[0]:
            del self._waiting[key]
        else:  # it takes what it is given, only not all of it yet
            known[1] = now
            self._waiting.move_to_end(key)
