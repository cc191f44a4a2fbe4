"""Metrics of a process's connection to the broker: whether it stands, how often it broke, what it lost."""

from collections.abc import Callable
from typing import Protocol

from shared.runtime.metrics import Metrics


class Link(Protocol):
    """What is asked of a connection."""

    on_disconnect: list[Callable[[], None]]
    on_reconnect: list[Callable[[], None]]
    on_dropped: list[Callable[[str], None]]
    on_left: list[Callable[[], None]]

    @property
    def is_connected(self) -> bool:
        """Whether a publish would leave this process now."""


def watch_broker(metrics: Metrics, link: Link, pending: Callable[[], int]) -> None:
    """Make the metrics of a connection. `pending`: how many messages wait in its subscriptions."""
    metrics.gauge("broker_connected", "Whether the connection to the broker stands (1) or not (0).").set_function(
        lambda: link.is_connected
    )
    metrics.gauge(
        "broker_pending_messages",
        "Messages of the broker that wait for this process. At most 65,536 a subscription, or 4,096 of questions.",
    ).set_function(pending)
    lost = metrics.counter("broker_disconnects", "Times the connection to the broker broke.")
    found = metrics.counter("broker_reconnects", "Times the connection to the broker came back.")
    left = metrics.counter("broker_nodes_left", "Times a node was left over which the log could not be reached.")
    dropped = metrics.sheds("broker_pending_messages")
    link.on_disconnect.append(lost.inc)
    link.on_reconnect.append(found.inc)
    link.on_left.append(left.inc)
    link.on_dropped.append(lambda _subject: dropped.inc())
