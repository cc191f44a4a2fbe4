"""Fixtures that several suites of the services share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.database.migrate import upgrade
from tests.support.history import Asker, running
from tests.support.sockets import Path, whole_path


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """The URL of a database with all its tables, and nothing in them."""
    upgrade(database_url)
    return database_url


@pytest.fixture
async def history(migrated_url: str, nats_url: str) -> AsyncIterator[Asker]:
    """Whoever asks a running history."""
    async with running(migrated_url, nats_url) as asker:
        yield asker


@pytest.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    """The whole path of a message, without limits on rates."""
    async with whole_path(database_url, nats_url, rate_limits=False) as whole:
        yield whole


@pytest.fixture
async def ann(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client signed in as ann."""
    async with path.http(await path.token_of("ann")) as client:
        yield client


@pytest.fixture
async def ben(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client signed in as ben."""
    async with path.http(await path.token_of("ben")) as client:
        yield client
