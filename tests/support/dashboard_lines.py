"""Lines over time and bars, as SVG."""

import html
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.dashboard_units import shown

PALETTE: Final = (
    "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#FADE2A",
    "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477",
)  # fmt: skip
_STEPS: Final = {"green": "#73BF69", "yellow": "#F2CC0C", "red": "#F2495C", "blue": "#5794F2"}
_TITLE: Final = 24
_FOOT: Final = 18
_LEFT: Final = 70
_LEGEND_LINE: Final = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A line by name: (unix seconds, value)."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def numbers(self) -> list[float]:
        """Its values, without those that are none."""
        return [value for _, value in self.points if math.isfinite(value)]


def lines(found: Sequence[Line], panel: Mapping[str, Any], width: float, height: float, seconds: float) -> str:
    """Draw a panel of lines, with axes and a legend."""
    defaults = panel["fieldConfig"]["defaults"]
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    is_table = panel["options"]["legend"]["displayMode"] == "table"
    rows = min(len(found), 8) + 1 if is_table else _rows(found, width)
    legend_px = rows * _LEGEND_LINE + 4
    plot_w, plot_h = width - _LEFT - 12, height - _TITLE - _FOOT - legend_px - 10
    stacked = _stacked(found) if is_stacked else [line.points for line in found]
    top = _nice(max((value for points in stacked for _, value in points if math.isfinite(value)), default=0))
    end = time.time()

    def at(point: tuple[float, float]) -> str:
        x = _LEFT + (point[0] - end + seconds) / seconds * plot_w
        return f"{x:.1f},{8 + plot_h * (1 - point[1] / top):.1f}"

    drawn = [_axes(top, plot_w, plot_h, defaults, end, seconds)]
    for step in defaults["thresholds"]["steps"]:
        if defaults["custom"]["thresholdsStyle"]["mode"] == "dashed" and step["value"] and step["value"] <= top:
            y = 8 + plot_h * (1 - step["value"] / top)
            drawn.append(
                f"<line x1={_LEFT} x2={_LEFT + plot_w} y1={y} y2={y} stroke='{_STEPS[step['color']]}' "
                "stroke-dasharray='6 4' opacity=.7 />"
            )
    for number, points in reversed(list(enumerate(stacked))):
        colour = PALETTE[number % len(PALETTE)]
        for part in _unbroken(points):
            path = " ".join(map(at, part))
            ground = f"{at((part[-1][0], 0))} {at((part[0][0], 0))}"
            opacity = defaults["custom"]["fillOpacity"] / 100
            drawn.append(f"<polygon points='{path} {ground}' fill='{colour}' opacity={opacity} />")
            drawn.append(f"<polyline points='{path}' fill=none stroke='{colour}' stroke-width=1.3 />")
    svg = f"<svg width={width} height={plot_h + _FOOT + 10} style='display:block'>{''.join(drawn)}</svg>"
    return svg + _legend(found, defaults, is_table=is_table, height=legend_px)


def bars(found: Sequence[tuple[str, float, str]], panel: Mapping[str, Any], width: float, height: float) -> str:
    """Draw horizontal bars with their names on the left."""
    defaults = panel["fieldConfig"]["defaults"]
    each = min(40.0, (height - _TITLE - 8) / len(found))
    left = min(width * 0.45, max(len(name) for name, _, _ in found) * 6.6 + 14)
    room = width - left - 70
    drawn = []
    for number, (name, value, colour) in enumerate(found):
        y = number * each + 2
        filled = room * max(0.0, min(1.0, value / (defaults.get("max") or 1)))
        drawn.append(
            f"<text x={left - 6} y={y + each / 2 + 4} text-anchor=end>{html.escape(name)}</text>"
            f"<rect x={left} y={y} width={room} height={each - 4} fill='#22252b' />"
            f"<rect x={left} y={y} width={filled} height={each - 4} fill='{_STEPS[colour]}' opacity=.8 />"
            f"<text x={left + room + 6} y={y + each / 2 + 4} style='fill:{_STEPS[colour]}'>"
            f"{shown(value, defaults)}</text>"
        )
    return f"<svg width={width} height={height - _TITLE - 4} style='display:block'>{''.join(drawn)}</svg>"


def _axes(top: float, plot_w: float, plot_h: float, defaults: Mapping[str, Any], end: float, seconds: float) -> str:
    drawn = []
    for part in range(5):
        y = 8 + plot_h * (1 - part / 4)
        drawn.append(f"<line x1={_LEFT} x2={_LEFT + plot_w} y1={y} y2={y} stroke='#2b2e34' />")
        drawn.append(f"<text x={_LEFT - 6} y={y + 4} text-anchor=end>{shown(top * part / 4, defaults)}</text>")
    ticks = 4 if plot_w < 420 else 6
    for part in range(1, ticks):
        x = _LEFT + plot_w * part / ticks
        said = time.strftime(
            "%H:%M:%S" if seconds < 1200 else "%H:%M", time.localtime(end - seconds * (1 - part / ticks))
        )
        drawn.append(f"<line x1={x} x2={x} y1=8 y2={8 + plot_h} stroke='#25282d' />")
        drawn.append(f"<text x={x} y={plot_h + 22} text-anchor=middle>{said}</text>")
    return "".join(drawn)


def _legend(found: Sequence[Line], defaults: Mapping[str, Any], *, is_table: bool, height: float) -> str:
    def key(number: int) -> str:
        return f"<i style='background:{PALETTE[number % len(PALETTE)]}'></i>{html.escape(found[number].name)}"

    if not is_table:
        inner = "".join(f"<span>{key(number)}</span>" for number in range(len(found)))
    else:
        rows = [
            f"<tr><td>{key(number)}<td>{shown(line.numbers[-1], defaults)}<td>{shown(max(line.numbers), defaults)}"
            for number, line in enumerate(found)
            if line.numbers
        ]
        inner = f"<table><tr><td><th>Last *<th>Max{''.join(rows)}</table>"
    return f"<div class=legend style='height:{height}px'>{inner}</div>"


def _rows(found: Sequence[Line], width: float) -> int:
    rows, x = 1, 0.0
    for line in found:
        needed = len(line.name) * 6.3 + 28
        if x + needed > width - 16 and x:
            rows, x = rows + 1, 0.0
        x += needed
    return min(rows, 5)


def _stacked(found: Sequence[Line]) -> list[list[tuple[float, float]]]:
    sums: dict[float, float] = {}
    stacked = []
    for line in found:
        points = []
        for when, value in line.points:
            sums[when] = sums.get(when, 0.0) + (value if math.isfinite(value) else 0.0)
            points.append((when, sums[when]))
        stacked.append(points)
    return stacked


def _unbroken(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Cut a line where there are no values."""
    step = min((b[0] - a[0] for a, b in itertools.pairwise(points)), default=1.0)
    parts: list[list[tuple[float, float]]] = []
    last = -math.inf
    for when, value in points:
        if math.isfinite(value):
            if when - last > step * 1.5:
                parts.append([])
            parts[-1].append((when, value))
            last = when
    return parts


def _nice(highest: float) -> float:
    """Round up to what reads well at an axis of four parts."""
    if highest <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest))
    return next(size * by for by in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10, 12) if size * by >= highest)
