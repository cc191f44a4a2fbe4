"""Fixtures of all suites: real databases and a real broker, each test on fresh ground."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import containers, hang, lanes
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresServer, postgres_server

settings.register_profile("busy machine", settings(), deadline=None)
settings.load_profile("busy machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes the longest."""
    lanes.arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> lanes.Lanes:
    """Share the tests among several workers (`-n`)."""
    return lanes.Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say where a test that pytest-timeout ended was waiting."""
    report = yield
    if report.failed and "from pytest-timeout" in report.longreprtext:
        report.sections.append((f"asyncio tasks of {item.name}", hang.stacks()))
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run, or for each worker's part of it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/parley.db"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A running broker of the module's own, to be killed and restarted."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def nats_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the module's broker."""
    if containers.are_wanted():
        with containers.broker() as url:
            yield url
    else:
        server: NatsServer = request.getfixturevalue("nats_server")
        yield server.url
