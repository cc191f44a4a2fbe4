"""How far a client has got in each conversation, and the holes between its live frames."""

from collections import defaultdict


class Cursors:
    """The `rev` cursor per conversation; revs of live frames beyond a hole wait `ahead`."""

    def __init__(self) -> None:
        """Begin as a device that knows nothing."""
        self._at: dict[str, int] = {}
        self._ahead: defaultdict[str, set[int]] = defaultdict(set)

    def snapshot(self) -> dict[str, int]:
        """Return what a hello carries."""
        return dict(self._at)

    def at(self, conversation_id: str) -> int:
        """Return the cursor of one conversation, 0 where nothing is known."""
        return self._at.get(conversation_id, 0)

    def advance(self, conversation_id: str, rev: int) -> bool:
        """Take the rev of a live frame; the first one of a conversation sets its base.

        Returns whether there is a hole below it.
        """
        if conversation_id not in self._at:
            self._at[conversation_id] = rev
        elif rev > self._at[conversation_id]:
            self._ahead[conversation_id].add(rev)
            self._absorb(conversation_id)
        return self.has_hole(conversation_id)

    def remember(self, conversation_id: str, rev: int) -> None:
        """Keep the rev of a frame that came while a replay was running."""
        self._ahead[conversation_id].add(rev)

    def has_hole(self, conversation_id: str) -> bool:
        """Tell whether a live frame is held whose predecessor is not."""
        return bool(self._ahead.get(conversation_id))

    def replace(self, cursors: dict[str, int]) -> None:
        """Take the cursors of a `caught_up`, lower ones too."""
        self._at = dict(cursors)
        for conversation_id in list(self._ahead):
            if conversation_id in self._at:
                self._absorb(conversation_id)

    def synced(self, conversation_id: str, rev: int) -> None:
        """Take the `rev` of a sync page."""
        self._at[conversation_id] = max(rev, self.at(conversation_id))
        self._absorb(conversation_id)

    def holes(self) -> list[str]:
        """Return the conversations that have a hole."""
        return [conversation_id for conversation_id, revs in self._ahead.items() if revs]

    def reset(self, conversation_id: str) -> None:
        """Go back to 0: the server does not know what lies at the cursor."""
        self._at[conversation_id] = 0
        self._ahead.pop(conversation_id, None)

    def forget(self) -> None:
        """Drop everything: the server has another epoch."""
        self._at.clear()
        self._ahead.clear()

    def _absorb(self, conversation_id: str) -> None:
        ahead = self._ahead[conversation_id]
        while self._at[conversation_id] + 1 in ahead:
            self._at[conversation_id] += 1
        ahead.difference_update({rev for rev in ahead if rev <= self._at[conversation_id]})
