"""`parley doctor` on a machine: data, disk, ports, secrets, clocks, services."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.cli.doctor import limits, place
from deploy.cli.doctor.command import look
from deploy.cli.doctor.findings import Finding, Level
from deploy.cli.doctor.place import Mount, Room
from deploy.cli.doctor.settings import read
from deploy.cli.main import main
from deploy.nats.keys import new_seed
from shared.database.migrate import upgrade
from shared.runtime import clock
from tests.support.children import spawn, stop, wait_until
from tests.support.doctor import Doctor, Row
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.processes import ROOT

AS_NOBODY = """
import os, pwd, sys
from deploy.cli.main import main

nobody = pwd.getpwnam("nobody")  # who may not even read this Python: it is imported before
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
sys.exit(main(["doctor", "--json"]))
"""


def as_nobody(home: Path) -> tuple[int, list[Row]]:
    """Run the command as a user who owns nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    environ = {**os.environ, "PARLEY_DATA_DIR": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["checks"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own are ours alone."""
    made = Path(tempfile.mkdtemp(prefix="parley-doctor-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def named(rows: list[Row], check: str) -> Row:
    (row,) = (row for row in rows if row["check"] == check)
    return row


def test_a_data_directory_that_is_a_file_is_told(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "file"))
    row = doctor.row("data directory")
    assert row["level"] == "failure"
    assert "is not a directory" in row["seen"]
    assert "PARLEY_DATA_DIR" in row["advice"]


def test_a_data_directory_of_somebody_else_is_told(doctor: Doctor, folder: Path) -> None:
    code, rows = as_nobody(folder / "data")
    assert code == 1
    row = named(rows, "data directory")
    assert row["level"] == "failure"
    assert f"{folder} can't be written by nobody: it is root's" in row["seen"]
    assert "chown -R nobody" in row["advice"]


def test_files_that_another_user_left_in_the_data_directory_are_told(doctor: Doctor, folder: Path) -> None:
    home = folder / "data"
    home.mkdir()
    shutil.chown(home, "nobody")
    upgrade(f"sqlite+aiosqlite:///{home}/parley.db")
    (home / "jetstream").mkdir(0o700)
    _, rows = as_nobody(home)
    directory, file = named(rows, "data directory"), named(rows, "database file")
    assert f"{home}/jetstream can't be written by nobody" in directory["seen"]
    assert f"{home}/parley.db can't be written by nobody" in file["seen"]
    assert "chown nobody" in file["advice"]


def test_data_that_everybody_can_read_is_told(folder: Path) -> None:
    home = folder / "data"
    home.mkdir(0o755)
    row = place.of_directory(home)
    assert row.level is Level.WARNING
    assert row.advice == f"chmod 700 {home}"
    home.chmod(0o700)
    assert place.of_directory(home).level is Level.OK


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path) -> None:
    plenty = Room(warning_share=0.0, failure_share=0.0, failure_bytes=0)
    assert place.of_disk(tmp_path / "not" / "there" / "yet", plenty).level is Level.OK
    tight = place.of_disk(tmp_path, plenty._replace(warning_share=1.0))
    assert tight.level is Level.WARNING
    assert "PARLEY_DATA_DIR" in tight.advice
    assert place.of_disk(tmp_path, plenty._replace(failure_share=1.0)).level is Level.FAILURE
    assert place.of_disk(tmp_path, plenty._replace(failure_bytes=1 << 60)).level is Level.FAILURE


def test_a_small_disk_is_told_by_the_command(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mountpoint = tmp_path / "small"
    mountpoint.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(mountpoint)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    try:
        monkeypatch.setenv("PARLEY_DATA_DIR", str(mountpoint))
        row = doctor.row("disk")
    finally:
        subprocess.run([shutil.which("umount") or "umount", str(mountpoint)], check=True)
    assert row["level"] == "failure"
    assert "16.0 MiB" in row["seen"]
    assert "a full disk stops the broker" in row["advice"]


def test_a_write_ahead_log_that_a_reader_keeps_from_shrinking_is_told(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM account").fetchall()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("CREATE TABLE filler (text)")
            writer.execute("INSERT INTO filler VALUES (zeroblob(200000))")
            (row,) = place.of_file(path, place.mounts(), wal_bytes=100_000)
    assert row.level is Level.WARNING
    assert "has grown to" in row.seen
    assert "long reading transaction" in row.advice
    assert place.of_file(path, place.mounts())[0].level is Level.OK


def test_a_database_file_on_a_network_filesystem_is_told(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    known = [Mount(Path("/"), "ext4"), Mount(tmp_path.resolve(), "nfs4")]
    (row,) = place.of_file(path, known)
    assert row.level is Level.FAILURE
    assert "network filesystem (nfs4)" in row.seen
    assert "PARLEY_DATABASE_URL" in row.advice
    assert place.filesystem_of(tmp_path, place.mounts()), "this machine's own are known"


def test_a_port_that_is_taken_is_told_with_the_program_that_has_it(doctor: Doctor) -> None:
    local = read(os.environ).local
    assert local is not None
    with socket.create_server(("127.0.0.1", local.port + 2)), socket.create_server(("127.0.0.1", local.nats_port)):
        history, broker = doctor.rows("ports")
    assert history["level"] == "failure"
    assert f"port {local.port + 2}, for history, is taken by" in history["seen"]
    assert f"process {os.getpid()}" in history["seen"]
    assert "PARLEY_PORT" in history["advice"]
    assert "PARLEY_NATS_PORT" in broker["advice"]
    assert doctor.row("ports")["level"] == "ok"


def test_few_open_files_are_told() -> None:
    few = limits.of_limit(1024, 1_048_576)
    assert few.level is Level.WARNING
    assert "824 clients" in few.seen
    assert "ulimit -n 65536" in few.advice
    assert limits.of_limit(256, 256).level is Level.FAILURE
    assert limits.of_limit(65_536, 65_536).level is Level.OK


def test_secrets_that_others_can_read_are_told(folder: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = folder / "operator.nk"
    seed.write_text(new_seed())
    seed.chmod(0o644)
    monkeypatch.setenv("PARLEY_NATS_NKEY_FILE", str(seed))
    row = doctor.row("secrets")
    assert row["level"] == "warning"
    assert row["advice"] == f"chmod 600 {seed}"
    seed.chmod(0o600)
    assert doctor.row("secrets")["level"] == "ok"


def test_a_folder_of_secrets_is_looked_through(doctor: Doctor, tmp_path: Path) -> None:
    assert main(["init"]) == 0
    secrets = tmp_path / "secrets"
    assert doctor.row("secrets")["seen"] == "./secrets is complete"
    secrets.chmod(0o755)
    (secrets / "nats_history.nk").unlink()
    (secrets / "nats_gateway.nk").write_text(new_seed())
    (secrets / "postgres_password").write_text("another")
    rows = doctor.rows("secrets")
    advice = {row["seen"]: row["advice"] for row in rows}
    assert advice["others on this machine can enter ./secrets"] == "chmod 700 secrets"
    assert "parley init --refresh" in advice["./secrets lacks nats_history.nk"]
    assert any("nats_gateway.nk is not among the broker's users" in seen for seen in advice)
    assert any("postgres_password" in seen and "is not the one" in seen for seen in advice)
    assert main(["init", "--refresh"]) == 0
    assert not any("nats_" in row["seen"] for row in doctor.rows("secrets")), "the advice helps"


def test_clocks_that_are_apart_are_told(system: NatsServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", postgres_url)

    def rows(ahead_s: float) -> list[Finding]:
        found = asyncio.run(look(read(os.environ), lambda: clock.now() + timedelta(seconds=ahead_s)))
        return [row for row in found if row.check == "clock"]

    assert [row.level for row in rows(0)] == [Level.OK, Level.OK]
    assert [row.level for row in rows(3)] == [Level.WARNING, Level.WARNING]
    broker, database = rows(-30)
    assert broker.level is database.level is Level.FAILURE
    assert "s behind that of the broker" in broker.seen
    assert "s behind that of PostgreSQL" in database.seen
    assert "NTP" in broker.advice


def test_services_that_are_away_foreign_or_not_ready_are_told(
    broker: NatsServer, sqlite_url: str, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, history = free_port(), free_port()
    environ = {**os.environ, "PARLEY_DATABASE_URL": sqlite_url, "PARLEY_HTTP_PORT": str(history)}
    log = tmp_path / "history.log"
    child = spawn([sys.executable, "-m", "services.history.app"], log=log, env=environ, cwd=ROOT)
    try:
        wait_until(lambda: not _is_free(history), child=child, log=log, what="history")
        services = f"http://127.0.0.1:{silent},http://127.0.0.1:{history},http://127.0.0.1:{broker.monitor_port}"
        away, unready, foreign = doctor.rows("127.0.0.1", "--services", services)
    finally:
        stop(child, how=signal.SIGTERM)
    assert f"nothing listens at 127.0.0.1:{silent}" in away["seen"]
    assert "not ready" in unready["seen"]
    assert "parley migrate" in unready["seen"]
    assert "something else answers" in foreign["seen"]
    unknown = doctor.row("no-such-host.invalid", "--services", "http://no-such-host.invalid:8080")
    assert "does not resolve" in unknown["seen"]
    monkeypatch.setenv("PARLEY_SERVICES", f"http://127.0.0.1:{silent}")
    assert doctor.row("127.0.0.1")["level"] == "failure", "the setting says the same"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
