"""Metrics of one process: made in `app.py`, handed to who counts, rendered for Prometheus."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_PREFIX = "parley_"

# Seconds: from what the hot path takes at rest up to the longest wait the protocol knows.
LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
)  # fmt: skip

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one process, with those of the process and of Python beside them.

    Names get the prefix `parley_`; a unit ends the name (`_seconds`, `_bytes`), counters get
    `_total` by themselves. There is no global registry: two services in one test don't collide.
    """

    def __init__(self, service: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.gauge("service_info", "Which service this process is.", ("service",)).labels(service).set(1)

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

    def render(self) -> bytes:
        """Write all of them as Prometheus text."""
        return generate_latest(self._registry)
