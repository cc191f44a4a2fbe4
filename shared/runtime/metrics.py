"""Metrics of one process: made in `app.py`, handed to who counts, rendered for Prometheus."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_PREFIX = "parley_"

# Seconds: from what the hot path takes at rest up to the longest wait the protocol knows.
LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
)  # fmt: skip

Kind = Literal["queue", "pool", "cache"]
"""What is bounded: a full queue sheds and a full pool makes wait; a full cache only forgets."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one process, with those of the process and of Python beside them.

    Names get the prefix `parley_`; a unit ends the name (`_seconds`, `_bytes`), counters get
    `_total` by themselves. There is no global registry: two services in one test don't collide.
    """

    def __init__(self, service: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks when a counter began
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.gauge("service_info", "Which service this process is.", ("service",)).labels(service).set(1)
        self._fill = self.gauge(
            "fill_ratio", "How full what is bounded is, from 0 to 1, by its metric and kind.", ("what", "kind")
        )
        self._capacity = self.gauge("capacity", "How much there may be of what is bounded, by its metric.", ("what",))
        self._shed = self.counter(
            "shed", "Work refused or dropped, because something was full or came too often, by what.", ("what",)
        )
        self.gauge("tasks", "Tasks of this process's event loop.").set_function(_tasks)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002 - prometheus' own word
        """Make a number that only grows."""
        return Counter(_PREFIX + name, help, labels, registry=self._registry)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:  # noqa: A002 - prometheus' own word
        """Make a number that goes up and down; `.set_function` reads it when it is asked for."""
        return Gauge(_PREFIX + name, help, labels, registry=self._registry)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002 - prometheus' own word
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = LATENCY_BUCKETS,
    ) -> Histogram:
        """Make a distribution, of seconds unless other `buckets` are given."""
        return Histogram(_PREFIX + name, help, labels, registry=self._registry, buckets=buckets)

    def bounded(self, name: str, help: str, *, limit: float, now: Callable[[], float], kind: Kind = "queue") -> None:  # noqa: A002 - prometheus' own word
        """Make a gauge of something that has a limit, which is told too, and how full it is."""
        self.gauge(name, help).set_function(now)
        self._capacity.labels(name).set(limit)
        self._fill.labels(name, kind).set_function(lambda: now() / limit)

    def database_pool(self, *, limit: int, in_use: Callable[[], float]) -> None:
        """Make the gauge of a service's connections to the database; `limit`: how many it may have at once."""
        self.bounded(
            "database_connections_in_use",
            "Connections to the database that are lent.",
            limit=limit,
            now=in_use,
            kind="pool",
        )

    def sheds(self, what: str) -> Counter:
        """Make a counter of what is refused or dropped at one place; it begins with 0."""
        return self._shed.labels(what)

    def gauge_by(self, name: str, help: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:  # noqa: A002 - prometheus' own word
        """Make a gauge with values by label, all read when they are asked for."""
        self._registry.register(_Read(lambda: _by_label(_PREFIX + name, help, label, read())))

    def counter_read(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002 - prometheus' own word
        """Make a counter of what is counted elsewhere, read when it is asked for."""
        self._registry.register(_Read(lambda: CounterMetricFamily(_PREFIX + name, help, value=read())))

    def render(self) -> bytes:
        """Write all of them as Prometheus text."""
        return generate_latest(self._registry)


class _Read:
    """A metric that is made anew each time it is asked for."""

    def __init__(self, read: Callable[[], Metric]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Read it."""
        yield self._read()


def _by_label(name: str, help_: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, help_, labels=(label,))
    for value, number in values.items():
        made.add_metric((value,), number)
    return made


def _tasks() -> float:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # rendered outside of a loop
        return 0
