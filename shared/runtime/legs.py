"""How long each leg of a message's way takes: one histogram, its legs filled in by the services that see them end."""

from typing import Final, Literal
from weakref import WeakKeyDictionary

from prometheus_client import Histogram

from shared.runtime.metrics import Metrics

Leg = Literal["answered", "stored", "announced", "forwarded", "delivered"]

_HELP: Final = (
    "Legs of a message's way, at the oldest and the newest of a batch. From its acceptance by a gateway: answered (to"
    " its sender), stored, forwarded (to a recipient's socket), delivered (the recipient's receipt is stored; one"
    " message of a batch). announced: from the commit."
)

_made: Final[WeakKeyDictionary[Metrics, Histogram]] = WeakKeyDictionary()


def leg_histograms(metrics: Metrics, *legs: Leg) -> tuple[Histogram, ...]:
    """Make the histograms of legs that end in this process; whoever asks again gets more of the same."""
    histogram = _made.get(metrics)
    if histogram is None:
        histogram = _made[metrics] = metrics.histogram("leg_seconds", _HELP, ("leg",))
    return tuple(histogram.labels(leg) for leg in legs)
