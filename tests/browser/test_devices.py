"""Several devices of one person, and coming back after having been away."""

import pytest
from playwright.async_api import Page, expect

from tests.support.browser.pages import begin_chat, chat, composer, message, say, tick
from tests.support.browser.people import People, Person
from tests.support.browser.witness import expect_in_order, expect_seen, numbered, watch_order

AWAY = 300
WATCH_PRESENCE = """() => {
  const said = [];
  const look = () => {
    const text = document.querySelector('main h1').nextElementSibling?.textContent ?? '';
    if (text !== said.at(-1)) said.push(text);
  };
  look();
  const main = document.querySelector('main');
  new MutationObserver(look).observe(main, { childList: true, characterData: true, subtree: true });
  window.said = said;
}"""


async def test_own_messages_and_what_is_read_show_on_both_devices(ann: Person, ben: Person) -> None:
    phone = (await ann.another_device(phone=True)).page
    await begin_chat(ann.page, ben)
    await say(ann.page, "ann 001")
    await chat(phone, ben).click()
    await chat(ben.page, ann).click()
    for page in (ann.page, phone, ben.page):
        await expect(message(page, "ann 001")).to_be_visible()
        await watch_order(page)
    for n in range(2, 8, 2):
        await say(ann.page, f"ann {n:03}")
        await expect(message(phone, f"ann {n:03}")).to_be_visible()
        await composer(phone).fill(f"ann {n + 1:03}")
        await phone.get_by_role("button", name="Send").click()
        await expect(message(ann.page, f"ann {n + 1:03}")).to_be_visible()
    for page in (ann.page, phone):
        await expect(tick(message(page, "ann 007"), "Read")).to_be_visible()
    for page in (ann.page, phone, ben.page):
        await expect_in_order(page, numbered("ann", *range(1, 8)))


async def test_what_is_read_on_one_device_is_read_on_the_other(ann: Person, ben: Person) -> None:
    other = (await ann.another_device()).page
    for text in numbered("ben", 1, 2):
        await ben.send(ann, text)
    for page in (ann.page, other):
        await expect(chat(page, ben)).to_contain_text("2 unread messages")
        await expect(page).to_have_title("(2) Parley")
    await chat(ann.page, ben).click()
    for page in (ann.page, other):
        await expect(chat(page, ben)).not_to_contain_text("unread")
    await expect(other).to_have_title("Parley")


async def test_somebody_is_there_until_the_last_device_is_gone(ann: Person, ben: Person) -> None:
    other = await ann.another_device()
    await begin_chat(ann.page, ben)
    await say(ann.page, "hello")
    await chat(ben.page, ann).click()
    await chat(other.page, ben).click()
    header = ben.page.get_by_role("main")
    await expect(header.get_by_text("online", exact=True)).to_be_visible()
    await ben.page.evaluate(WATCH_PRESENCE)
    await ann.page.close()
    await composer(other.page).press_sequentially("typing")
    await expect(ben.page.get_by_text("Ann is typing")).to_be_visible()
    await expect(ben.page.get_by_text("Ann is typing")).to_be_hidden()  # 5 s: had she seemed gone, it had shown
    await other.page.close()
    await expect(header.get_by_text("last seen just now")).to_be_visible()
    said = [text for text in await ben.page.evaluate("window.said") if "typing" not in text]
    assert said == ["online", "online", "last seen just now"]


@pytest.mark.own_site(PARLEY_RATE_LIMITS="off")
async def test_what_was_written_while_somebody_was_away_comes_once_in_order(people: People) -> None:
    ann, ben = await people.register("ann"), await people.join("ben")
    await ann.send(ben, "ann 001")
    await chat(ben.page, ann).click()
    await say(ben.page, "ben 001")
    await expect(tick(message(ben.page, "ben 001"), "Sent")).to_be_visible()
    await ben.page.close()
    texts = numbered("ann", *range(2, AWAY + 2))
    for text in texts:
        await ann.send(ben, text)
    known, fresh = await ben.another_tab(), (await ben.another_device()).page
    for page in (known, fresh):
        await expect(chat(page, ann)).to_contain_text(f"{AWAY} unread messages")
    for page in (known, fresh):
        await expect(page).to_have_title("(99+) Parley")
        await chat(page, ann).click()
        await expect(page.get_by_role("log").get_by_text("New messages")).to_be_in_viewport()
        await expect(message(page, texts[0])).to_be_in_viewport()
        await watch_order(page)
    for page in (known, fresh):
        await scroll_down_to(page, texts[-1])
        await expect_seen(page, ["ann 001", "ben 001", *texts])
    for page in (known, fresh):
        await expect(chat(page, ann)).not_to_contain_text("unread")
        await expect(page).to_have_title("Ann · Parley")


async def scroll_down_to(page: Page, text: str) -> None:
    """Turn the mouse's wheel until a message is there."""
    await page.get_by_role("log").hover()
    while not await message(page, text).is_visible():
        await page.mouse.wheel(0, 2_000)
        await page.wait_for_timeout(20)
    await page.mouse.wheel(0, 2_000)  # it is in the page, perhaps below what is seen of it
    await expect(message(page, text)).to_be_in_viewport(ratio=1)
