"""Tabs of one browser are one client: they share a socket, what waits, what is read, and who is signed in."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx
from playwright.async_api import Page, Route, expect

from tests.support.browser.launch import PATIENCE_MS
from tests.support.browser.pages import begin_chat, chat, composer, message, say, sign_out, tick
from tests.support.browser.people import Person
from tests.support.browser.site import Site
from tests.support.browser.witness import expect_in_order, numbered, watch_order

WIPED = "indexedDB.databases().then((all) => all.filter(({ name }) => name.startsWith('parley')).length === 0)"


async def sockets(site: Site) -> int:
    """How many sockets the gateway has open."""
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        metrics = (await client.get("/metrics")).text
    found = re.search(r"^\w*_sockets (\d+)", metrics, re.MULTILINE)
    assert found is not None, metrics
    return int(found[1])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def in_two_tabs(ann: Person, ben: Person) -> Page:
    """Ann looks at a conversation with Ben in two tabs; returns the second."""
    await begin_chat(ann.page, ben)
    await say(ann.page, "ann 001")
    await expect(tick(message(ann.page, "ann 001"), "Delivered")).to_be_visible()
    second = await ann.another_tab(ann.page.url)
    await expect(tick(message(second, "ann 001"), "Delivered")).to_be_visible()
    for page in (ann.page, second):
        await watch_order(page)
    return second


def answer_after_the_socket_closed(site: Site) -> Callable[[Route], Awaitable[None]]:
    """Let a page know last that it is signed out."""

    async def is_closed() -> bool:
        return await sockets(site) == 1

    async def answer(route: Route) -> None:
        response = await route.fetch()
        await until(is_closed)
        await route.fulfill(response=response)

    return answer


async def test_tabs_share_one_socket_and_what_is_written_shows_in_all(ann: Person, ben: Person, site: Site) -> None:
    second = await in_two_tabs(ann, ben)

    async def is_one_each() -> bool:
        return await sockets(site) == 2

    await until(is_one_each)
    await chat(ben.page, ann).click()
    for page, text in ((second, "ann 002"), (ann.page, "ann 003"), (second, "ann 004")):
        await say(page, text)
    await say(ben.page, "ben 001")
    texts = [*numbered("ann", 1, 2, 3, 4), "ben 001"]
    for page in (ann.page, second):
        await expect(tick(message(page, "ann 004"), "Read")).to_be_visible()
        await expect_in_order(page, texts)
    assert await sockets(site) == 2


async def test_another_tab_takes_over_what_the_closed_one_was_sending(ann: Person, ben: Person) -> None:
    second = await in_two_tabs(ann, ben)
    await chat(ben.page, ann).click()
    await watch_order(ben.page)
    ann.line.slow_down(0.2)
    texts = numbered("ann", *range(1, 9))
    for text in texts[1:]:
        await say(ann.page, text)
    await expect(tick(message(second, texts[-1]), "Waiting to be sent")).to_be_visible()
    await ann.page.close()
    await expect(tick(message(second, texts[-1]), "Read")).to_be_visible()
    for page in (second, ben.page):
        await expect_in_order(page, texts)


async def test_what_is_read_in_one_tab_is_read_in_all(ann: Person, ben: Person) -> None:
    await ben.send(ann, "ben 001")
    second = await ann.another_tab()
    for page in (ann.page, second):
        await expect(chat(page, ben)).to_contain_text("1 unread message")
        await expect(page).to_have_title("(1) Parley")
    await chat(ann.page, ben).click()
    for page in (ann.page, second):
        await expect(chat(page, ben)).not_to_contain_text("unread")
    await expect(second).to_have_title("Parley")


async def test_a_draft_shows_in_the_other_tab_unless_something_is_written_there(ann: Person, ben: Person) -> None:
    second = await in_two_tabs(ann, ben)
    await composer(ann.page).fill("from the first")
    await expect(composer(second)).to_have_value("from the first")
    await composer(second).fill("")
    await expect(composer(ann.page)).to_have_value("")
    await composer(second).fill("own words")
    await composer(ann.page).fill("other words")
    await expect(composer(second)).to_have_value("own words")
    await say(ann.page, "ann 002")
    await expect(message(second, "ann 002")).to_be_visible()
    await expect(composer(second)).to_have_value("own words")


async def test_signing_out_in_one_tab_signs_out_all_and_wipes_the_browser(ann: Person, ben: Person, site: Site) -> None:
    ann.may_be_refused(401)
    second = await in_two_tabs(ann, ben)
    assert not await second.evaluate(WIPED)
    await second.route("**/api/v1/auth/logout", answer_after_the_socket_closed(site))
    await sign_out(second)
    for page in (ann.page, second):
        await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        await expect(page.get_by_text("Your session has ended.")).to_be_hidden()

    async def is_wiped() -> bool:
        return bool(await ann.page.evaluate(WIPED))

    await until(is_wiped)
    await ann.page.reload()
    await expect(ann.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
