"""Grafana's panels in few words, and the JSON that Grafana reads them from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

WIDTH: Final = 24
"""Columns of Grafana's grid; a unit of height is 30 pixels."""
ROW_HEIGHT: Final = 1
SCHEMA: Final = 41
"""The version of Grafana's dashboard model that this is (Grafana 12)."""
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}

Kind = Literal["timeseries", "stat", "bargauge"]
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


@dataclass(frozen=True, slots=True)
class Series:
    """A query and how its lines are called; `{{label}}` stands for a label's value."""

    query: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `steps` are (from, colour) above the first, which is green; `says` maps values to (text, colour)."""

    title: str
    about: str
    series: Sequence[Series]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 6
    height: int = 7
    steps: Sequence[tuple[float, str]] = ()
    says: dict[str, tuple[str, str]] = field(default_factory=dict)
    decimals: int | None = None
    most: float | None = None
    is_stacked: bool = False
    has_table: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, laid from left to right."""

    title: str
    panels: Sequence[Panel]


def dashboard(title: str, uid: str, rows: Sequence[Row], annotations: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Lay out a dashboard. Annotations are (name, query, colour)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        panels.append(_row(row.title, len(panels) + 1, y))
        y += ROW_HEIGHT
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append(_panel(panel, len(panels) + 1, {"h": panel.height, "w": panel.width, "x": x, "y": y}))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return {
        "uid": uid,
        "title": title,
        "tags": [uid],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source()]},
        "annotations": {"list": [_annotation(*annotation) for annotation in annotations]},
        "links": [],
        "panels": panels,
    }


def _source() -> dict[str, Any]:
    return {
        "name": "source",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
        "hide": 2,
        "options": [],
        "refresh": 1,
    }


def _annotation(name: str, query: str, colour: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "expr": query,
        "iconColor": colour,
        "step": "15s",
        "titleFormat": name,
        "textFormat": "{{job}} {{instance}} {{alertname}}",
        "useValueForTime": False,
    }


def _row(title: str, number: int, y: int) -> dict[str, Any]:
    grid = {"h": ROW_HEIGHT, "w": WIDTH, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"color": GREEN, "value": None},
                *({"color": colour, "value": from_} for from_, colour in panel.steps),
            ],
        },
        "mappings": _mappings(panel.says),
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = _lines(panel)
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind] if not panel.has_table else _options_with_table(),
        "targets": [_target(series, at, is_now=panel.kind != "timeseries") for at, series in enumerate(panel.series)],
    }


def _mappings(says: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    if not says:
        return []
    return [
        {
            "type": "value",
            "options": {
                value: {"text": text, "color": colour, "index": at}
                for at, (value, (text, colour)) in enumerate(says.items())
            },
        }
    ]


def _lines(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 25 if panel.is_stacked else 8,
        "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _target(series: Series, at: int, *, is_now: bool) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + at),
        "datasource": SOURCE,
        "expr": series.query,
        "legendFormat": series.legend,
        "range": not is_now,
        "instant": is_now,
        "editorMode": "code",
    }


def _legend(*, is_table: bool) -> dict[str, Any]:
    return {
        "showLegend": True,
        "placement": "bottom",
        "displayMode": "table" if is_table else "list",
        "calcs": ["lastNotNull", "max"] if is_table else [],
    }


def _options_with_table() -> dict[str, Any]:
    return {**_OPTIONS["timeseries"], "legend": _legend(is_table=True)}


_REDUCED: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    "timeseries": {"legend": _legend(is_table=False), "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {
        "reduceOptions": _REDUCED,
        "orientation": "auto",
        "colorMode": "background_solid",
        "graphMode": "none",
        "justifyMode": "center",
        "textMode": "auto",
    },
    "bargauge": {
        "reduceOptions": _REDUCED,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "left",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizHeight": 10,
        "minVizWidth": 8,
    },
}
