"""A running product in which everything has happened once, and a Prometheus that has seen it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.monitoring.prometheus import EVERY_S, Prometheus, addresses
from tests.support.processes import ROOT, SERVICES, Product


@dataclass(frozen=True, slots=True)
class Watched:
    """The product, and who watches it."""

    product: Product
    prometheus: Prometheus

    def metrics(self, service: str) -> str:
        """Read the metrics of a service as Prometheus does."""
        address = addresses(self.product)[service]
        return httpx.get(f"http://{address}/metrics", timeout=10, trust_env=False).raise_for_status().text


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A product under which the smoke suite has run, all its metrics scraped once a second."""
    folder = tmp_path_factory.mktemp("watched")
    environ = {"PARLEY_RETRY_AFTER_S": "1", "PARLEY_RETRY_BASE_S": "1"}
    with Product(folder, environ=environ) as product, Prometheus(folder, addresses(product)) as prometheus:
        _use(product, folder)
        _await_scrapes(prometheus)
        yield Watched(product, prometheus)


def _use(product: Product, folder: Path) -> None:
    """Let people do all there is to do; whether it went right is asked elsewhere."""
    command = [sys.executable, "-m", "deploy.verify.smoke", "--url", product.url, "--patience", "4"]
    with (folder / "smoke.log").open("wb") as out:
        subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, timeout=400, check=False)


def _await_scrapes(prometheus: Prometheus) -> None:
    """Wait until what happened last was seen."""
    end = time.time()
    deadline = time.monotonic() + 30
    while len(prometheus.now(f"timestamp(parley_ready) > {end + EVERY_S}")) < len(SERVICES):
        assert time.monotonic() < deadline, "Prometheus does not scrape all services"
        time.sleep(0.2)
