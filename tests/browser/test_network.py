"""On a bad network: nothing lost, nothing doubled, always in order."""

import asyncio
import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser.clock import set_clock, stop_clock
from tests.support.browser.pages import begin_chat, chat, composer, message, say, sign_in, tick
from tests.support.browser.people import Person
from tests.support.browser.witness import bubbles, expect_in_order, numbered, watch_order

IMPATIENT = "Math.random = () => 0.03"
"""Waits between tries are a small part of the longest ones."""
PATIENCE_MS = 30_000
FOUND_MS = 5_000
"""A link that is asked for a sign of life, and gives none, is dead."""


def banner(page: Page) -> Locator:
    """What is said about the connection."""
    return page.locator(".banner")


async def meet(ann: Person, ben: Person) -> None:
    """Both look at their conversation, and are watched."""
    await begin_chat(ann.page, ben)
    await say(ann.page, "ann 001")
    await chat(ben.page, ann).click()
    await expect(tick(message(ann.page, "ann 001"), "Read")).to_be_visible()
    for person in (ann, ben):
        person.may_lose_network()
        await watch_order(person.page)


async def type_until_seen(one: Person, other: Person) -> None:
    """Let somebody write until the other one is told."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await other.page.get_by_text(f"{one.display_name} is typing").is_visible():
            await composer(one.page).press_sequentially("a")


async def expect_stored(ann: Person, ben: Person, texts: list[str]) -> None:
    """The server has exactly these messages, in this order."""
    page = (await ann.http.get(f"/messages/history/{ben.username}/", params={"page_size": 200})).json()
    assert [item["content"] for item in page["messages"]] == texts


async def test_what_is_written_offline_waits_and_goes_out_once_in_order(ann: Person, ben: Person) -> None:
    await set_clock(ann.page)
    await meet(ann, ben)
    await stop_clock(ann.page)
    await ann.device.context.set_offline(offline=True)
    for text in numbered("ann", 2, 3, 4):
        await say(ann.page, text)
        await expect(tick(message(ann.page, text), "Waiting to be sent")).to_be_visible()
    await ann.page.clock.run_for(FOUND_MS)
    await expect(ann.page.get_by_role("main").get_by_text("online")).to_be_hidden()  # it is known that nothing is
    await ann.page.clock.run_for(1_999)
    await expect(banner(ann.page)).to_be_hidden()
    await ann.page.clock.run_for(1)
    await expect(banner(ann.page)).to_have_text("You are offline. 3 messages will be sent when you are back.")
    await ann.device.context.set_offline(offline=False)
    await ann.page.clock.resume()
    texts = numbered("ann", 1, 2, 3, 4)
    await expect(tick(message(ann.page, "ann 004"), "Read")).to_be_visible()
    await expect(banner(ann.page)).to_be_hidden()
    for page in (ann.page, ben.page):
        await expect_in_order(page, texts)
    await expect_stored(ann, ben, texts)


async def test_a_link_that_died_without_a_word_is_found_by_an_unanswered_message(ann: Person, ben: Person) -> None:
    await set_clock(ann.page)
    await meet(ann, ben)
    ann.line.stall()
    ann.line.restore()
    await ben.send(ann, "ben 001")
    await say(ann.page, "ann 002")
    await expect(tick(message(ann.page, "ann 002"), "Waiting to be sent")).to_be_visible()
    await ann.page.clock.run_for(3_000)
    await ann.page.clock.run_for(FOUND_MS)
    await expect(tick(message(ann.page, "ann 002"), "Read")).to_be_visible()
    texts = ["ann 001", "ben 001", "ann 002"]
    for page in (ann.page, ben.page):
        await expect_in_order(page, texts)
    await expect_stored(ann, ben, texts)


async def test_a_machine_that_slept_finds_its_link_dead(ann: Person, ben: Person) -> None:
    await set_clock(ann.page)
    await meet(ann, ben)
    ann.line.stall()
    ann.line.restore()
    await ben.send(ann, "ben 001")
    await ann.page.clock.fast_forward(60_000)
    await ann.page.clock.run_for(FOUND_MS)
    await expect(message(ann.page, "ben 001")).to_be_visible()
    await expect_in_order(ann.page, ["ann 001", "ben 001"])


async def test_a_cut_line_is_tried_again_and_at_once_when_somebody_asks(ann: Person, ben: Person) -> None:
    await set_clock(ann.page)
    await meet(ann, ben)
    ann.line.cut()
    await say(ann.page, "ann 002")
    await expect(banner(ann.page)).to_have_text(re.compile("No connection. 1 message will be sent when you are back."))
    await expect(banner(ann.page)).to_have_text(re.compile(r"Trying again in \d+ seconds?\."), timeout=PATIENCE_MS)
    await stop_clock(ann.page)
    ann.line.restore()
    await banner(ann.page).get_by_role("button", name="Try now").press("Enter")
    await expect(banner(ann.page)).to_be_hidden()  # no timer of the page has done that
    await ann.page.clock.resume()
    await expect(tick(message(ann.page, "ann 002"), "Read")).to_be_visible()
    for page in (ann.page, ben.page):
        await expect_in_order(page, numbered("ann", 1, 2))


async def test_without_sockets_it_works_by_requests_and_says_so(ann: Person, ben: Person) -> None:
    ann.may_be_refused(403)
    await ann.device.context.add_init_script(IMPATIENT)
    await ann.page.reload()
    await meet(ann, ben)
    ann.line.refuse_sockets()
    await expect(banner(ann.page)).to_have_text("Connected without a live socket: a little slower.")
    await say(ann.page, "ann 002")
    await expect(tick(message(ann.page, "ann 002"), "Read")).to_be_visible()
    await type_until_seen(ben, ann)
    await say(ben.page, "ben 001")
    await expect(tick(message(ben.page, "ben 001"), "Read")).to_be_visible()
    await type_until_seen(ann, ben)
    ann.line.slow_down(1)
    await say(ann.page, "ann 003")
    ann.line.restore()
    await expect(banner(ann.page)).to_be_hidden(timeout=PATIENCE_MS)
    await expect(tick(message(ann.page, "ann 003"), "Read")).to_be_visible(timeout=8_000)
    await say(ann.page, "ann 004")
    await expect(tick(message(ann.page, "ann 004"), "Read")).to_be_visible()
    texts = ["ann 001", "ann 002", "ben 001", "ann 003", "ann 004"]
    for page in (ann.page, ben.page):
        await expect_in_order(page, texts)
    await expect_stored(ann, ben, texts)


async def test_a_page_reloaded_while_it_sends_over_a_slow_line_goes_on(ann: Person, ben: Person) -> None:
    await meet(ann, ben)
    ann.line.slow_down(0.15)
    texts = numbered("ann", *range(1, 8))
    for text in texts[1:]:
        await say(ann.page, text)
    await expect(tick(message(ann.page, texts[-1]), "Waiting to be sent")).to_be_visible()
    await ann.page.reload()
    await watch_order(ann.page)
    await expect(tick(message(ann.page, texts[-1]), "Read")).to_be_visible(timeout=PATIENCE_MS)
    for page in (ann.page, ben.page):
        await expect_in_order(page, texts)
    await expect_stored(ann, ben, texts)


async def test_what_waits_when_the_session_ends_goes_out_after_signing_in_again(ann: Person, ben: Person) -> None:
    await meet(ann, ben)
    ann.may_be_refused(401)
    other = await ann.another_device("/settings/sessions")
    ann.line.cut()
    texts = numbered("ann", 1, 2, 3)
    for text in texts[1:]:
        await say(ann.page, text)
        await expect(tick(message(ann.page, text), "Waiting to be sent")).to_be_visible()
    await other.page.get_by_role("button", name="End all other sessions").click()
    await other.page.get_by_role("dialog").get_by_role("button", name="End all other sessions").click()
    await expect(other.page.get_by_text("All other sessions are ended.")).to_be_visible()
    ann.line.restore()
    await expect(ann.page.get_by_text("Your session has ended.")).to_be_visible(timeout=PATIENCE_MS)
    await sign_in(ann.page, ann)
    await expect(tick(message(ann.page, texts[-1]), "Read")).to_be_visible()
    await expect(bubbles(ann.page)).to_have_text(texts)
    await expect_in_order(ben.page, texts)


@pytest.mark.timeout(180)
@pytest.mark.own_site
async def test_whatever_is_killed_while_both_write_nothing_is_lost(ann: Person, ben: Person) -> None:
    await meet(ann, ben)
    for person in (ann, ben):
        person.may_be_refused(503)
    count = 1
    for part in ("gateway", "delivery", "nats-server"):
        for step in range(10):
            if step == 3:
                await ann.site.kill(part)
            count += 1
            await say(ann.page, f"ann {count:03}")
            if step % 3 == 0:
                await say(ben.page, f"ben {count:03}")
        await composer(ann.page).fill("not sent yet")
        await ann.site.ready()
        await expect(tick(message(ann.page, f"ann {count:03}"), "Read")).to_be_visible(timeout=PATIENCE_MS)
        await expect(composer(ann.page)).to_have_value("not sent yet")
    texts = await bubbles(ann.page).all_text_contents()
    assert [text for text in texts if text.startswith("ann")] == numbered("ann", *range(1, count + 1))
    assert len(texts) == count + 12
    for page in (ann.page, ben.page):
        await expect_in_order(page, texts)
    await expect_stored(ann, ben, texts)
