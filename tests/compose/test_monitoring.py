"""Prometheus beside a system in containers: it finds every replica by name, and sees what is missing."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.compose import SERVICES, Project, docker, inspect
from tests.support.ports import free_port

STAND_IN = "parley-standin/prometheus"
STAND_IN_FROM = Path(__file__).with_name("standins") / "prometheus"
SCRAPE_S = 15


@pytest.fixture(scope="module")
def prometheus_image() -> str:
    """The image that `PROMETHEUS_IMAGE` names, else one made of Debian's package."""
    if "PROMETHEUS_IMAGE" in os.environ:
        return os.environ["PROMETHEUS_IMAGE"]
    docker("build", "--quiet", "--tag", STAND_IN, str(STAND_IN_FROM), timeout_s=280)
    return STAND_IN


def test_all_replicas_are_scraped_and_an_absent_service_is_noticed(
    images: None, prometheus_image: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"PROMETHEUS_IMAGE": prometheus_image, "PROMETHEUS_PORT": str(port)}
    with Project(tmp_path, profiles=["monitoring"], settings=settings) as project:
        scale = {"delivery": 2, "history": 2}
        project.up(*SERVICES, "prometheus", scale=scale)
        wanted = {service: scale.get(service, 1) for service in SERVICES}
        eventually(lambda: scraped(port) == wanted)
        assert asked(port, 'count(ALERTS{alertstate="firing"})') == []
        project.stop("history")
        eventually(lambda: asked(port, 'ALERTS{alertname="ServiceMissing", job="history"}') != [])
        project.start("history")
        eventually(lambda: scraped(port) == wanted)


def test_prometheus_has_no_privileges_and_answers_this_machine_alone(
    images: None, prometheus_image: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"PROMETHEUS_IMAGE": prometheus_image, "PROMETHEUS_PORT": str(port)}
    with Project(tmp_path, profiles=["monitoring"], settings=settings) as project:
        project.up("prometheus")
        (found,) = inspect(*project.containers("prometheus"))
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
        assert found["Config"]["User"] == "65534:65534"
        assert found["NetworkSettings"]["Ports"]["9090/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]


def scraped(port: int) -> dict[str, int]:
    """Count the processes of each service that Prometheus has metrics of."""
    return {one["metric"]["job"]: int(one["value"][1]) for one in asked(port, "sum by (job) (up)")}


def asked(port: int, query: str) -> list[dict[str, Any]]:
    """Ask Prometheus for the values of this moment."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}, timeout=10, trust_env=False)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
    return found


def eventually(condition: Callable[[], bool], timeout_s: float = 6 * SCRAPE_S) -> None:
    """Wait until Prometheus has seen it."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
