"""docs/metrics.md, from what running services say: `python -m tests.monitoring.metrics_page http://127.0.0.1:8080`."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from tests.monitoring.names import Metric, described
from tests.support.processes import ROOT, SERVICES

PAGE: Final = ROOT / "docs" / "metrics.md"
_HEAD: Final = """\
# Metrics

Every service answers `GET /metrics` in Prometheus' text format; asking for them asks its checks of readiness too. The
dashboard (`deploy/monitoring/grafana/dashboards/parley.json`) shows them, the alerts
(`deploy/monitoring/alerts.yml`, explained on the
[operators' page](operations.md#alerts-what-each-means-and-what-to-do)) watch them.

- What is bounded has a gauge, its limit in `parley_capacity` by `what` (the gauge's name without `parley_`), and its
  share of that in `parley_fill_ratio` by `what` and `kind`: a full `queue` refuses or drops, a full `pool` makes wait,
  a full `cache` forgets the oldest.
- What is refused or dropped is counted in `parley_shed_total` by `what`: a bounded gauge's name, or `rate_of_...`
  where somebody came too often. A few have counters of their own, named in the tables.
- Labels never hold who or what a message is about: no user, no conversation, no text.
- A counter ends in `_total`; a histogram has `_bucket`, `_count` and `_sum`.

This page is written from what running services say, and a test holds it to that.
"""
_ROW: Final = re.compile(r"^\| `(\w+)` \| \w+ \| (.*?) \|", re.MULTILINE)


def page(texts: Mapping[str, str], known: str) -> str:
    """Lay out the page for the metrics of each service; labels that stand in `known` already stay."""
    of_service = {service: {metric.name: metric for metric in described(text)} for service, text in texts.items()}
    labels = {name: set(re.findall(r"`(\w+)`", said)) for name, said in _ROW.findall(known)}
    common = set.intersection(*(set(metrics) for metrics in of_service.values()))
    first = next(iter(of_service.values()))
    parts = [_HEAD]
    everywhere = [_all_labels([metrics[name] for metrics in of_service.values()]) for name in first if name in common]
    parts.append(_table("Every service", everywhere, labels))
    parts += [
        _table(service.capitalize(), [metric for name, metric in metrics.items() if name not in common], labels)
        for service, metrics in of_service.items()
    ]
    return "\n".join(parts)


def _all_labels(same: Sequence[Metric]) -> Metric:
    return same[0]._replace(labels=tuple(sorted({label for metric in same for label in metric.labels})))


def _table(title: str, metrics: Sequence[Metric], known: Mapping[str, set[str]]) -> str:
    lines = [f"## {title}\n", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for name, kind, said, labels in sorted(metrics, key=lambda metric: metric.name):
        shown = " ".join(f"`{label}`" for label in sorted({*labels, *known.get(name, ())}))
        lines.append(f"| `{name}` | {kind} | {shown} | {said} |")
    return "\n".join(lines) + "\n"


def main(url: str) -> None:
    """Write the page from a system under the launcher whose gateway is at `url`."""
    parts = urlsplit(url)
    texts = {
        service: httpx.get(f"http://{parts.hostname}:{(parts.port or 80) + at}/metrics", trust_env=False).text
        for at, service in enumerate(SERVICES)
    }
    known = PAGE.read_text() if PAGE.exists() else ""
    Path(PAGE).write_text(page(texts, known))


if __name__ == "__main__":
    main(sys.argv[1])
