"""An index over the observations of one run, so that each rule of the checker reads as its rule."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

from deploy.verify.connections import Connections
from deploy.verify.history import (
    Accepted,
    Ack,
    Event,
    Final,
    Observation,
    Refused,
    Row,
    Send,
)

Kind = TypeVar("Kind", bound=Event)


class Facts:
    """Sends and acks by (user, id), final histories by conversation and reader."""

    def __init__(self, events: Iterable[Observation]) -> None:
        """Index the events; their order is kept."""
        self.events = list(events)
        self.sends: dict[tuple[str, str], Send] = {}
        self.acks: dict[tuple[str, str], Ack] = {}
        self.all_acks: defaultdict[tuple[str, str], list[Ack]] = defaultdict(list)
        for send in self.of(Send):
            self.sends.setdefault((send.user, send.id), send)
        for ack in self.of(Ack):
            self.acks.setdefault((ack.user, ack.id), ack)
            self.all_acks[ack.user, ack.id].append(ack)
        self.accepted = list(self.of(Accepted))
        self.connections = Connections(self.events)
        self.finals: defaultdict[str, dict[str, Final]] = defaultdict(dict)
        for final in self.of(Final):
            self.finals[final.conversation_id][final.user] = final
        # What the first member reads; that the others read the same is a rule of its own.
        self.canonical: dict[str, tuple[Row, ...]] = {
            conversation_id: next(iter(finals.values())).rows for conversation_id, finals in self.finals.items()
        }
        self._by_seq: dict[int, dict[int, Row]] = {}

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        """Return the events of one kind."""
        return (event for event in self.events if isinstance(event, kind))

    def all_finals(self) -> Iterator[Final]:
        """Return every final history."""
        return (final for finals in self.finals.values() for final in finals.values())

    def rows(self, final: Final) -> dict[int, Row]:
        """Return the rows of a final history by their seq."""
        if id(final) not in self._by_seq:
            self._by_seq[id(final)] = {row.seq: row for row in final.rows}
        return self._by_seq[id(final)]

    def row(self, conversation_id: str, seq: int) -> Row | None:
        """Return a message as the first member reads it."""
        final = next(iter(self.finals.get(conversation_id, {}).values()), None)
        return None if final is None else self.rows(final).get(seq)

    def refused_sends(self) -> Iterator[Send]:
        """Return the sends that were refused for good."""
        for refused in self.of(Refused):
            if (refused.user, refused.id) in self.sends:
                yield self.sends[refused.user, refused.id]
