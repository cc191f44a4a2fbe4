"""`parley doctor` at a broker: the way to it, its streams, the log."""

import json
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nats.js.api import StreamConfig

from deploy.cli.doctor import streams
from deploy.cli.doctor.findings import Level
from deploy.cli.main import main
from deploy.nats.keys import new_seed, public_key
from services.delivery.store import Store
from shared.broker import dead_letters
from shared.broker.connection import Connection
from shared.broker.streams import DUE_CONSUMER, log_state
from shared.contracts import subjects
from shared.contracts.ids import LogId
from tests.support.doctor import Doctor, at_broker, running
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.secured import Installation


def test_a_broker_that_refuses_and_a_name_that_is_none_are_told_apart(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    refused = doctor.row("broker")
    assert "nothing listens there" in refused["seen"]
    assert "PARLEY_NATS_URL" in refused["advice"]
    monkeypatch.setenv("PARLEY_NATS_URL", "nats://no-such-host.invalid:4222")
    unknown = doctor.row("broker")
    assert "'no-such-host.invalid' does not resolve" in unknown["seen"]
    assert "PARLEY_NATS_URL" in unknown["advice"]


def test_one_node_of_several_that_is_away_is_a_warning(
    system: NatsServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()},{system.url}")
    away, present = doctor.rows("broker")
    assert away["level"] == "warning"
    assert present["level"] == "ok"
    assert doctor.row("streams")["level"] == "ok"


def test_another_program_in_the_brokers_place_is_recognised(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as client:
            client.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as thread:
        monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{other.getsockname()[1]}")
        thread.submit(answer, other)
        assert "is no NATS broker" in doctor.row("broker")["seen"]


def test_a_frozen_broker_holds_up_nothing(system: NatsServer, doctor: Doctor) -> None:
    system.pause()
    try:
        began = time.monotonic()
        code, rows = doctor.look()
        assert time.monotonic() - began < 10
    finally:
        system.resume()
    assert code == 1
    row = next(row for row in rows if row["check"] == "broker")
    assert "says nothing" in row["seen"]
    assert "restart" in row["advice"]
    assert next(row for row in rows if row["check"] == "schema")["level"] == "ok"


def with_users(users: str) -> str:
    return f"authorization {{ users = [ {users} ] }}\n"


def test_a_key_that_is_missing_wrong_or_none_is_told_apart(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, other = new_seed(), new_seed()
    with running(NatsServer(tmp_path, additions=with_users(f"{{ nkey: {public_key(seed)} }}"))) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        missing = doctor.row("broker")
        assert "wants a key, and none is set" in missing["seen"]
        assert "PARLEY_NATS_NKEY_FILE" in missing["advice"]
        monkeypatch.setenv("PARLEY_NATS_NKEY", other)
        refused = doctor.row("broker")
        assert "refuses our key" in refused["seen"]
        assert "nats_users.conf" in refused["advice"]
        monkeypatch.setenv("PARLEY_NATS_NKEY", "SUNOSEED")
        broken = doctor.row("broker")
        assert "no nkey's seed" in broken["seen"]
        assert "parley init" in broken["advice"]
        assert "SUNOSEED" not in json.dumps(broken)
        monkeypatch.setenv("PARLEY_NATS_NKEY", seed)
        assert doctor.row("broker")["level"] == "ok"
        assert doctor.row("broker key")["seen"] == "accepted, with all that the commands need"
    file = tmp_path / "gone.nk"
    monkeypatch.delenv("PARLEY_NATS_NKEY")
    monkeypatch.setenv("PARLEY_NATS_NKEY_FILE", str(file))
    assert any(str(file) in row["seen"] and row["level"] == "failure" for row in doctor.rows("settings"))


def test_a_key_that_may_not_do_what_the_commands_need_is_told(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = new_seed()
    allowed = '{ publish: ["$JS.API.STREAM.INFO.>", "$JS.API.CONSUMER.>"], subscribe: ["_INBOX_operator.>"] }'
    user = f"{{ nkey: {public_key(seed)}, permissions: {allowed} }}"
    with running(NatsServer(tmp_path, additions=with_users(user))) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        monkeypatch.setenv("PARLEY_NATS_NKEY", seed)
        row = doctor.row("broker key")
    assert row["level"] == "failure"
    assert "denies 14 of 21 things" in row["seen"]
    assert "$JS.API.STREAM.CREATE.CHAT, " in row["seen"]
    assert "$JS.API.STREAM.INFO" not in row["seen"]
    assert "nats_operator.nk" in row["advice"]


def test_the_key_of_a_service_is_not_taken_for_the_operators(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation(tmp_path)
    with running(installation.broker) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        monkeypatch.setenv("PARLEY_NATS_NKEY_FILE", str(installation.key_file("operator")))
        assert doctor.row("broker key")["level"] == "ok"
        assert doctor.row("secrets")["seen"] == "1 named by settings"
        monkeypatch.setenv("PARLEY_NATS_NKEY_FILE", str(installation.key_file("gateway")))
        _, rows = doctor.look()
    denied, streams_row = (next(row for row in rows if row["check"] == check) for check in ("broker key", "streams"))
    assert "the broker denies" in denied["seen"]
    assert "the rows of broker and database say why" in streams_row["advice"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for "localhost" that vouches for itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("certificates are made with openssl")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "broker.pem", folder / "broker.key"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
            "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_tls_that_does_not_fit_is_told_step_by_step(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    pem, key = certificate
    tls = f'tls {{ cert_file: "{pem}", key_file: "{key}" }}\n'
    with running(NatsServer(tmp_path, additions=tls)) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        plain = doctor.row("broker")
        assert "wants TLS" in plain["seen"]
        assert "tls://" in plain["advice"]
        monkeypatch.setenv("PARLEY_NATS_URL", f"tls://localhost:{server.port}")
        unknown = doctor.row("broker")
        assert "can't be trusted" in unknown["seen"]
        assert "PARLEY_NATS_CA_FILE" in unknown["advice"]
        monkeypatch.setenv("PARLEY_NATS_CA_FILE", str(tmp_path / "gone.pem"))
        assert "gone.pem" in doctor.row("broker")["seen"]
        monkeypatch.setenv("PARLEY_NATS_CA_FILE", str(pem))
        row = doctor.row("broker")
        assert row["level"] == "ok"
        assert "over TLS" in row["seen"]
        monkeypatch.setenv("PARLEY_NATS_URL", f"tls://127.0.0.1:{server.port}")
        name = doctor.row("broker")
        assert "127.0.0.1" in name["seen"]
        assert "a name that is in the certificate" in name["advice"]


def test_tls_that_the_broker_does_not_speak_is_told(
    broker: NatsServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_NATS_URL", broker.url.replace("nats:", "tls:"))
    row = doctor.row("broker")
    assert "does not speak TLS" in row["seen"]
    assert "nats://" in row["advice"]


def test_a_broker_without_jetstream_is_told(tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "bare.conf"
    config.write_text("")
    with running(NatsServer(tmp_path, config=config)) as server:
        monkeypatch.setenv("PARLEY_NATS_URL", server.url)
        row = doctor.row("broker")
    assert "without JetStream" in row["seen"]
    assert "store_dir" in row["advice"]


def test_streams_that_are_missing_or_different_are_told(system: NatsServer, doctor: Doctor) -> None:
    async def spoil(connection: Connection) -> None:
        jetstream = connection.jetstream()
        config: StreamConfig = (await jetstream.stream_info(subjects.CHAT_STREAM)).config
        await jetstream.update_stream(config.evolve(max_age=3600))
        await jetstream.delete_stream(subjects.DLQ_STREAM)
        await jetstream.delete_consumer(subjects.RETRY_STREAM, DUE_CONSUMER)

    at_broker(system, spoil)
    rows = doctor.rows("streams")
    assert {row["level"] for row in rows} == {"failure"}
    assert any("CHAT" in row["seen"] and "max_age" in row["seen"] for row in rows)
    assert any("DLQ" in row["seen"] and "missing" in row["seen"] for row in rows)
    assert any(f"consumer {DUE_CONSUMER}" in row["seen"] for row in rows)
    assert all("parley migrate" in row["advice"] for row in rows)
    assert main(["migrate"]) == 0
    assert doctor.row("streams")["level"] == "ok", "the advice helps"


def test_a_log_that_fills_is_told_before_it_is_full(
    broker: NatsServer, sqlite_url: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("PARLEY_LOG_MAX_BYTES", str(1024**2))
    assert main(["migrate"]) == 0

    async def fill(connection: Connection) -> None:
        for _ in range(8):
            await connection.jetstream().publish(subjects.log(0), bytes(100 * 1024))

    at_broker(broker, fill)
    row = doctor.row("log room")
    assert row["level"] == "warning"
    assert "78%" in row["seen"]
    assert "PARLEY_LOG_MAX_BYTES" in row["advice"]
    assert streams.of_room(96, 100).level is Level.FAILURE
    lag = doctor.row("log lag")
    assert lag["level"] == "failure"
    assert "8 bundles wait" in lag["seen"]
    assert "is delivery up?" in lag["advice"]


@pytest.mark.parametrize("older", ["log", "database"])
def test_a_log_and_a_database_that_do_not_fit_together_are_told(
    system: NatsServer, sqlite_url: str, doctor: Doctor, older: str
) -> None:
    async def part(connection: Connection) -> None:
        for _ in range(5):
            await connection.jetstream().publish(subjects.log(0), b"\x90")
        if older == "database":
            await connection.jetstream().purge_stream(subjects.CHAT_STREAM, seq=4)
        state = await log_state(connection)
        store = Store(sqlite_url)
        await store.accept_gap(
            state.log_id, state.partitions, after_seq=99 if older == "log" else 1, new_epoch="e-test"
        )
        await store.close()

    at_broker(system, part)
    row = doctor.row("log and database")
    assert row["level"] == "failure"
    assert ("ends at 5, but 100 was next" if older == "log" else "begins at 4, but 2 was next") in row["seen"]
    assert "parley restore --accept-gap" in row["advice"]
    assert main(["restore", "--accept-gap", "--yes"]) == 0
    assert doctor.row("log and database")["level"] == "ok", "the advice helps"


def test_a_broker_that_lost_its_store_is_told(system: NatsServer, sqlite_url: str, doctor: Doctor) -> None:
    async def begin(connection: Connection) -> None:
        state = await log_state(connection)
        store = Store(sqlite_url)
        await store.begin_log(state.log_id, state.partitions, after_seq=0, replaces=None)
        await store.close()

    at_broker(system, begin)
    system.stop()
    system.wipe()
    system.start()
    assert main(["migrate"]) == 0
    row = doctor.row("log and database")
    assert row["level"] == "warning"
    assert "lost its store" in row["seen"]


def test_dead_letters_are_told(system: NatsServer, doctor: Doctor) -> None:
    async def bury(connection: Connection) -> None:
        await dead_letters.bury(connection, log_id=LogId("x"), seq=1, index=0, partition=0, reason="no", item=b"\x80")

    at_broker(system, bury)
    row = doctor.row("dead letters")
    assert row["level"] == "warning"
    assert "parley dead-letters list" in row["advice"]
