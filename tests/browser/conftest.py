"""Fixtures of the tests in a browser. They and the tests share one event loop: the browser lives on it."""

import inspect
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser.launch import chromium
from tests.support.browser.people import People, Person, folder_name
from tests.support.browser.pictures import failures
from tests.support.browser.site import Site

FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker that asks for a site of one's own."""
    config.addinivalue_line(
        "markers", "own_site(**settings): a product of the test's own, with these settings, that it may kill and stop."
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run the tests of this folder on the loop of the browser; what hangs in a page has no timeout of its own."""
    item.add_marker(pytest.mark.timeout(60))
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know whether the test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the whole run."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The product for all tests that leave it alone."""
    async with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A product for one test, with the settings that its marker gives."""
    marker = request.node.get_closest_marker("own_site")
    async with Site(tmp_path, marker.kwargs) as running:
        yield running


@pytest.fixture
def site(request: pytest.FixtureRequest, browser: Browser) -> Site:
    """The running product: shared, or with the marker `own_site` the test's own."""
    is_own = request.node.get_closest_marker("own_site") is not None
    running: Site = request.getfixturevalue("own_site" if is_own else "shared_site")
    return running


@pytest_asyncio.fixture(loop_scope="session")
async def people(request: pytest.FixtureRequest, browser: Browser, site: Site) -> AsyncIterator[People]:
    """Everybody in the test; fails it where a page complained about anything that the test did not allow."""
    everybody = People(browser, site)
    try:
        yield everybody
        complaints = await everybody.complaints()
        if complaints or request.node.stash.get(FAILED, False):
            folder = failures() / folder_name(request.node.nodeid)
            await everybody.keep_evidence(folder)
            where = f"What the pages looked like and said: {folder}\nWhat the product said: {site.product.log}"
            request.node.add_report_section("teardown", "evidence", where)
    finally:
        await everybody.end()
    if complaints:
        pytest.fail("\n".join(("The pages complained:", *complaints)), pytrace=False)


@pytest_asyncio.fixture(loop_scope="session")
async def ann(people: People) -> Person:
    """Somebody at a signed-in desk."""
    return await people.join("ann")


@pytest_asyncio.fixture(loop_scope="session")
async def ben(people: People) -> Person:
    """Somebody else at a signed-in desk."""
    return await people.join("ben")
