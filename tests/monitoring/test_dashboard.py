"""The dashboard: written from its Python, laid out without overlaps, every query answered by a real Prometheus."""

import itertools
import json
from typing import Any

from deploy.monitoring.dashboard import ANNOTATIONS, ROWS, WRITTEN, written
from deploy.monitoring.panels import WIDTH
from tests.monitoring.conftest import Watched
from tests.monitoring.prometheus import WINDOW

UNITS = {"short", "ops", "reqps", "s", "bytes", "percentunit"}
"""Ids of Grafana's units, as far as they are used."""
ONLY_UNDER_FAULTS = {"Started", "Alert"}
"""Annotations that have nothing to say where all is well."""


def test_the_dashboard_in_the_repository_is_current() -> None:
    assert WRITTEN.read_text() == written(), "write it again: python -m deploy.monitoring.dashboard"


def test_panels_fill_the_grid_without_overlaps() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        assert 0 <= grid["x"] <= grid["x"] + grid["w"] <= WIDTH
        cells = set(itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])))
        assert not cells & taken, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == WIDTH * height, "there are holes"


def test_each_panel_says_what_it_shows_and_is_told_apart() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])


def test_every_query_finds_something_where_everything_has_happened_once(watched: Watched) -> None:
    silent = []
    for row in ROWS:
        for panel, series in ((one, series) for one in row.panels for series in one.series):
            query = series.query.replace("$__rate_interval", WINDOW)
            found = watched.prometheus.lately(query, seconds=120)
            numbers = [float(value) for one in found for _, value in one["values"] if value != "NaN"]
            if not numbers:
                silent.append(f"{row.title} / {panel.title} / {series.legend}: {query}")
    assert silent == []


def test_stations_of_the_legends_are_labels_of_the_answers(watched: Watched) -> None:
    for panel in (panel for row in ROWS for panel in row.panels):
        for series in panel.series:
            asked = {part.partition("}}")[0] for part in series.legend.split("{{")[1:]}
            found = watched.prometheus.lately(series.query.replace("$__rate_interval", WINDOW), seconds=120)
            if asked:
                assert any(asked <= set(one["metric"]) for one in found), f"{panel.title}: {series.legend}"


def test_annotations_are_understood(watched: Watched) -> None:
    for name, query, _ in ANNOTATIONS:
        found = watched.prometheus.now(query)
        assert found or name in ONLY_UNDER_FAULTS


def panels() -> list[dict[str, Any]]:
    """Read the panels, rows among them."""
    found: list[dict[str, Any]] = json.loads(WRITTEN.read_text())["panels"]
    return found
