"""The client as it is built: it opens without a network, and a newer build waits until the page lets it in."""

import asyncio
import base64
import hashlib
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import Error as PlaywrightError

from services.gateway.api.client import DIRECTORY
from tests.support.browser.launch import PATIENCE_MS
from tests.support.gateway import gateway_settings, prepare, running_gateway

IN_CONTROL = "navigator.serviceWorker.controller !== null"
LET_IN = "navigator.serviceWorker.getRegistration().then((found) => found.waiting.postMessage('skip-waiting'))"
LOOK_FOR_ANOTHER = "navigator.serviceWorker.getRegistration().then((found) => found.update())"
IS_WAITING = "navigator.serviceWorker.getRegistration().then((found) => found.waiting !== null)"
KEPT = "caches.keys()"
BUILD = "document.documentElement.dataset.build ?? 'first'"


class Shop:
    """A gateway with a copy of the built client, which can be replaced by another build."""

    def __init__(self, folder: Path, database_url: str, nats_url: str) -> None:
        self._web = folder / "web"
        shutil.copytree(DIRECTORY, self._web)
        self._settings = gateway_settings(database_url, nats_url)
        self._open = AsyncExitStack()
        self.url = f"http://127.0.0.1:{self._settings.http_port}"

    async def __aenter__(self) -> Self:
        await prepare(self._settings.database_url, self._settings.nats_url)
        await self.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def open(self) -> None:
        await self._open.enter_async_context(running_gateway(self._settings, web=self._web))

    async def close(self) -> None:
        await self._open.aclose()

    async def replace_build(self, *, with_its_page: bool = True) -> None:
        """Serve another build: another page, and a worker that expects it."""
        await self.close()
        for compressed in [*self._web.glob("*.br"), *self._web.glob("*.gz")]:
            compressed.unlink()
        page, worker = self._web / "index.html", self._web / "sw.js"
        former = page.read_bytes()
        another = former.replace(b"<html ", b'<html data-build="another" ', 1)
        assert another != former
        written = worker.read_text().replace(_integrity(former), _integrity(another))
        written, count = re.subn(r'"[0-9a-f]{16}"', '"another"', written)
        assert count == 1
        worker.write_text(written)
        if with_its_page:
            page.write_bytes(another)
        await self.open()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(tmp_path: Path, sqlite_url: str, nats_url: str) -> AsyncIterator[Shop]:
    if not DIRECTORY.exists():
        pytest.fail("the browser client is not built: make web")
    async with Shop(tmp_path, sqlite_url, nats_url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, shop: Shop) -> AsyncIterator[BrowserContext]:
    async with await browser.new_context(base_url=shop.url) as running:
        yield running


async def until(page: Page, condition: str) -> None:
    """Ask until it is so, also while the page reloads. The page's policy forbids Playwright's own waiting."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            with suppress(PlaywrightError):
                if await page.evaluate(condition):
                    return
            await asyncio.sleep(0.05)


async def opened(context: BrowserContext, path: str = "/") -> Page:
    """Open a page which its service worker is in control of."""
    page = await context.new_page()
    await page.goto(path)
    await until(page, IN_CONTROL)
    return page


async def test_it_opens_without_a_network_at_any_of_its_addresses(context: BrowserContext, shop: Shop) -> None:
    page = await opened(context)
    await shop.close()
    for path in ("/", "/c/never-seen", "/settings", "/settings/sessions"):
        await page.goto(path)
        await expect(page).to_have_title(re.compile("Parley"))
        await expect(page.locator("#app > *")).not_to_have_count(0)
    for path in ("/schema", "/health/ready", "/api/v1/me", "/c", "/settings/a/b"):
        with pytest.raises(PlaywrightError, match="ERR_CONNECTION_REFUSED"):
            await page.goto(path)


async def test_another_build_waits_until_it_is_let_in_and_then_every_tab_reloads(
    context: BrowserContext, shop: Shop
) -> None:
    first, second = await opened(context), await opened(context, "/settings")
    loads = 0

    def count_load(_page: Page) -> None:
        nonlocal loads
        loads += 1

    former = await first.evaluate(KEPT)
    await shop.replace_build()
    first.on("load", count_load)
    await first.evaluate(LOOK_FOR_ANOTHER)
    await until(first, IS_WAITING)
    await first.reload()
    assert await first.evaluate(BUILD) == "first"
    await first.evaluate(LET_IN)
    for page in (first, second):
        await until(page, f"({BUILD}) === 'another'")
    kept = await first.evaluate(KEPT)
    assert len(kept) == 1
    assert kept != former
    await first.wait_for_load_state()
    assert loads == 2, "the reload of this test, and one of the page's own"


async def test_the_page_of_one_build_is_never_kept_with_the_worker_of_another(
    context: BrowserContext, shop: Shop
) -> None:
    """Two gateways of different builds may answer in turn while an update goes out."""
    page = await opened(context)
    former = await page.evaluate(KEPT)
    await shop.replace_build(with_its_page=False)
    with suppress(PlaywrightError):  # browsers tell a refused worker in different ways
        await page.evaluate(LOOK_FOR_ANOTHER)
    await until(page, "navigator.serviceWorker.getRegistration().then((found) => !found.installing && !found.waiting)")
    await shop.close()
    await page.goto("/")
    assert await page.evaluate(BUILD) == "first"
    await expect(page.locator("#app > *")).not_to_have_count(0)
    assert former[0] in await page.evaluate(KEPT)


def _integrity(content: bytes) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"
