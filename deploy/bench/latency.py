"""Percentiles of latencies from an HDR histogram: microseconds to a minute, three digits."""

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

HIGHEST_US = 60_000_000
DIGITS = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def percentiles_ms(latencies_s: Iterable[float]) -> dict[str, float]:
    """Return the percentiles in milliseconds; nothing where there was nothing to measure."""
    histogram = HdrHistogram(1, HIGHEST_US, DIGITS)
    for latency_s in latencies_s:
        histogram.record_value(max(1, int(latency_s * 1_000_000)))
    if not histogram.get_total_count():
        return {}
    return {name: round(histogram.get_value_at_percentile(percent) / 1000, 2) for name, percent in PERCENTILES.items()}
