"""The dashboard of a running Parley; `python -m deploy.monitoring.dashboard` writes it for Grafana."""

import json
from pathlib import Path
from typing import Final

from deploy.monitoring.panels import dashboard
from deploy.monitoring.rows.delivery import LOG, RETRIES
from deploy.monitoring.rows.gateway import GATEWAY
from deploy.monitoring.rows.processes import BOUNDS, PROCESSES
from deploy.monitoring.rows.reads import HISTORY, PRESENCE
from deploy.monitoring.rows.well import IS_IT_WELL

WRITTEN: Final = Path(__file__).with_name("grafana") / "dashboards" / "parley.json"
ROWS: Final = (IS_IT_WELL, GATEWAY, LOG, RETRIES, PRESENCE, HISTORY, BOUNDS, PROCESSES)
ANNOTATIONS: Final = (
    ("Started", "changes(process_start_time_seconds[1m]) > 0", "blue"),
    ("Alert", 'ALERTS{alertstate="firing"}', "red"),
)


def written() -> str:
    """Write the dashboard as JSON."""
    return json.dumps(dashboard("Parley", "parley", ROWS, ANNOTATIONS), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_text(written())
