"""A broker and a database out of the images that installations run, where PARLEY_TEST_CONTAINERS asks for them.

Only tests that leave the broker alone can have it in a container: who kills and freezes it takes `nats_server`.
"""

import contextlib
import os
import secrets
import warnings
from collections.abc import Iterator
from typing import Final

NATS_IMAGE: Final = os.environ.get("NATS_IMAGE", "nats:2.15-alpine")
POSTGRES_IMAGE: Final = os.environ.get("POSTGRES_IMAGE", "postgres:17-alpine")
SUPERUSER: Final = "postgres"


def are_wanted() -> bool:
    """Tell whether tests shall use containers."""
    return os.environ.get("PARLEY_TEST_CONTAINERS") == "1"


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Run a broker with JetStream; yields its URL."""
    with _library_warnings_ignored():
        # Imported here: only those with an engine need it, and it is slow to import.
        from testcontainers.community.nats import NatsContainer  # noqa: PLC0415

        container = NatsContainer(NATS_IMAGE, jetstream=True).start()
    try:
        yield container.nats_uri()
    finally:
        container.stop()


@contextlib.contextmanager
def database() -> Iterator[tuple[str, int, str]]:
    """Run a PostgreSQL server; yields its host, its port and the password of `SUPERUSER`."""
    password = secrets.token_hex(16)
    with _library_warnings_ignored():
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

        container = PostgresContainer(POSTGRES_IMAGE, username=SUPERUSER, password=password, driver="asyncpg")
        container.with_command("postgres -c max_connections=200").start()
    try:
        yield container.get_container_host_ip(), int(container.get_exposed_port(5432)), password
    finally:
        container.stop()


@contextlib.contextmanager
def _library_warnings_ignored() -> Iterator[None]:
    """Let the library use what it has deprecated itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
