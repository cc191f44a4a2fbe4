"""The benchmark runs and says what it measured; its figures are nobody's business here."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.timeout(180)
def test_the_bench_measures_a_system_of_its_own() -> None:
    bench = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.bench", "--seconds", "2", "--pairs", "4"),
            *("--in-flight", "40", "--sockets", "20", "--receipts"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert bench.returncode == 0, bench.stdout + bench.stderr
    results = json.loads(bench.stdout.splitlines()[-1])["results"]
    by_name = {result["scenario"]: result for result in results}
    assert set(by_name) == {"idle", "paced", "pairs", "floor"}
    assert by_name["pairs"]["messages_per_s"] > 0
    assert by_name["pairs"]["unfinished"] == by_name["paced"]["unfinished"] == 0
    assert by_name["paced"]["latency_ms"]["p50"] > 0
