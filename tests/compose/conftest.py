"""Fixtures of the tests in containers. They need an engine with Compose, and are run by `make test-compose` alone."""

from collections.abc import Iterator

import pytest

from tests.support.compose import Project, require_engine


def pytest_itemcollected(item: pytest.Item) -> None:
    """Containers take their time where the machine is busy."""
    item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The project's images, built from this checkout."""
    require_engine()
    Project(tmp_path_factory.mktemp("images")).build()


@pytest.fixture(scope="session")
def installation(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One installation for the tests of docker-compose.yml alone; each leaves it as a whole that `up` completes."""
    with Project(tmp_path_factory.mktemp("installation"), ports=3) as project:
        yield project


@pytest.fixture
def project(installation: Project) -> Project:
    """The installation, all of it up and healthy."""
    installation.up()
    return installation
