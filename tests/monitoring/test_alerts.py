"""The alert rules: Prometheus reads them, each fires on what it is for, each has its place in the operators' page."""

import re
import subprocess
from pathlib import Path

from tests.monitoring.prometheus import RULES, program
from tests.support.processes import ROOT

MONITORING = RULES.parent
TESTS = Path(__file__).with_name("alerts_test.yml")
OPERATIONS = ROOT / "docs" / "operations.md"
_ALERT = re.compile(r"^      - alert: (\w+)$", re.MULTILINE)


def test_prometheus_reads_the_configuration_and_the_rules() -> None:
    said = promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert f"{len(alerts())} rules found" in said


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    promtool("test", "rules", str(TESTS))


def test_each_alert_has_a_test() -> None:
    tested = TESTS.read_text()
    assert [name for name in alerts() if f'"{name}"' not in tested and f"alertname: {name}\n" not in tested] == []


def test_each_alert_says_what_it_is_about_and_where_it_is_explained() -> None:
    for name, text in alerts().items():
        for part in ("severity: critical", "severity: warning"):
            if part in text:
                break
        else:
            raise AssertionError(f"{name} has no severity")
        assert "summary: " in text, name
        assert "description: " in text, name
        assert f"runbook: docs/operations.md#alert-{name.lower()}\n" in text, name


def test_the_operators_page_explains_each_alert_and_no_other() -> None:
    headings = re.findall(r"^### Alert: (\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert headings == list(alerts())


def alerts() -> dict[str, str]:
    """Read the alerts by name, in order, each with its text."""
    parts = _ALERT.split(RULES.read_text())[1:]
    return dict(zip(parts[::2], (text + "\n" for text in parts[1::2]), strict=True))


def promtool(*arguments: str) -> str:
    """Run promtool; it must find nothing wrong."""
    run = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
