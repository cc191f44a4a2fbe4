"""A real PostgreSQL for tests: server binaries, else a Docker engine, else skip (fail in CI)."""

import asyncio
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.support import containers
from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_port

BINARIES = Path("/usr/lib/postgresql")
_TLS_ONLY = b"hostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class PostgresServer:
    """Where the server is and how its superuser signs in."""

    host: str
    port: int
    user: str
    password: str

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of `database`."""
        login = f"{self.user}:{self.password}"
        return f"postgresql+asyncpg://{login}@{self.host}:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, on a loop of its own."""

        async def run() -> None:
            connection = await asyncpg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                database="postgres",
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        # In a thread: the test that asks may have a loop of its own already.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, run()).result()

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The URL of an empty database that is dropped afterwards, open connections or not."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the whole test run."""
    binaries = None if containers.are_wanted() else _newest_binaries()
    if binaries is not None:
        with _from_binaries(binaries) as server:
            yield server
    elif _docker_answers():
        with _from_docker() as server:
            yield server
    elif os.environ.get("CI") == "true":
        pytest.fail(f"CI must test PostgreSQL: no server in {BINARIES}, no Docker engine")
    else:
        pytest.skip(f"no PostgreSQL server in {BINARIES} and no Docker engine answers")


@contextlib.contextmanager
def postgres_server_over_tls(certificate: bytes, key: bytes) -> Iterator[PostgresServer]:
    """A server that speaks with nobody but over TLS."""
    binaries = _newest_binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL server in {BINARIES}")
    with _from_binaries(binaries, {"server.pem": certificate, "server.key": key, "hba.conf": _TLS_ONLY}) as server:
        yield server


def _newest_binaries() -> Path | None:
    found = [path.parent for path in BINARIES.glob("*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextlib.contextmanager
def _from_binaries(binaries: Path, tls: Mapping[str, bytes] | None = None) -> Iterator[PostgresServer]:
    # initdb and postgres refuse to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    # Not pytest's own folder: only root may enter that one.
    home = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    try:
        server = PostgresServer("127.0.0.1", free_port(), "postgres", secrets.token_hex(16))
        files = {
            home / name: content for name, content in {"password": server.password.encode(), **(tls or {})}.items()
        }
        for path, content in files.items():
            path.touch(mode=0o600)
            path.write_bytes(content)
        if user is not None:
            account = pwd.getpwnam(user)
            for path in (home, *files):
                os.chown(path, account.pw_uid, account.pw_gid)
        data, log = home / "data", home / "log"
        subprocess.run(
            [
                binaries / "initdb", "--pgdata", data, "--username", server.user,
                "--pwfile", home / "password", "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--no-sync",
            ],
            user=user, group=user, extra_groups=None if user is None else [],
            cwd=home, check=True, capture_output=True,
        )  # fmt: skip
        child = spawn(
            [
                str(binaries / "postgres"), "-D", str(data), "-p", str(server.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "max_connections=200",
                *(() if tls is None else (
                    "-c", "ssl=on", "-c", f"ssl_cert_file={home}/server.pem", "-c", f"ssl_key_file={home}/server.key",
                    "-c", f"hba_file={home}/hba.conf",
                )),
            ],
            log=log, user=user, cwd=home, death_signal=signal.SIGQUIT,
        )  # fmt: skip
        try:
            wait_until(lambda: _accepts(server), child=child, log=log, what="postgres")
            yield server
        finally:
            stop(child, how=signal.SIGINT)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _accepts(server: PostgresServer) -> bool:
    try:
        with socket.create_connection((server.host, server.port), timeout=1):
            pass
        server.execute("SELECT 1")
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    return True


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            check=False,
            capture_output=True,
            timeout=10,
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


@contextlib.contextmanager
def _from_docker() -> Iterator[PostgresServer]:
    with containers.database() as (host, port, password):
        yield PostgresServer(host, port, containers.SUPERUSER, password)
