"""The list of chats: finding people, rows and their menus, keys, and one pane at a time on a phone."""

import re

from playwright.async_api import Locator, Page, expect

from tests.support.browser.pages import begin_chat, chat, chats, composer, message, say
from tests.support.browser.people import People, Person
from tests.support.browser.seeding import seed_conversation


def rows(page: Page) -> Locator:
    """The chats of the list, in its order."""
    return chats(page).get_by_role("list", name="Conversations").get_by_role("link")


async def choose(page: Page, person: Person, action: str) -> None:
    """Do something with a chat by its menu."""
    await chat(page, person).click(button="right")
    await page.get_by_role("menuitem", name=action).click()


async def with_chats(people: People, *names: str) -> tuple[Person, list[Person]]:
    """Ann at a desk with a chat with each of these, the last one newest; nobody else is there."""
    ann = await people.register("ann")
    others = [await people.register(name) for name in names]
    for other in others:
        await other.send(ann, f"{other.display_name} was here")
    await ann.another_device()
    await expect(rows(ann.page)).to_have_count(len(names))
    return ann, others


async def test_people_are_found_by_their_names_and_a_chat_begins(ann: Person, ben: Person) -> None:
    search = ann.page.get_by_label("Search chats and people")
    await search.fill(ben.username[:1])
    await expect(chats(ann.page)).to_contain_text("Two letters or more find people, too.")
    await search.fill(ben.username)
    await expect(chats(ann.page).get_by_role("button", name=ben.username)).to_be_visible()
    await search.press("Enter")
    await expect(ann.page.get_by_role("heading", name=ben.display_name, level=1)).to_be_visible()
    await expect(search).to_be_empty()
    await expect(composer(ann.page)).to_be_focused()
    await say(ann.page, "found you")
    await expect(chat(ann.page, ben)).to_contain_text("You:found you")
    await expect(chat(ben.page, ann)).to_contain_text("found you")


async def test_nobody_is_found_by_a_name_that_nobody_has(ann: Person) -> None:
    await ann.page.get_by_label("Search chats and people").fill("qqqqqq")
    await expect(chats(ann.page)).to_contain_text("Nobody is called “qqqqqq”.")
    await ann.page.keyboard.press("Escape")
    await expect(chats(ann.page)).to_contain_text("No chats yet")


async def test_the_newest_is_on_top_and_what_is_unread_is_counted(people: People) -> None:
    ann, (ben, cat) = await with_chats(people, "ben", "cat")
    await expect(rows(ann.page)).to_contain_text([cat.display_name, ben.display_name])
    await expect(ann.page).to_have_title("(2) Parley")
    await ben.send(ann, "once more")
    await expect(rows(ann.page)).to_contain_text([ben.display_name, cat.display_name])
    await expect(chat(ann.page, ben)).to_contain_text("2 unread messages")
    await expect(ann.page).to_have_title("(3) Parley")
    await chat(ann.page, ben).click()
    await expect(chat(ann.page, ben)).not_to_contain_text("unread")
    await expect(ann.page).to_have_title(f"(1) {ben.display_name} · Parley")


async def test_more_than_ninety_nine_unread_are_many(people: People) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    await seed_conversation(ann, ben, 300, unread=240)
    await ann.another_device()
    await expect(chat(ann.page, ben).locator(".badge")).to_contain_text("99+")


async def test_a_pinned_chat_stays_on_top_after_a_reload_too(people: People) -> None:
    ann, (ben, cat) = await with_chats(people, "ben", "cat")
    await choose(ann.page, ben, "Pin to the top")
    await expect(rows(ann.page)).to_contain_text([ben.display_name, cat.display_name])
    await ann.page.reload()
    await expect(rows(ann.page)).to_contain_text([ben.display_name, cat.display_name])
    await choose(ann.page, ben, "Unpin")
    await expect(rows(ann.page)).to_contain_text([cat.display_name, ben.display_name])


async def test_a_muted_chat_is_not_in_the_title(people: People) -> None:
    ann, (ben, _cat) = await with_chats(people, "ben", "cat")
    await choose(ann.page, ben, "Mute")
    await expect(chat(ann.page, ben)).to_contain_text("Muted")
    await expect(ann.page).to_have_title("(1) Parley")


async def test_an_archived_chat_is_behind_a_row_and_comes_back(people: People) -> None:
    ann, (ben, cat) = await with_chats(people, "ben", "cat")
    await choose(ann.page, ben, "Archive")
    await expect(rows(ann.page)).to_contain_text([cat.display_name])
    await ann.page.reload()
    await chats(ann.page).get_by_role("button", name=re.compile("Archived.*1 chat")).click()
    await choose(ann.page, ben, "Move out of the archive")
    await chats(ann.page).get_by_role("button", name="Back to all chats").click()
    await expect(rows(ann.page)).to_contain_text([cat.display_name, ben.display_name])


async def test_a_chat_is_marked_as_read_from_the_list(people: People) -> None:
    ann, (ben,) = await with_chats(people, "ben")
    await choose(ann.page, ben, "Mark as read")
    await expect(chat(ann.page, ben)).not_to_contain_text("unread")
    await expect(ann.page).to_have_title("Parley")


async def test_a_draft_shows_in_the_list_once_one_looks_at_another_chat(people: People) -> None:
    ann, (ben, cat) = await with_chats(people, "ben", "cat")
    await chat(ann.page, ben).click()
    await composer(ann.page).fill("Dear Ben")
    await chat(ann.page, cat).click()
    await expect(chat(ann.page, ben)).to_contain_text("Draft:Dear Ben")
    await chat(ann.page, ben).click()
    await expect(composer(ann.page)).to_have_value("Dear Ben")


async def test_who_types_and_who_is_there_shows_in_the_list(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await say(ann.page, "hello")
    await expect(chat(ann.page, ben)).to_contain_text("online")
    await chat(ben.page, ann).click()
    await composer(ben.page).press_sequentially("hm")
    await expect(chat(ann.page, ben)).to_contain_text("typing…")
    await composer(ben.page).fill("")
    await expect(chat(ann.page, ben)).not_to_contain_text("typing…")


async def test_the_list_is_used_by_keys_alone(people: People) -> None:
    ann, (ben, cat) = await with_chats(people, "ben", "cat")
    page = ann.page
    await page.get_by_label("Search chats and people").focus()
    await page.keyboard.press("Tab")
    await expect(chat(page, cat)).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(chat(page, ben)).to_be_focused()
    await page.keyboard.press("Shift+F10")
    await expect(page.get_by_role("menuitem").first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(chat(page, ben)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(composer(page)).to_be_focused()
    await page.keyboard.press("Alt+ArrowUp")
    await expect(page.get_by_role("heading", name=cat.display_name, level=1)).to_be_visible()
    await expect(composer(page)).to_be_focused()


async def test_the_switcher_goes_to_chats_and_to_people(people: People) -> None:
    ann, (ben, _cat) = await with_chats(people, "ben", "cat")
    dan = await people.register("dan")
    page = ann.page
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type(ben.username)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(message(page, "Ben was here")).to_be_visible()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type(dan.username)
    await expect(page.get_by_role("option", name=dan.username)).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=dan.display_name, level=1)).to_be_visible()


async def test_the_keys_are_told_and_esc_closes_them(ann: Person) -> None:
    await expect(chats(ann.page)).to_be_visible()
    await ann.page.keyboard.press("?")
    await expect(ann.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(ann.page.get_by_role("dialog")).to_have_count(0)


async def test_a_phone_shows_one_pane_and_back_leads_to_the_list(people: People) -> None:
    ann = await people.join("ann", phone=True)
    ben = await people.register("ben")
    await ben.send(ann, "hello")
    page = ann.page
    await chat(page, ben).tap()
    await expect(message(page, "hello")).to_be_visible()
    await expect(chats(page)).to_be_hidden()
    await page.go_back()
    await expect(chat(page, ben)).to_be_visible()
    await expect(chat(page, ben)).to_be_focused()
    await expect(composer(page)).to_be_hidden()
    await chat(page, ben).tap()
    await page.get_by_role("button", name="Back").tap()
    await expect(chat(page, ben)).to_be_visible()
    await page.go_forward()
    await expect(message(page, "hello")).to_be_visible()


async def test_a_phone_that_opens_a_chat_by_its_address_has_a_way_to_the_list(people: People) -> None:
    ann, (ben,) = await with_chats(people, "ben")
    await chat(ann.page, ben).click()
    path = re.sub(r"^https?://[^/]+", "", ann.page.url)
    phone = await ann.another_device(path, phone=True)
    await expect(message(phone.page, "Ben was here")).to_be_visible()
    await phone.page.get_by_role("button", name="Back").tap()
    await expect(chat(phone.page, ben)).to_be_visible()


async def test_an_address_of_no_chat_says_so_and_leads_back(people: People) -> None:
    ann = await people.register("ann")
    ann.may_be_refused(404)
    page = (await ann.another_device("/c/nowhere")).page
    await expect(page.get_by_role("heading", name="This conversation is not there.")).to_be_visible()
    await page.get_by_role("button", name="Back").click()
    await expect(chats(page)).to_contain_text("No chats yet")


async def test_a_window_that_becomes_narrow_keeps_the_chat(people: People) -> None:
    ann, (ben,) = await with_chats(people, "ben")
    await chat(ann.page, ben).click()
    await ann.page.set_viewport_size({"width": 500, "height": 800})
    await expect(message(ann.page, "Ben was here")).to_be_visible()
    await expect(chats(ann.page)).to_be_hidden()
    await ann.page.keyboard.press("Escape")
    await expect(chat(ann.page, ben)).to_be_visible()
