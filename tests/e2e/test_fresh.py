"""A machine with Python and make, and a copy of the sources: `make run`, and the address it prints opens the client."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import httpx
import pytest

from services.gateway.api.envelope import CLIENT_POLICY
from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_ports

ROOT = Path(__file__).parents[2]
MADE = shutil.ignore_patterns(
    ".git", ".venv", ".make", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "dist*", "data", "tests"
)
START_S = 540.0


@pytest.mark.timeout(600)
def test_the_address_that_a_first_make_run_prints_opens_the_client(tmp_path: Path) -> None:
    sources = tmp_path / "parley"
    shutil.copytree(ROOT, sources, ignore=MADE)
    python = Path(sys.base_prefix) / "bin" / "python3"
    log = tmp_path / "make.log"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "VIRTUAL_ENV"))},
        "PATH": os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part),
        "PARLEY_PORT": str(free_ports(4)),
        "PARLEY_NATS_PORT": str(free_ports(2)),
    }
    make = spawn(["make", f"PYTHON={python}", "run"], log=log, env=environ, cwd=sources, death_signal=signal.SIGTERM)
    try:
        wait_until(lambda: "ready: open " in log.read_text(), child=make, log=log, what="make run", timeout_s=START_S)
        address = re.search(r"ready: open (\S+)", log.read_text())
        assert address is not None
        with httpx.Client(base_url=address[1], trust_env=False) as browser:
            page = browser.get("/")
            assert page.headers["content-security-policy"] == CLIENT_POLICY
            script = re.search(r'<script type="module"[^>]* src="(/assets/[^"]+)"', page.text)
            assert script is not None, page.text
            answer = browser.get(script[1], headers={"accept-encoding": "gzip"})
            assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    finally:
        stop(make, how=signal.SIGTERM, timeout_s=40)
    assert log.read_text().rstrip().endswith("stopped")
    shutil.rmtree(sources)  # half a gigabyte
