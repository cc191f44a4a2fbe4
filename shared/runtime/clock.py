"""The one place that reads a clock: everything else takes the time as an argument."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Tell the time of day, aware and in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this module is the clock the rule points to


def now_ms() -> int:
    """Tell the time of day in whole milliseconds since 1970, for numbers that cross a wire."""
    return time.time_ns() // 1_000_000


def now_ns() -> int:
    """Tell the time of day in nanoseconds since 1970, for spans."""
    return time.time_ns()


def monotonic() -> float:
    """Tell seconds on a clock that never goes back, for measuring spans and deadlines."""
    return time.monotonic()
