"""Draws Grafana's dashboard without Grafana: its JSON, what Prometheus answers, and Chromium.

`python -m tests.support.dashboard PROMETHEUS [SECONDS] [SCRAPED_EVERY_S]` makes build/pictures/dashboard.png.
"""

import asyncio
import html
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.browser.launch import chromium
from tests.support.dashboard_lines import Line, bars, lines
from tests.support.dashboard_units import shown

ROOT: Final = Path(__file__).resolve().parents[2]
DASHBOARD: Final = ROOT / "deploy" / "monitoring" / "grafana" / "dashboards" / "parley.json"
PICTURE: Final = ROOT / "build" / "pictures" / "dashboard.png"
WIDTH_PX: Final = 1600
UNIT_PX: Final = 30
GAP_PX: Final = 8
COLUMN_PX: Final = (WIDTH_PX + GAP_PX) / 24
POINTS: Final = 240
_COLOURS: Final = {"green": "#3d8b37", "yellow": "#b08a00", "red": "#c4162a", "blue": "#1f60c4"}
_STYLE: Final = """
body { margin: 16px; background: #111217; color: #ccccdc; font: 12px Inter, 'DejaVu Sans', sans-serif; }
main { position: relative; }
section { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #25282d;
          border-radius: 2px; overflow: hidden; }
section > h2 { font-size: 13px; font-weight: 500; margin: 0; padding: 6px 8px 2px; white-space: nowrap; }
section.row { background: none; border: none; }
section.row > h2 { font-size: 15px; padding: 4px 0; }
.stats { display: flex; gap: 4px; height: calc(100% - 26px); padding: 0 4px 4px; box-sizing: border-box; }
.stats > div { flex: 1; border-radius: 2px; display: flex; flex-direction: column; align-items: center;
               justify-content: center; color: #fff; min-width: 0; }
.stats b { font-weight: 500; white-space: nowrap; }
.none { position: absolute; inset: 26px 0 0; display: flex; align-items: center; justify-content: center;
        color: #8e8e9a; font-size: 15px; }
svg text { fill: #ccccdc; font: 11px Inter, 'DejaVu Sans', sans-serif; }
.legend { padding: 0 8px; font-size: 11px; line-height: 15px; overflow: hidden; }
.legend i { display: inline-block; width: 12px; height: 3px; border-radius: 2px; margin: 0 4px 3px 0; }
.legend span { margin-right: 10px; white-space: nowrap; display: inline-block; }
.legend table { width: 100%; border-spacing: 0; } .legend td { text-align: right; }
.legend td:first-child { text-align: left; } .legend th { text-align: right; color: #6e9fff; font-weight: 400; }
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A Prometheus, how far back is looked, and what stands for Grafana's variables."""

    url: str
    seconds: float
    scraped_every_s: int

    def ask(self, http: httpx.Client, target: Mapping[str, Any], *, is_now: bool) -> list[dict[str, Any]]:
        """Ask for the values of a query, of now or of all the time."""
        query = str(target["expr"]).replace("$__rate_interval", f"{4 * self.scraped_every_s}s")
        end = time.time()
        times = {"start": f"{end - self.seconds}", "end": f"{end}", "step": f"{max(1.0, self.seconds / POINTS)}"}
        path = "/api/v1/query" if is_now else "/api/v1/query_range"
        answer = http.post(self.url.rstrip("/") + path, data={"query": query, **({} if is_now else times)}).json()
        if answer["status"] != "success":
            raise ValueError(f"{query}: {answer['error']}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


async def draw(source: Source, wanted: Mapping[str, Any], picture: Path = PICTURE) -> None:
    """Draw all panels of a dashboard where Grafana would put them."""
    with httpx.Client(timeout=20, trust_env=False) as http:
        body = "".join(_section(panel, source, http) for panel in wanted["panels"])
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in wanted["panels"])
    height = bottom * (UNIT_PX + GAP_PX)
    page_html = (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><main style='height:{height}px'>{body}</main>"
    )
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": WIDTH_PX + 32, "height": height + 32})
        await page.set_content(page_html)
        await page.screenshot(path=picture)


def _section(panel: Mapping[str, Any], source: Source, http: httpx.Client) -> str:
    grid = panel["gridPos"]
    x, y = grid["x"] * COLUMN_PX, grid["y"] * (UNIT_PX + GAP_PX)
    width, height = grid["w"] * COLUMN_PX - GAP_PX, grid["h"] * (UNIT_PX + GAP_PX) - GAP_PX
    place = f"left:{x:.0f}px;top:{y}px;width:{width:.0f}px;height:{height}px"
    if panel["type"] == "row":
        return f"<section class=row style='{place}'><h2>⌄ {html.escape(panel['title'])}</h2></section>"
    draw_it = {"timeseries": _time_series, "stat": _stats, "bargauge": _bar_gauge}[panel["type"]]
    inner = draw_it(panel, source, http, width, height) or "<div class=none>No data</div>"
    return f"<section style='{place}'><h2>{html.escape(panel['title'])}</h2>{inner}</section>"


def _time_series(panel: Mapping[str, Any], source: Source, http: httpx.Client, width: float, height: float) -> str:
    found = [
        Line(_name(target, series["metric"]), [(at, float(value)) for at, value in series["values"]])
        for target in panel["targets"]
        for series in source.ask(http, target, is_now=False)
    ]
    return lines(found, panel, width, height, source.seconds) if found else ""


def _bar_gauge(panel: Mapping[str, Any], source: Source, http: httpx.Client, width: float, height: float) -> str:
    found = _values(panel, source, http)
    return bars([(name, value, _step(panel, value)) for name, value in found], panel, width, height) if found else ""


def _stats(panel: Mapping[str, Any], source: Source, http: httpx.Client, width: float, height: float) -> str:
    found = _values(panel, source, http)
    tiles = []
    size = min(34, int((width / max(1, len(found))) / 6), int(height / 3))
    for name, value in found:
        said = _mapped(panel, value)
        text, colour = said or (shown(value, panel["fieldConfig"]["defaults"]), _step(panel, value))
        small = f"<small>{html.escape(name)}</small>" if name else ""
        fill = _COLOURS.get(colour, colour)
        tiles.append(
            f"<div style='background:{fill}'>{small}<b style='font-size:{size}px'>{html.escape(text)}</b></div>"
        )
    return f"<div class=stats>{''.join(tiles)}</div>" if tiles else ""


def _values(panel: Mapping[str, Any], source: Source, http: httpx.Client) -> list[tuple[str, float]]:
    return [
        (_name(target, series["metric"]), float(series["value"][1]))
        for target in panel["targets"]
        for series in source.ask(http, target, is_now=True)
    ]


def _name(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    name = str(target["legendFormat"])
    for label in ("job", "instance", "partition", "leg", "code", "what", "route", "method", "status", "stream",
                  "query", "state", "reason", "by", "check", "generation"):  # fmt: skip
        name = name.replace("{{" + label + "}}", labels.get(label, ""))
    return name


def _step(panel: Mapping[str, Any], value: float) -> str:
    """Tell the colour of the last threshold that a value has reached."""
    reached = "green"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            reached = step["color"]
    return reached


def _mapped(panel: Mapping[str, Any], value: float) -> tuple[str, str] | None:
    for mapping in panel["fieldConfig"]["defaults"]["mappings"]:
        said = mapping["options"].get(f"{value:g}")
        if said is not None:
            return said["text"], said["color"]
    return None


def main(arguments: Sequence[str]) -> None:
    """Draw what the command line asks for."""
    url, *rest = arguments
    seconds, scraped_every_s = [*map(int, rest), *(3600, 15)[len(rest) :]]
    asyncio.run(draw(Source(url, seconds, scraped_every_s), json.loads(DASHBOARD.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
