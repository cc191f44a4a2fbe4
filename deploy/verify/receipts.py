"""What a client still owes the server: how far it has got, told until it is confirmed."""

from collections import defaultdict
from dataclasses import dataclass, field

from deploy.verify.history import State

REPEAT_S = 10.0


@dataclass
class _Progress:
    # Everything up to here is held or was delivered to another device.
    mark: int = 0
    held: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)
    wanted: dict[State, int] = field(default_factory=dict)
    confirmed: dict[State, int] = field(default_factory=dict)
    told_at: dict[State, float] = field(default_factory=dict)
    told: dict[State, int] = field(default_factory=dict)


class Receipts:
    """The own cursors of one client over all its connections.

    A message counts as delivered when every one before it is held too: a receipt is cumulative,
    it must not speak for a message that is still missing.
    """

    def __init__(self, *, reads: bool) -> None:
        """With `reads`, what is delivered is read at once."""
        self._reads = reads
        self._of: defaultdict[str, _Progress] = defaultdict(_Progress)

    def hold(self, conversation_id: str, seq: int, *, own: bool) -> None:
        """Take note that a message is held."""
        progress = self._of[conversation_id]
        progress.held.add(seq)
        if not own:
            progress.foreign.add(seq)
        self._advance(progress)

    def confirm(self, conversation_id: str, state: State, up_to_seq: int) -> None:
        """Take a receipt of the own user."""
        progress = self._of[conversation_id]
        progress.confirmed[state] = max(up_to_seq, progress.confirmed.get(state, 0))
        if state == "read":
            delivered = progress.confirmed.get("delivered", 0)
            progress.confirmed["delivered"] = max(up_to_seq, delivered)
        self._advance(progress)

    def due(self, now: float) -> list[tuple[str, State, int]]:
        """Return the receipts to send now, and take them as told at `now`."""
        frames: list[tuple[str, State, int]] = []
        for conversation_id, progress in self._of.items():
            for state, seq in progress.wanted.items():
                if seq <= progress.confirmed.get(state, 0):
                    continue
                fresh = seq > progress.told.get(state, 0)
                if fresh or now - progress.told_at[state] >= REPEAT_S:
                    progress.told[state], progress.told_at[state] = seq, now
                    frames.append((conversation_id, state, seq))
        return frames

    def repeat_all(self) -> None:
        """Make every unconfirmed receipt due: the connection is a new one."""
        for progress in self._of.values():
            progress.told.clear()

    def owes(self) -> bool:
        """Tell whether anything is unconfirmed."""
        return any(
            seq > progress.confirmed.get(state, 0)
            for progress in self._of.values()
            for state, seq in progress.wanted.items()
        )

    def _advance(self, progress: _Progress) -> None:
        mark = max(progress.confirmed.get("delivered", 0), progress.mark)
        while mark + 1 in progress.held:
            mark += 1
        progress.mark = mark
        seq = max((seq for seq in progress.foreign if seq <= mark), default=0)
        if seq:
            progress.wanted["delivered"] = max(seq, progress.wanted.get("delivered", 0))
            if self._reads:
                progress.wanted["read"] = progress.wanted["delivered"]
        # What is below the mark has done its work.
        progress.held = {held for held in progress.held if held > mark}
        progress.foreign = {held for held in progress.foreign if held > mark}
