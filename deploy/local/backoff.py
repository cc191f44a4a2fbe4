"""How long a program that died is left down: not at all, unless it keeps dying."""

from collections.abc import Sequence

WINDOW_S = 30.0
_PATIENCE = 3
_FIRST_S = 0.5
_CAP_S = 10.0


def pause_s(deaths: Sequence[float]) -> float:
    """Decide the pause before the next start, in seconds.

    `deaths` are the moments of all deaths on a monotonic clock, the last one just now. The first
    two within 30 s cost nothing; from the third on the pause is 0.5 s and doubles, to 10 s.
    """
    if not deaths:
        return 0.0
    recent = sum(1 for death in deaths if death > deaths[-1] - WINDOW_S)
    if recent < _PATIENCE:
        return 0.0
    doublings = min(recent - _PATIENCE, 10)  # the cap is long reached; no huge numbers
    return min(_CAP_S, _FIRST_S * 2.0**doublings)
