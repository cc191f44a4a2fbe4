"""The launcher with the real services: it brings all up, keeps all up, and ends without a trace."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.support.children import spawn
from tests.support.ports import free_ports

SERVICES = ("gateway", "delivery", "history", "presence")
PROGRAMS = ("nats", *SERVICES)
LAUNCH = (sys.executable, "-m", "deploy.local")
ROOT = Path(__file__).parents[2]


class Launcher:
    """One system on free ports; its data directory may have served an earlier one."""

    def __init__(self, data: Path, ports: int | None = None, argv: Sequence[str] = LAUNCH) -> None:
        self.data = data
        self.port = ports or free_ports(6)
        self.log = data.parent / f"launcher-{self.port}.log"
        self.log.unlink(missing_ok=True)
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            "PARLEY_PORT": str(self.port),
            "PARLEY_NATS_PORT": str(self.port + 4),
            "PARLEY_DATA_DIR": str(data),
        }
        self.process = spawn(argv, log=self.log, env=self.environ, cwd=ROOT)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_ready(self) -> None:
        self.wait_for(lambda: "ready: open " in self.output, "the line with the address", 60)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            ended = self.process.poll()
            assert ended is None, f"ended with {ended} before {what}\n{self.output[-4000:]}"
            assert time.monotonic() < deadline, f"no {what} in {timeout_s} s\n{self.output[-4000:]}"
            time.sleep(0.05)

    def pids(self) -> dict[str, int]:
        """The process of each program; those that are not there just now are left out."""
        found: dict[str, int] = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            named = next((name for name in SERVICES if f"services.{name}.app" in line), None)
            if named is not None or (line and line[0].endswith("nats-server")):
                found[named or "nats"] = child.pid
        return found

    def is_ready(self, service: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port + SERVICES.index(service), timeout=3)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def all_ready(self) -> bool:
        return all(self.is_ready(service) for service in SERVICES)

    def post(self, path: str, body: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, wait, make sure that no descendant is left; return the exit code."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        code = self.process.wait(20)
        _, left = psutil.wait_procs(children, timeout=5)
        assert left == []
        return code


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    started: list[Launcher] = []

    def start(data: Path = tmp_path / "data", ports: int | None = None, argv: Sequence[str] = LAUNCH) -> Launcher:
        started.append(Launcher(data, ports, argv))
        return started[-1]

    yield start
    for launcher in started:
        if launcher.process.poll() is None:
            launcher.process.kill()
            launcher.process.wait()


@pytest.mark.timeout(240)
def test_each_killed_program_is_started_again_and_all_are_ready_again(launch: Callable[..., Launcher]) -> None:
    system = launch()
    system.wait_ready()
    assert f"ready: open http://127.0.0.1:{system.port}" in system.output
    assert system.all_ready()
    for name in PROGRAMS:
        before = system.pids()
        assert set(before) == set(PROGRAMS)
        os.kill(before[name], signal.SIGKILL)
        system.wait_for(lambda: system.pids().get(name, before[name]) != before[name], f"new process of {name}")  # noqa: B023 - called in this round only
        system.wait_for(system.all_ready, f"readiness after {name} was killed")
        after = system.pids()
        assert {other: pid for other, pid in after.items() if other != name} == {
            other: pid for other, pid in before.items() if other != name
        }
    assert system.end() == 0
    assert system.output.rstrip().endswith("stopped")


@pytest.mark.timeout(180)
def test_a_second_start_keeps_the_data_and_the_log(launch: Callable[..., Launcher]) -> None:
    def log_id(system: Launcher) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", system.port + 5, timeout=3)
        connection.request("GET", "/jsz?streams=true&config=true")
        found = re.search(rb'"parley-log-id":\s*"(\w+)"', connection.getresponse().read())
        connection.close()
        assert found is not None
        return found[1].decode()

    account = {"username": "ann", "password": "a long enough one"}
    first = launch()
    first.wait_ready()
    assert first.post("/api/v1/auth/register", account) == 201
    log = log_id(first)
    assert first.end(signal.SIGINT) == 0
    second = launch(ports=first.port)
    second.wait_ready()
    assert second.post("/api/v1/auth/login", account) == 200
    assert log_id(second) == log
    assert second.end() == 0


@pytest.mark.timeout(120)
def test_a_killed_launcher_leaves_nothing_behind(launch: Callable[..., Launcher]) -> None:
    system = launch()
    system.wait_for(lambda: set(system.pids()) == set(PROGRAMS), "all programs", 60)
    assert system.end(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.timeout(120)
def test_a_signal_during_the_start_ends_it_in_good_order(launch: Callable[..., Launcher]) -> None:
    system = launch()
    system.wait_for(lambda: "nats" in system.pids(), "the broker")
    assert system.end() == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_make_alone_ends_the_system_in_good_order(
    launch: Callable[..., Launcher], tmp_path: Path, number: signal.Signals
) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {' '.join(LAUNCH)}\n")
    system = launch(argv=("make", "--file", str(makefile)))
    system.wait_for(lambda: set(system.pids()) == set(PROGRAMS), "all programs", 60)
    assert system.end(number) != 0, "make ends by the signal itself, or with an error"
    assert system.output.rstrip().endswith("stopped")


def test_a_taken_port_is_told_with_the_setting_to_change(launch: Callable[..., Launcher]) -> None:
    ports = free_ports(6)
    with socket.create_server(("127.0.0.1", ports + 2)):
        system = launch(ports=ports)
        assert system.process.wait(30) == 1
    assert f"port {ports + 2} (history, from PARLEY_PORT={ports})" in system.output


@pytest.mark.timeout(120)
def test_two_systems_do_not_share_a_data_directory(launch: Callable[..., Launcher], tmp_path: Path) -> None:
    first = launch()
    first.wait_for(lambda: "starting the broker" in first.output, "the lock on the data directory")
    second = launch(tmp_path / "data")
    assert second.process.wait(30) == 1
    assert "another Parley runs in" in second.output


def test_settings_that_cannot_be_used_are_told_all_at_once() -> None:
    environ = {**os.environ, "PARLEY_PORT": "none", "PARLEY_REGISTRATION": "perhaps"}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "PARLEY_PORT is 'none': write a whole number." in done.stderr
    assert "PARLEY_REGISTRATION is 'perhaps': write one of open, invite, closed." in done.stderr
