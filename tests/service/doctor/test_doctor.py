"""`parley doctor`: each trouble is brought about for real, and the doctor says what it saw and what to do."""

import time

import pytest

from deploy.cli.doctor.examination import examine
from deploy.cli.doctor.findings import Finding, Level, fine
from deploy.cli.doctor.threads import in_thread
from deploy.cli.main import main
from tests.support.doctor import Doctor
from tests.support.nats import NatsServer


def test_what_is_well_is_told_and_nothing_fails(system: NatsServer, doctor: Doctor) -> None:
    code, rows = doctor.look()
    assert code == 0, rows
    levels = {row["check"]: row["level"] for row in rows}
    assert levels.pop("services") == "warning", "nobody knows where they run"
    assert levels.pop("secrets") == "skipped"
    levels.pop("disk")
    levels.pop("open files")
    assert set(levels.values()) == {"ok"}, rows
    assert {"broker", "broker key", "streams", "log room", "log and database", "log lag", "clock"} <= levels.keys()


def test_without_a_system_it_says_how_to_start_one(doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = doctor.look()
    assert code == 1
    failing = [row for row in rows if row["level"] == "failure" and row["check"] != "disk"]
    assert [row["check"] for row in failing] == ["services"]
    assert "make run" in failing[0]["advice"]
    assert "docker compose up" in failing[0]["advice"]
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  services" in shown
    assert "→ start it with `make run`" in shown
    assert "\033" not in shown, "colours are for terminals"


def test_settings_that_cannot_be_used_are_told_and_the_rest_is_looked_at(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_LOG_PARTITIONS", "many")
    monkeypatch.setenv("PARLEY_LIMIT_MESSAGES_PER_S", "0")
    code, rows = doctor.look()
    assert code == 1
    told = [row["seen"] for row in rows if row["check"] == "settings"]
    assert any("PARLEY_LOG_PARTITIONS is 'many'" in each and "write a whole number" in each for each in told)
    assert any("PARLEY_LIMIT_MESSAGES_PER_S" in each for each in told), "a service would refuse it"
    assert next(row for row in rows if row["check"] == "data directory")["level"] == "ok"


def test_settings_of_the_place_that_cannot_be_used_stop_only_what_needs_them(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_PORT", "80a")
    code, rows = doctor.look()
    assert code == 1
    levels = {row["check"]: row["level"] for row in rows}
    assert levels["settings"] == "failure"
    assert levels["python"] == "ok"
    assert levels["broker"] == levels["database"] == levels["ports"] == levels["services"] == "skipped"


def test_a_misspelt_setting_is_noticed(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_NATS_ULR", "nats://127.0.0.1:1")
    monkeypatch.setenv("PARLEY_RATE_LIMITS", "off")
    monkeypatch.setenv("PARLEY_PUBLIC_URL", "http://chat.example.org")
    typo, limits_off, no_tls = doctor.rows("settings")
    assert "PARLEY_NATS_ULR" in typo["seen"]
    assert typo["advice"] == "is PARLEY_NATS_URL meant?"
    assert "load tests" in limits_off["advice"]
    assert "https" in no_tls["advice"]


async def test_a_check_that_breaks_or_hangs_costs_only_its_own_row() -> None:
    async def breaks() -> list[Finding]:
        raise RuntimeError("a slip")

    async def hangs() -> list[Finding]:
        await in_thread(lambda: time.sleep(3))  # as a dead network disk does: no cancellation reaches it
        return [fine("hangs", "never said")]

    async def works() -> list[Finding]:
        return [fine("works", "well")]

    began = time.monotonic()
    broken, hung, well = await examine({"breaks": breaks, "hangs": hangs, "works": works}, timeout_s=0.3)
    assert time.monotonic() - began < 2
    assert (broken.level, hung.level, well.level) == (Level.FAILURE, Level.FAILURE, Level.OK)
    assert "RuntimeError: a slip" in broken.seen
    assert "no answer within 0.3 s" in hung.seen
