"""`parley doctor` beside a whole system that runs."""

import signal
from pathlib import Path

import pytest

from tests.support.doctor import Doctor
from tests.support.processes import SERVICES, Product

_OF_THE_MACHINE = {"disk", "open files", "secrets"}


def test_a_running_system_is_well_and_one_of_its_services_that_hangs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor = Doctor(capsys)
    with Product(tmp_path) as product:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("PARLEY_PORT", str(product.port))
        monkeypatch.setenv("PARLEY_NATS_PORT", str(product.nats_port))
        rows = [row for row in doctor.look()[1] if row["check"] not in _OF_THE_MACHINE]
        assert {row["level"] for row in rows} == {"ok"}, rows
        assert {row["check"] for row in rows} >= {*SERVICES, "ports", "broker", "streams", "log lag"}

        product.send_signal("presence", signal.SIGSTOP)
        try:
            presence = doctor.row("presence")
        finally:
            product.send_signal("presence", signal.SIGCONT)
    assert presence["level"] == "failure"
    assert "does not answer" in presence["seen"]
    assert "look at its log" in presence["advice"]
