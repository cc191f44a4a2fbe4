"""TLS to the broker and to the database: who vouches for them is checked, and it is told where nobody does."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import trustme

from deploy.nats.config import users
from deploy.nats.keys import new_seed, public_key
from deploy.nats.permissions import ROLES
from shared.broker.access import Access, inbox_of
from shared.broker.connection import Connection
from shared.broker.frame import open_broker
from shared.database.engine import open_engine
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server_over_tls
from tests.support.processes import ROOT
from tests.support.secured import Service

SEEDS = {role: new_seed() for role in ROLES}
UNVERIFIED = "certificate verify failed"
TLS = 'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key" }}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> trustme.LeafCert:
    """A certificate for 127.0.0.1, whose authority is in `authority.pem`; `another.pem` never vouched for it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "another.pem"))
    return authority.issue_cert("127.0.0.1")


@pytest.fixture(scope="module")
def broker(folder: Path, certificate: trustme.LeafCert) -> Iterator[NatsServer]:
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    known = users({role: public_key(seed) for role, seed in SEEDS.items()})
    server = NatsServer(folder, additions=TLS.format(folder=folder) + known)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database(certificate: trustme.LeafCert) -> Iterator[PostgresServer]:
    pem, key = certificate.cert_chain_pems[0].bytes(), certificate.private_key_pem.bytes()
    with postgres_server_over_tls(pem, key) as server:
        yield server


@pytest.fixture
def settings(broker: NatsServer, folder: Path, tmp_path: Path) -> dict[str, str]:
    """What the operator's commands are told; nothing of whoever runs the tests."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
        "PARLEY_NATS_URL": f"tls://127.0.0.1:{broker.port}",
        "PARLEY_NATS_NKEY": SEEDS["operator"],
        "PARLEY_NATS_CA_FILE": str(folder / "authority.pem"),
        "PARLEY_DATA_DIR": str(tmp_path / "data"),
    }


def migrate(settings: dict[str, str]) -> tuple[int, str]:
    """Bring both up to date, in a process of its own: nats-py leaves sockets behind where it trusts nobody."""
    argv = [sys.executable, "-m", "deploy.cli.main", "migrate", "--timeout", "5"]
    run = subprocess.run(argv, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60, check=False)
    return run.returncode, run.stdout + run.stderr


def test_the_broker_is_spoken_to_over_tls(settings: dict[str, str]) -> None:
    code, said = migrate(settings)
    assert code == 0, said


async def test_services_speak_over_it_too(broker: NatsServer, folder: Path) -> None:
    way = Access((f"tls://127.0.0.1:{broker.port}",), SEEDS["history"], folder / "authority.pem", inbox_of("history"))
    connection = Connection(way, "tests")
    frame = open_broker(connection)
    async with asyncio.timeout(20):
        connection.adopt(await frame.connect())
        try:
            assert "connected to" in await connection.probe()
        finally:
            await frame.stop()


@pytest.mark.parametrize("trusted", ["another.pem", ""], ids=["another authority", "the machine's authorities"])
def test_a_broker_for_whom_nobody_vouches_is_not_trusted(settings: dict[str, str], folder: Path, trusted: str) -> None:
    code, said = migrate({**settings, "PARLEY_NATS_CA_FILE": trusted and str(folder / trusted)})
    assert code == 1
    assert UNVERIFIED in said


def test_a_broker_of_another_name_is_not_trusted(settings: dict[str, str]) -> None:
    code, said = migrate({**settings, "PARLEY_NATS_URL": settings["PARLEY_NATS_URL"].replace("127.0.0.1", "localhost")})
    assert code == 1
    assert UNVERIFIED in said


def test_a_service_that_does_not_trust_the_broker_says_so_and_waits(
    settings: dict[str, str], folder: Path, tmp_path: Path, sqlite_url: str
) -> None:
    more = {
        "PARLEY_NATS_NKEY": SEEDS["history"],
        "PARLEY_NATS_CA_FILE": str(folder / "another.pem"),
        "PARLEY_DATABASE_URL": sqlite_url,
    }
    history = Service("history", tmp_path, free_port(), {**settings, **more})
    history.start()
    try:
        history.wait_said(UNVERIFIED)
        assert not history.has_ended_within(2.0)
        assert not history.is_ready()
    finally:
        history.stop()


def test_the_database_is_spoken_to_over_tls(settings: dict[str, str], folder: Path, database: PostgresServer) -> None:
    with database.fresh_database() as plain:
        url = f"{plain}?sslmode=verify-full&sslrootcert={folder}/authority.pem"
        assert migrate({**settings, "PARLEY_DATABASE_URL": url})[0] == 0
        assert asyncio.run(is_encrypted(url))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("?sslmode=verify-full&sslrootcert={folder}/another.pem", UNVERIFIED),
        ("?sslmode=verify-full", UNVERIFIED),
        ("?sslmode=disable", "no encryption"),
    ],
    ids=["another authority", "the machine's authorities", "without TLS"],
)
def test_a_database_for_which_nobody_vouches_is_not_trusted(
    settings: dict[str, str], folder: Path, database: PostgresServer, how: str, why: str
) -> None:
    code, said = migrate({**settings, "PARLEY_DATABASE_URL": database.url("postgres") + how.format(folder=folder)})
    assert code == 1
    assert why in said
    assert database.password not in said


def test_a_database_of_another_name_is_trusted_only_where_names_do_not_count(
    settings: dict[str, str], folder: Path, database: PostgresServer
) -> None:
    url = f"{database.url('postgres')}?sslrootcert={folder}/authority.pem".replace("127.0.0.1", "localhost")
    code, said = migrate({**settings, "PARLEY_DATABASE_URL": f"{url}&sslmode=verify-full"})
    assert code == 1
    assert UNVERIFIED in said
    assert asyncio.run(is_encrypted(f"{url}&sslmode=verify-ca"))


async def is_encrypted(url: str) -> bool:
    """Ask the server whether it speaks over TLS with us."""
    engine = open_engine(url, "reader")
    try:
        async with engine.connect() as connection:
            return bool(await connection.scalar(sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")))
    finally:
        await engine.dispose()
