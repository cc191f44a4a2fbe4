"""What messages look like, say and let one do."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser.accessibility import axe
from tests.support.browser.hostile import HOSTILE, WAS_RUN
from tests.support.browser.pages import begin_chat, chat, chats, composer, message, say, tick
from tests.support.browser.people import People, Person
from tests.support.browser.pictures import picture
from tests.support.browser.scrolling import below, settled
from tests.support.browser.seeding import seed_conversation

CLOCK = r"\d\d?:\d\d"
MIXED = (
    "Morning! Is the release on for today?",
    "Yes, all green since last night.",
    "Notes: https://example.org/releases/1.4",
    "Great, thank you 🎉",
    "👍",
    "هل يمكنك مراجعة هذا النص من فضلك؟",
    "Two things:\n1. the broker\n2. the gateway\n\nBoth restart cleanly.",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2,
)


def mixed(seq: int) -> str:
    """What people write: short, long, links, emoji, another direction."""
    return MIXED[seq % len(MIXED)]


async def boxes(*locators: Locator) -> list[dict[str, float]]:
    """Where things are, in px, all at one moment: rows move while they are looked at one after the other."""
    elements = [await locator.element_handle() for locator in locators]
    found: list[dict[str, float]] = await locators[0].page.evaluate(
        "elements => elements.map((element) => element.getBoundingClientRect().toJSON())", elements
    )
    return found


async def box(locator: Locator) -> dict[str, float]:
    """Where something is, in px."""
    return (await boxes(locator))[0]


async def both_in_chat(ann: Person, ben: Person) -> None:
    """Ann and Ben look at their conversation, which has one message."""
    await ann.send(ben, "the first")
    await chat(ann.page, ben).click()
    await chat(ben.page, ann).click()
    await expect(message(ann.page, "the first")).to_be_visible()


async def test_the_tick_tells_every_step_by_name_time_and_shape(people: People) -> None:
    ann, ben = await people.join("ann"), await people.register("ben")
    ann.may_lose_network()
    await ann.send(ben, "the first")
    await chat(ann.page, ben).click()
    await expect(message(ann.page, "the first")).to_be_visible()
    row = message(ann.page, "look at my tick")
    picture_of = row.get_by_role("img")
    shapes = []

    async def step(state: str) -> None:
        await expect(row.get_by_role("button", name=re.compile(rf"{state} {CLOCK}"))).to_be_visible()
        await expect(picture_of).to_have_accessible_name(re.compile(rf"^{state} {CLOCK}"))
        shapes.append(await picture_of.inner_html())

    ann.line.cut()
    await say(ann.page, "look at my tick")
    await step("Waiting to be sent")
    ann.line.restore()
    await step("Sent")
    device = await ben.another_device()
    await step("Delivered")
    await chat(device.page, ann).click()
    await step("Read")
    assert len(set(shapes)) == len(shapes)


async def test_details_tell_when_each_step_was(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await say(ann.page, "tell me more")
    row = message(ann.page, "tell me more")
    await tick(row, "Read").click()
    dialog = ann.page.get_by_role("dialog", name="Message info")
    for name in ("Accepted", "Sent", "Delivered", "Read"):
        await expect(dialog.locator(".info-step", has_text=name).locator("time")).to_be_visible()
    await axe(ann.page)
    await ann.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(tick(row, "Read")).to_be_focused()


@pytest.mark.own_site(PARLEY_RETRY_AFTER_S="1", PARLEY_RETRY_BASE_S="2", PARLEY_RETRY_CAP_S="2", PARLEY_MAX_RETRIES="2")
async def test_who_is_away_is_told_and_can_be_tried_again(people: People) -> None:
    ann, ben = await people.join("ann"), await people.register("ben")
    await begin_chat(ann.page, ben)
    await say(ann.page, "are you there?")
    row = message(ann.page, "are you there?")
    await expect(row).to_contain_text(re.compile(rf"Ben has not got this yet: 1 of 2 tries, next at {CLOCK}"))
    await expect(row).to_contain_text("Will be delivered when Ben is back")
    await tick(row, "Sent").click()
    dialog = ann.page.get_by_role("dialog", name="Message info")
    await expect(dialog).to_contain_text("Try 1")
    await expect(dialog).to_contain_text("Try 2")
    await axe(ann.page)
    await dialog.get_by_role("button", name="Try now").click()
    await expect(ann.page.get_by_text("Trying to reach Ben now.")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await ben.another_device()
    await expect(tick(row, "Delivered")).to_be_visible()
    await expect(row).not_to_contain_text("Ben is back")


async def test_a_refused_message_says_why_and_can_be_sent_copied_and_deleted(ann: Person, ben: Person) -> None:
    await ann.device.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await both_in_chat(ann, ben)
    await ben.http.put(f"/api/v1/users/{ann.username}/block")
    await say(ann.page, "refused")
    row = message(ann.page, "refused")
    await expect(row).to_contain_text(
        "Not sent: you and Ben can\N{RIGHT SINGLE QUOTATION MARK}t write to each other now."
    )
    await expect(tick(row, "Not sent")).to_be_visible()
    await expect(
        ann.page.get_by_text("You and Ben can\N{RIGHT SINGLE QUOTATION MARK}t write to each other now.", exact=True)
    ).to_be_visible()
    await expect(composer(ann.page)).to_have_count(0)
    await axe(ann.page)

    await row.get_by_role("button", name="Copy text").click()
    assert await ann.page.evaluate("navigator.clipboard.readText()") == "refused"
    await ben.http.delete(f"/api/v1/users/{ann.username}/block")
    await row.get_by_role("button", name="Try again").click()
    await expect(tick(row, "Read")).to_be_visible()
    await expect(message(ben.page, "refused")).to_be_visible()
    await expect(composer(ann.page)).to_be_visible()


async def test_a_refused_message_can_be_deleted(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await ben.http.put(f"/api/v1/users/{ann.username}/block")
    await say(ann.page, "refused")
    await message(ann.page, "refused").get_by_role("button", name="Delete").click()
    await expect(message(ann.page, "refused")).to_have_count(0)
    await expect(composer(ann.page)).to_be_visible()


async def test_an_address_of_no_conversation_says_so(ann: Person) -> None:
    ann.may_be_refused(404)
    await ann.page.goto("/c/d0000000000000000000000000")
    await expect(ann.page.get_by_role("heading", name="This conversation is not there.")).to_be_visible()
    await axe(ann.page)


async def test_what_could_not_be_read_is_read_once_there_is_a_connection(people: People) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, 60)
    ann.may_lose_network()
    page = (await ann.another_device()).page
    await expect(chat(page, ben)).to_be_visible()
    ann.line.cut()
    await chat(page, ben).click()
    await expect(page.get_by_text("The messages could not be loaded.")).to_be_visible()
    await axe(page)
    ann.line.restore()
    await expect(message(page, "message 60")).to_be_in_viewport()


async def test_blocking_closes_the_box_and_unblocking_opens_it(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await ann.page.get_by_role("button", name="Conversation options").click()
    await ann.page.get_by_role("menuitem", name="Block Ben").click()
    await ann.page.get_by_role("dialog").get_by_role("button", name="Block Ben").click()
    await expect(ann.page.get_by_text("You blocked Ben.")).to_be_visible()
    await expect(composer(ann.page)).to_have_count(0)
    await axe(ann.page)
    await ann.page.get_by_role("button", name="Unblock").click()
    await say(ann.page, "friends again")
    await expect(message(ben.page, "friends again")).to_be_visible()


async def test_messages_of_one_author_stand_together(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    for number in range(3):
        await say(ann.page, f"mine {number}")
    await say(ben.page, "his answer")
    await expect(message(ann.page, "his answer")).to_be_visible()
    texts = ["mine 0", "mine 1", "mine 2", "his answer"]
    *bubble, answer = await boxes(*[message(ann.page, text).locator(".bubble") for text in texts])
    assert [round(bubble[n + 1]["top"] - bubble[n]["bottom"]) for n in range(2)] == [2, 2]
    assert round(answer["top"] - bubble[2]["bottom"]) == 8
    assert bubble[0]["right"] == bubble[1]["right"] > answer["right"]
    assert answer["left"] < bubble[0]["left"]


async def test_time_and_tick_stand_at_the_end_of_the_last_line(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await say(ann.page, "short")
    row = message(ann.page, "short")
    text, meta, bubble = await boxes(*[row.locator(part) for part in (".bubble-text", ".meta", ".bubble")])
    assert meta["left"] >= text["right"]
    assert bubble["height"] < 2 * text["height"]
    assert abs(bubble["right"] - meta["right"]) < 12


async def test_links_go_elsewhere_and_tell_nothing(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await say(ann.page, "see (https://example.org/a?b=c&d=ü), www.example.org. or javascript:x and mail@example.org")
    links = message(ben.page, "see (").get_by_role("link")
    await expect(links).to_have_count(2)
    assert await links.evaluate_all("found => found.map((one) => [one.getAttribute('href'), one.target, one.rel])") == [
        ["https://example.org/a?b=c&d=%C3%BC", "_blank", "noopener noreferrer nofollow"],
        ["https://www.example.org/", "_blank", "noopener noreferrer nofollow"],
    ]


@pytest.mark.parametrize("options", [{}, {"phone": True}], ids=["desk", "phone"])
async def test_markup_stays_text(people: People, options: dict[str, bool]) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, len(HOSTILE), text=lambda seq: HOSTILE[seq - 1])
    page = (await ann.another_device(phone=options.get("phone", False))).page
    await chat(page, ben).click()
    await settled(page)
    await page.get_by_role("log").focus()
    await page.keyboard.press("Home")
    await settled(page)
    texts = page.locator(".bubble-text")
    await expect(texts).to_have_count(len(HOSTILE))
    assert await texts.evaluate_all("found => found.map((one) => one.textContent)") == list(HOSTILE)
    for payload in HOSTILE[:5]:
        await composer(page).fill(payload)  # the counter, the draft, the list's preview
        await expect(composer(page)).to_have_value(payload)
    assert not await page.evaluate(WAS_RUN)
    width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


async def test_markup_stays_text_in_names_drafts_quotes_and_details(people: People) -> None:
    ann, ben = await people.join("ann"), await people.register("ben")
    for payload in (HOSTILE[0], HOSTILE[10], HOSTILE[18], HOSTILE[50], HOSTILE[67]):
        changed = await ben.http.patch("/api/v1/me", json={"display_name": payload})
        changed.raise_for_status()
        await ben.send(ann, payload)
        await ann.page.reload()
        row = chats(ann.page).locator("a.row")
        await expect(row).to_contain_text(payload)
        await row.click()
        await expect(ann.page.locator("h1", has_text=payload)).to_be_visible()
        await message(ann.page, payload).last.locator(".bubble").click(button="right")
        await ann.page.get_by_role("menuitem", name="Reply").click()
        await say(ann.page, payload)
        quoting = ann.page.get_by_role("log").get_by_role("listitem").last
        await expect(quoting.locator(".quote-text")).to_have_text(payload)
        await expect(quoting.locator(".quote-name")).to_have_text(payload)
        await tick(quoting, "Sent").click()
        await expect(ann.page.get_by_role("dialog").locator(".info-text")).to_have_text(payload)
        await ann.page.keyboard.press("Escape")
        await composer(ann.page).fill(payload)
        await ann.page.get_by_role("link", name="Settings").click()
        await expect(row).to_contain_text(f"Draft:{payload}")
        assert not await ann.page.evaluate(WAS_RUN)


async def test_texts_keep_their_lines_break_and_find_their_direction(people: People) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, len(MIXED), text=mixed)
    page = (await ann.another_device(phone=True)).page
    await chat(page, ben).click()
    await settled(page)

    async def direction(text: str) -> str:
        found: str = (
            await message(page, text).locator(".bubble-body").evaluate("one => getComputedStyle(one).direction")
        )
        return found

    assert [await direction("هل"), await direction("Morning")] == ["rtl", "ltr"]
    lines = message(page, "Two things").locator(".bubble-text")
    assert (
        await lines.evaluate(
            "one => Math.round(one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight))"
        )
        == 5
    )
    size = (
        await message(page, "👍").locator(".bubble-text").evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    )
    assert size > 30
    assert (await box(message(page, "Donau").locator(".bubble")))["width"] < 0.9 * 390
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_who_types_is_told_and_no_longer_when_it_is_over(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await composer(ben.page).press_sequentially("Hel")
    typing = ann.page.get_by_role("main").get_by_text("Ben is typing")
    await expect(typing).to_be_visible()
    await axe(ann.page)
    await composer(ben.page).press("Enter")
    await expect(typing).to_have_count(0)
    await expect(message(ann.page, "Hel")).to_be_visible()


async def test_a_draft_is_there_again_here_and_on_another_device(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await composer(ann.page).fill("half a thou")
    await ann.page.get_by_role("link", name="Settings").click()
    await expect(chat(ann.page, ben)).to_contain_text("Draft:half a thou")
    await ann.page.reload()
    await chat(ann.page, ben).click()
    await expect(composer(ann.page)).to_have_value("half a thou")
    other = (await ann.another_device()).page
    await chat(other, ben).click()
    await expect(composer(other)).to_have_value("half a thou")


async def test_a_text_over_the_limit_is_told(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await composer(ann.page).fill("x" * 8_120)
    await expect(ann.page.get_by_text("8,120 of 8,000")).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Send")).to_be_disabled()
    await axe(ann.page)
    await composer(ann.page).fill("x" * 8_000)
    await composer(ann.page).press("Enter")
    await expect(message(ann.page, "xxx").get_by_role("button", name="Show all")).to_be_visible()
    await message(ben.page, "xxx").get_by_role("button", name="Show all").click()
    await expect(message(ben.page, "xxx").locator(".bubble-text")).to_have_text("x" * 8_000)


async def test_everything_can_be_done_with_keys(ann: Person, ben: Person) -> None:
    await both_in_chat(ann, ben)
    await say(ben.page, "answer me")
    keys = ann.page.keyboard
    await expect(message(ann.page, "answer me")).to_be_visible()
    await expect(composer(ann.page)).to_be_focused()
    for _ in range(8):  # back to the last message
        await keys.press("Shift+Tab")
        if await message(ann.page, "answer me").evaluate("one => one === document.activeElement"):
            break
    await expect(message(ann.page, "answer me")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(message(ann.page, "the first")).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await keys.press("Enter")  # Reply is the first item
    await expect(ann.page.get_by_text("Reply to Ben")).to_be_visible()
    await keys.type("here you are")
    await keys.press("Enter")
    await expect(message(ben.page, "here you are").locator(".quote-text")).to_have_text("answer me")


async def test_a_finger_reaches_everything(people: People) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, 12, text=mixed)
    page = (await ann.another_device(phone=True)).page
    await chat(page, ben).tap()
    await settled(page)
    pane = page.get_by_role("main")
    for button in [pane.get_by_role("button", name=name) for name in ("Back", "Conversation options", "Send")]:
        area = await box(button)
        assert area["width"] >= 44, await button.get_attribute("aria-label")
        assert area["height"] >= 44, await button.get_attribute("aria-label")
    await composer(page).tap()
    await page.keyboard.type("one")
    await page.keyboard.press("Enter")
    await page.keyboard.type("two")
    await expect(composer(page)).to_have_value("one\ntwo")
    await pane.get_by_role("button", name="Send").tap()
    await expect(message(page, "one")).to_be_in_viewport()
    assert await below(page) <= 1
    await long_press(page, message(page, "one").locator(".bubble"))
    await page.get_by_role("menuitem", name="Message info").tap()
    await expect(page.get_by_role("dialog", name="Message info")).to_be_visible()


async def long_press(page: Page, target: Locator) -> None:
    """Rest a finger on something until its menu is there."""
    area = await box(target)
    point = {"x": area["left"] + 20, "y": area["top"] + 12}
    session = await page.context.new_cdp_session(page)
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    await expect(page.get_by_role("menu")).to_be_visible()
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await expect(page.get_by_role("menu")).to_be_visible()


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("is_phone", [False, True], ids=["desk", "phone"])
async def test_a_conversation_is_accessible(people: People, *, is_dark: bool, is_phone: bool) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, 60, unread=3, text=mixed)
    page = (await ann.another_device(phone=is_phone, dark=is_dark)).page
    await chat(page, ben).click()
    await settled(page)
    await axe(page)
    await picture(page, f"conversation-{'phone' if is_phone else 'desk'}-{'dark' if is_dark else 'light'}")
