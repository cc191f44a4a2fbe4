"""What many panels ask for in the same way."""

from typing import Final

FAILED: Final = 'status=~"5..", route!~"/health/.*"'
"""HTTP requests that we did not answer well; an answer of 503 is what health is for."""
BROKEN: Final = 'code=~"unavailable|internal"'
"""Questions that were not answered because of us; what somebody may not read is none of these."""
ASKED: Final = 'route!~"/health/.*|/metrics"'
"""HTTP requests of people and programs."""


def rate(selector: str, by: str = "") -> str:
    """Ask for the rate of a counter, a second, of all replicas together."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({selector}[$__rate_interval]))"


def rate_or_none(selector: str, label: str, *, is_known: bool = False) -> str:
    """Ask for the rate by a label; `none` at 0 where it has no value yet, or (`is_known`) nothing happens at any."""
    asked = f"({rate(selector, label)} > 0)" if is_known else rate(selector, label)
    return f'{asked} or on() label_replace(vector(0), "{label}", "none", "", "")'


def quantile(share: float, histogram: str, by: str = "", among: str = "") -> str:
    """Ask for what a share of observations stays under."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{{{among}}}[$__rate_interval])))"
