"""Numbers as Grafana writes them in each of the units that the dashboard uses."""

import math
from collections.abc import Mapping
from typing import Any, Final

_SECONDS: Final = ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
_SHORT: Final = ((1e9, "Bil"), (1e6, "Mil"), (1e3, "K"), (1, ""))


def shown(value: float, defaults: Mapping[str, Any]) -> str:
    """Write a value in the unit of a panel, given its `fieldConfig.defaults`."""
    unit, decimals = defaults["unit"], defaults.get("decimals")
    if math.isnan(value):
        return "NaN"
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals)}%"
    if unit == "s":
        return _scaled(value, _SECONDS, decimals, " ")
    if unit == "bytes":
        return _scaled(value, _BYTES, decimals, " ")
    text = _scaled(value, _SHORT, decimals, " ").rstrip()
    return {"ops": f"{text} ops/s", "reqps": f"{text} req/s"}.get(unit, text)


def _scaled(value: float, scale: tuple[tuple[float, str], ...], decimals: int | None, gap: str) -> str:
    for size, name in scale:
        if abs(value) >= size:
            return f"{_rounded(value / size, decimals)}{gap}{name}"
    return f"{_rounded(value, decimals)}{gap}{scale[-1][1] if value and scale is _SECONDS else _base(scale)}"


def _base(scale: tuple[tuple[float, str], ...]) -> str:
    return next(name for size, name in scale if size == 1)


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value and abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.1f}".removesuffix(".0")
