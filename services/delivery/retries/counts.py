"""The metrics of retries."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from shared.contracts.retries import RetryState
from shared.runtime.metrics import Metrics

Driver = Literal["hello", "sender", "operator"]

_LAGS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_STATES: Final[tuple[RetryState, ...]] = ("waiting", "failed")


class RetryCounts:
    """Counts what retries do."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._dropped = metrics.counter("retry_notes_dropped", "Notes that did not fit; the sweep finds them.")
        self._hellos_dropped = metrics.counter("retry_hellos_dropped", "Hellos that did not fit.")
        self._opened = metrics.counter("retry_opened", "Entries opened.")
        self._attempts = metrics.counter("retry_attempts", "Attempts to reach somebody.")
        self._parked = metrics.counter("retry_parked", "Entries parked after their last attempt.")
        self._closed = metrics.counter("retry_closed", "Entries found to be delivered, or left, when they were woken.")
        self._driven = metrics.counter("retry_driven", "Entries driven anew, by whom.", ("by",))
        self._lag = metrics.histogram("retry_lag_seconds", "How late entries were woken.", buckets=_LAGS)
        self._entries = metrics.gauge("retry_entries", "Entries by state, as the last sweep found them.", ("state",))
        self._sweep = metrics.histogram("retry_sweep_seconds", "Time of a sweep.", buckets=_LAGS)

    def watch(self, name: str, help_: str, limit: int, now: Callable[[], int]) -> None:
        """Have something that is bounded counted."""
        self._metrics.bounded(name, help_, limit=limit, now=now)

    def dropped(self, notes: int) -> None:
        """Count notes that the tracker had no room for."""
        self._dropped.inc(notes)

    def hellos_dropped(self, users: int) -> None:
        """Count users whose hello was not heeded."""
        self._hellos_dropped.inc(users)

    def opened(self, entries: int) -> None:
        """Count entries opened."""
        self._opened.inc(entries)

    def woken(self, *, attempts: int, parked: int, closed: int, lags_ms: Iterable[int]) -> None:
        """Count what came of wake-ups."""
        self._attempts.inc(attempts)
        self._parked.inc(parked)
        self._closed.inc(closed)
        for lag_ms in lags_ms:
            self._lag.observe(lag_ms / 1000)

    def driven(self, by: Driver, entries: int) -> None:
        """Count entries driven anew."""
        self._driven.labels(by).inc(entries)

    def entries(self, by_state: Mapping[str, int]) -> None:
        """Note how many entries there are."""
        for state in _STATES:
            self._entries.labels(state).set(by_state.get(state, 0))

    def swept(self, seconds: float) -> None:
        """Count a sweep."""
        self._sweep.observe(seconds)
