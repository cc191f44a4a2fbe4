"""When who was connected, and when everything ran: derived from the observations of one run."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from deploy.verify.history import CaughtUp, Chose, Drop, Fault, Hello, Observation


@dataclass
class Connection:
    """One connection: from its first hello over its first caught_up to its end, as far as they came."""

    user: str
    opened: float
    live: float = inf
    ended: float = inf


class Connections:
    """All connections of a run, by their number and by user; what was chosen, and what was broken."""

    def __init__(self, events: Iterable[Observation]) -> None:
        self.of: defaultdict[str, list[Connection]] = defaultdict(list)
        self.numbered: dict[int, Connection] = {}
        self.chosen: dict[str, str] = {}
        self._faults: list[tuple[float, float]] = []
        broken: dict[str, float] = {}
        for event in events:
            match event:
                case Hello(user=user, connection=number) if number not in self.numbered:
                    self.numbered[number] = Connection(user, event.t)
                    self.of[user].append(self.numbered[number])
                case CaughtUp(connection=number) if number in self.numbered:
                    connection = self.numbered[number]
                    connection.live = min(connection.live, event.t)
                case Drop(connection=number) if number in self.numbered:
                    self.numbered[number].ended = event.t
                case Chose(user=user, status=status):
                    self.chosen[user] = status
                case Fault(what=what, phase="start"):
                    broken[what] = event.t
                case Fault(what=what, phase="stop"):
                    self._faults.append((broken.pop(what, event.t), event.t))
        self._faults += [(since, inf) for since in broken.values()]

    def is_calm(self, since: float, until: float) -> bool:
        """Tell whether nothing was broken for all of a time."""
        return not any(begun <= until and since <= healed for begun, healed in self._faults)

    def is_live(self, user: str, since: float, until: float) -> bool:
        """Tell whether one connection of a user was caught up and open for all of a time."""
        return any(each.live <= since and until < each.ended for each in self.of[user])

    def is_away(self, user: str, since: float, until: float) -> bool:
        """Tell whether a user had no connection for all of a time."""
        return not any(each.opened <= until and since <= each.ended for each in self.of[user])

    def status(self, user: str) -> str:
        """Return how a user is at the end, as others should see it."""
        is_here = any(each.live < inf and each.ended == inf for each in self.of[user])
        chosen = self.chosen.get(user, "online")
        return chosen if is_here and chosen != "invisible" else "offline"
