"""A real Prometheus that scrapes a running product, with the rules and the queries of deploy/monitoring."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_port
from tests.support.processes import ROOT, SERVICES, Product

RULES = ROOT / "deploy" / "monitoring" / "alerts.yml"
EVERY_S = 1
WINDOW = f"{4 * EVERY_S}s"
"""What Grafana takes for `$__rate_interval`: four times the time between two scrapes."""


def program(name: str) -> str:
    """Find a program of Prometheus; the test is skipped where there is none, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        missing = f"there is no {name} here: apt install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Prometheus:
    """One server on 127.0.0.1 with its data in `folder`; `jobs` are the services' addresses by name."""

    def __init__(
        self, folder: Path, jobs: Mapping[str, str], *, every_s: int = EVERY_S, port: int | None = None
    ) -> None:
        self._folder = folder
        self._port = port or free_port()
        self._every_s = every_s
        self._jobs = dict(jobs)
        self._child: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=20, trust_env=False)

    def __enter__(self) -> Self:
        config = self._folder / "prometheus.yml"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        log = self._folder / "prometheus.log"
        self._child = spawn(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            log=log,
        )
        wait_until(self._is_ready, child=self._child, log=log, what="prometheus")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            stop(self._child, how=signal.SIGTERM)
        self._http.close()

    @property
    def url(self) -> str:
        """Where it is asked."""
        return str(self._http.base_url)

    def now(self, query: str) -> list[dict[str, Any]]:
        """Ask for the values of this moment."""
        return self._ask("/api/v1/query", {"query": query})

    def lately(self, query: str, *, seconds: float, step_s: float = EVERY_S) -> list[dict[str, Any]]:
        """Ask for the values of the last seconds."""
        end = time.time()
        return self._ask(
            "/api/v1/query_range", {"query": query, "start": f"{end - seconds}", "end": f"{end}", "step": f"{step_s}"}
        )

    def _ask(self, path: str, question: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._http.post(path, data=question).json()
        assert answer["status"] == "success", f"{question['query']}: {answer}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def _config(self) -> dict[str, Any]:
        every = f"{self._every_s}s"
        return {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in self._jobs.items()
            ],
        }

    def _is_ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def addresses(product: Product) -> dict[str, str]:
    """Tell where the services of a product answer, by name."""
    return {service: f"127.0.0.1:{product.port + at}" for at, service in enumerate(SERVICES)}
