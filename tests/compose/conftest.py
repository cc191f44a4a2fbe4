"""Fixtures of the tests in containers. They need an engine with Compose, and are run by `make test-compose` alone."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.compose import IMAGE, SERVICES, Project, docker, require_engine

FIGURES = pytest.StashKey[list[str]]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Containers take their time where the machine is busy."""
    item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("measured")
        for line in figures:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def figure(pytestconfig: pytest.Config) -> Callable[[str, object], None]:
    """Note a figure by its name, to be printed when all is over."""
    figures = pytestconfig.stash.setdefault(FIGURES, [])
    return lambda name, value: figures.append(f"{name}: {value}")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, figure: Callable[[str, object], None]) -> None:
    """The project's images, built from this checkout."""
    require_engine()
    begun = time.monotonic()
    project = Project(tmp_path_factory.mktemp("images"))
    project.build("cli", *SERVICES)
    figure("build of the images", f"{time.monotonic() - begun:.1f} s")
    for name in (*SERVICES, "cli"):
        size = int(docker("image", "inspect", "--format", "{{.Size}}", f"{IMAGE}-{name}:{project.version}"))
        figure(f"image of {name}", f"{size / 1e6:.0f} MB, base included")


@pytest.fixture(scope="session")
def installation(
    images: None, tmp_path_factory: pytest.TempPathFactory, figure: Callable[[str, object], None]
) -> Iterator[Project]:
    """One installation for the tests of docker-compose.yml alone; each leaves it as a whole that `up` completes."""
    with Project(tmp_path_factory.mktemp("installation"), ports=3) as project:
        figure("from nothing to all healthy", f"{project.up():.1f} s")
        figure("memory at rest", ", ".join(f"{name} {used}" for name, used in project.memory().items()))
        yield project


@pytest.fixture
def project(installation: Project) -> Project:
    """The installation, all of it up and healthy."""
    if not installation.is_healthy():
        installation.up()
    return installation
