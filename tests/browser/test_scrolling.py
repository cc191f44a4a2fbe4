"""A conversation of twenty thousand messages: nothing jumps, little is held, every place is found."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.browser.pages import chat, composer, message, say
from tests.support.browser.people import People, Person
from tests.support.browser.scrolling import below, rows_in_page, scroll_to, settled, view
from tests.support.browser.seeding import seed_conversation

Pair = tuple[Person, Person]
Note = Callable[[str, object], None]

COUNT = 20_000
MAX_ROWS = 300
PAGES_UP = 12
STILL_PX = 1.0
EVERY = timedelta(minutes=10)


def text(seq: int) -> str:
    """Messages of one to nine lines, and long words, so that rows are of all heights."""
    return f"message {seq} " + "and so on " * (seq * 7 % 23) + ("W" * 90 if seq % 11 == 0 else "")


@pytest_asyncio.fixture(loop_scope="session")
async def pair(people: People) -> Pair:
    """Ann and Ben, who have written each other very much; 40 messages Ann has not read. Nobody looks at it yet."""
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, COUNT, unread=40, text=text, every_ms=int(EVERY.total_seconds() * 1000))
    return ann, ben


async def look(person: Person, other: Person) -> Page:
    """Open the conversation on a desk."""
    page = (await person.another_device()).page
    await chat(page, other).click()
    await settled(page)
    return page


def days_ago(days: int) -> date:
    """A day that is that far back."""
    return (datetime.fromtimestamp(time.time(), UTC) - timedelta(days=days)).date()


async def go_to(page: Page, day: date) -> None:
    """Ask for a day."""
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Jump to a date").click()
    await page.get_by_label("Date", exact=True).fill(day.isoformat())
    await page.get_by_role("button", name="Go there").click()


async def test_older_messages_come_without_a_jump(pair: Pair, record_property: Note) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    ben.line.slow_down(0.15)  # so that the page is looked at before more is there
    drifts = []
    for number in range(PAGES_UP):
        before = await scroll_to(page, (0, 1, 300)[number % 3])
        after = await settled(page)
        drifts.append(before.drift(after))
        assert await rows_in_page(page) <= MAX_ROWS
    assert (await view(page)).first < COUNT - 50 * (PAGES_UP - 1)
    assert max(drifts) < STILL_PX, drifts
    record_property("drift_px", [round(px, 2) for px in drifts])


async def test_newer_messages_come_without_a_jump(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    await go_to(page, days_ago(100))
    await settled(page)
    ben.line.slow_down(0.15)
    first = (await view(page)).first
    for _ in range(PAGES_UP):
        before = await scroll_to(page, 1_000_000)
        after = await settled(page)
        assert before.drift(after) < STILL_PX
        assert await rows_in_page(page) <= MAX_ROWS
    assert (await view(page)).first > first + 400


async def test_memory_stays_bounded_over_many_pages(pair: Pair, record_property: Note) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    session = await page.context.new_cdp_session(page)

    async def heap_mb() -> float:
        await session.send("HeapProfiler.collectGarbage")
        used = await session.send("Runtime.getHeapUsage")
        return float(used["usedSize"]) / 1e6

    for _ in range(6):
        await scroll_to(page, 0)
        await settled(page)
    full = await heap_mb()
    for _ in range(20):
        await scroll_to(page, 0)
        await settled(page)
    more = await heap_mb()
    record_property("heap_mb", [full, more])
    assert more < full + 3
    assert more < 20


async def test_it_opens_at_the_first_unread_message(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ann, ben)
    divider = page.get_by_role("log").get_by_text("New messages")
    await expect(divider).to_be_in_viewport()
    first_unread = COUNT - 40 + 1
    while (first_unread - 1) // 3 % 2 == 0:  # her own
        first_unread += 1
    await expect(message(page, f"message {first_unread} ")).to_be_in_viewport()

    for _ in range(3):  # she reads to the end: the divider stays where it was
        await scroll_to(page, 1_000_000)
        await settled(page)
    await expect(page.get_by_role("button", name="Go to the latest message")).to_have_count(0)
    await expect(chat(page, ben)).not_to_contain_text("unread")
    await expect(divider).to_be_attached()

    await scroll_to(page, 0)
    await settled(page)
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Jump to the first unread message").click()
    await expect(divider).to_be_in_viewport()


async def test_only_what_was_on_the_screen_is_read(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ann, ben)
    last = (await view(page)).last
    assert last < COUNT
    await expect(chat(page, ben)).to_contain_text("unread")
    answer = (await ann.http.get(f"/messages/history/{ben.username}/")).json()
    read = answer["first_unread_seq"]
    assert COUNT - 40 < read <= last + 1


async def test_a_new_message_moves_nothing_and_is_counted(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    await scroll_to(page, 400)
    before = await settled(page)
    for number in range(3):
        await ann.send(ben, f"live {number}")
    button = page.get_by_role("button", name="3 new messages. Go to the latest message")
    await expect(button).to_be_visible()
    assert before.drift(await settled(page)) < STILL_PX
    await button.click()
    await expect(message(page, "live 2")).to_be_in_viewport()
    await expect(page.get_by_role("button", name=re.compile("latest message"))).to_have_count(0)
    assert await below(page) <= 1

    await ann.send(ben, "at the end it is followed")
    await expect(message(page, "at the end it is followed")).to_be_in_viewport()


async def test_any_day_is_found(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    day = days_ago(90)
    await go_to(page, day)
    found = page.locator("[role=log] .is-found time")
    await expect(found).to_be_in_viewport()
    at = await found.get_attribute("datetime")
    assert at is not None
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    assert timedelta(hours=-1) <= datetime.fromisoformat(at) - midnight < EVERY + timedelta(hours=1)  # summer time
    assert await rows_in_page(page) <= MAX_ROWS
    await page.get_by_role("button", name="Go to the latest message").click()
    await expect(message(page, f"message {COUNT} ")).to_be_in_viewport()


async def test_a_message_is_found_by_its_quote(pair: Pair) -> None:
    ann, ben = pair
    page = (await ben.another_device()).page
    await chat(page, ann).click()
    await settled(page)
    await go_to(page, days_ago(60))
    old = page.locator("[role=log] .is-found .bubble-text")
    words = (await old.text_content() or "").split(" and")[0].split("W")[0].strip()
    await page.locator("[role=log] .is-found .bubble").click(button="right")
    await page.get_by_role("menuitem", name="Reply").click()
    await say(page, "about this")
    sent = message(page, "about this")
    await expect(sent).to_be_in_viewport()  # what is sent is gone to
    await sent.get_by_role("button", name="In reply to").click()
    await expect(message(page, f"{words} ").or_(message(page, words)).first).to_be_in_viewport()


async def test_the_keys_scroll(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    log = page.get_by_role("log")
    await log.focus()
    bottom = await view(page)
    await page.keyboard.press("PageUp")
    await settled(page)
    assert (await view(page)).first < bottom.first
    for _ in range(8):
        await page.keyboard.press("Home")
        await settled(page)
    assert (await view(page)).first < COUNT - 350
    await page.keyboard.press("End")  # the end of what is held
    await settled(page)
    await page.keyboard.press("End")
    await settled(page)
    assert (await view(page)).last == COUNT


async def test_a_conversation_is_found_again_where_it_was_left(pair: Pair, people: People) -> None:
    ann, ben = pair
    cat = await people.register("cat")
    await cat.send(ben, "a word")
    page = await look(ben, ann)
    await scroll_to(page, 0)
    await settled(page)
    before = await scroll_to(page, 1_200)
    await chat(page, cat).click()
    await expect(message(page, "a word")).to_be_visible()
    await chat(page, ann).click()
    assert before.drift(await settled(page)) < 2


async def test_a_box_that_grows_keeps_the_end_on_the_screen(pair: Pair) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    await composer(page).fill("one\ntwo\nthree\nfour\nfive")
    await settled(page)
    assert await below(page) <= 1
    await page.set_viewport_size({"width": 500, "height": 500})
    await settled(page)
    assert await below(page) <= 1


@pytest.mark.parametrize("width", [390, 700, 1_600])
async def test_another_width_keeps_what_is_read(pair: Pair, width: int) -> None:
    ann, ben = pair
    page = await look(ben, ann)
    await scroll_to(page, 0)
    before = await settled(page)
    await page.set_viewport_size({"width": width, "height": 800})
    after = await settled(page)
    anchor = sorted(before.tops, key=lambda seq: before.tops[seq])[2]
    assert anchor in after.tops
