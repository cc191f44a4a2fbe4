"""Fixtures of the doctor's tests: fresh ground, and a system to be spoilt."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli.main import main
from tests.support.doctor import Doctor, running
from tests.support.nats import NatsServer
from tests.support.ports import free_ports


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """A doctor on fresh ground: no system, ports of its own, nothing in the working directory."""
    for name in os.environ:
        if name.startswith("PARLEY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_PORT", str(free_ports(4)))
    monkeypatch.setenv("PARLEY_NATS_PORT", str(free_ports(2)))
    monkeypatch.chdir(tmp_path)
    return Doctor(capsys)


@pytest.fixture
def broker(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    """A broker that nobody has provisioned, and the setting that leads to it."""
    with running(NatsServer(tmp_path)) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        yield server


@pytest.fixture
def system(broker: NatsServer, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> NatsServer:
    """A migrated system without its services."""
    monkeypatch.setenv("PARLEY_DATABASE_URL", sqlite_url)
    assert main(["migrate"]) == 0
    return broker
