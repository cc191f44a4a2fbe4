"""The settings: what others see of somebody, colours and language, devices, the password, and signing out."""

import re

from playwright.async_api import Page, expect

from tests.support.browser.pages import begin_chat, chat, chats, composer, message, say, sign_in, sign_out, tick
from tests.support.browser.people import People, Person

ENDED = "Your session has ended."
NOTE_FIRST_THEME = """
new MutationObserver((_changes, observer) => {
  if (document.body === null) return;
  observer.disconnect();
  globalThis.firstTheme = document.documentElement.dataset.theme;
}).observe(document, { childList: true, subtree: true });
"""
"""Notes the theme at the moment at which there is something to paint."""


async def open_settings(page: Page, section: str) -> None:
    """Go to a section of the settings in a wide window."""
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("navigation", name="Settings").get_by_role("link", name=section).click()
    await expect(page.get_by_role("heading", name=section, level=2)).to_be_visible()


async def test_a_name_that_is_changed_is_found_by_others(ann: Person, ben: Person) -> None:
    await open_settings(ann.page, "Profile")
    await ann.page.get_by_label("Display name").fill(f"Annabel {ann.username}")
    await ann.page.get_by_role("button", name="Save").click()
    await expect(ann.page.get_by_role("status").filter(has_text="Your name is changed.")).to_be_visible()
    await ben.page.get_by_label("Search chats and people").fill(f"annabel {ann.username}")
    await expect(chats(ben.page).get_by_role("button", name="Annabel")).to_be_visible()


async def test_without_read_receipts_others_see_delivered_at_most(ann: Person, ben: Person) -> None:
    await open_settings(ben.page, "Privacy")
    await ben.page.get_by_role("switch", name="Read receipts").uncheck()
    await expect(ben.page.get_by_role("switch", name="Read receipts")).to_be_enabled()
    await begin_chat(ann.page, ben)
    await say(ann.page, "hello")
    await chat(ben.page, ann).click()
    await expect(chat(ben.page, ann)).not_to_contain_text("unread")
    await say(ben.page, "I saw it")
    await expect(message(ann.page, "I saw it")).to_be_visible()
    await expect(tick(message(ann.page, "hello"), "Delivered")).to_be_visible()


async def test_who_is_invisible_is_not_seen(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await say(ann.page, "hello")
    await expect(chat(ann.page, ben)).to_contain_text("online")
    await open_settings(ben.page, "Profile")
    await ben.page.get_by_role("radio", name="Invisible").check()
    await expect(chat(ann.page, ben)).not_to_contain_text("online")
    await ben.page.get_by_role("radio", name="Do not disturb").check()
    await expect(chat(ann.page, ben)).to_contain_text("do not disturb")
    await ben.page.reload()
    await expect(ben.page.get_by_role("radio", name="Do not disturb")).to_be_checked()


async def test_somebody_is_blocked_and_let_in_again(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await say(ann.page, "hello")
    await expect(chat(ben.page, ann)).to_be_visible()
    await ann.page.get_by_role("button", name="Conversation options").click()
    await ann.page.get_by_role("menuitem", name=f"Block {ben.display_name}").click()
    await ann.page.get_by_role("dialog").get_by_role("button", name=f"Block {ben.display_name}").click()
    await expect(ann.page.get_by_text(f"You blocked {ben.display_name}.")).to_be_visible()
    await open_settings(ann.page, "Privacy")
    await ann.page.get_by_role("button", name=f"Unblock {ben.display_name}").click()
    await expect(ann.page.get_by_text("You block nobody.")).to_be_visible()
    await chat(ann.page, ben).click()
    await expect(composer(ann.page)).to_be_visible()


async def test_chosen_colours_are_there_before_the_first_paint(people: People) -> None:
    ann = await people.join("ann")
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name="Dark").check()
    await expect(ann.page.locator("body")).to_have_css("background-color", "rgb(23, 33, 43)")
    await ann.device.context.add_init_script(NOTE_FIRST_THEME)
    page = await ann.another_tab()
    assert await page.evaluate("firstTheme") == "dark"


async def test_another_language_is_spoken_at_once_and_after_a_reload(ann: Person) -> None:
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("radio", name="Deutsch").check()
    await expect(ann.page.get_by_role("heading", name="Einstellungen")).to_be_visible()
    await ann.page.reload()
    await expect(ann.page.get_by_role("heading", name="Einstellungen")).to_be_visible()
    await expect(ann.page.locator("html")).to_have_attribute("lang", "de")


async def test_a_browser_is_spoken_to_in_its_language(people: People) -> None:
    cat = await people.join("cat", locale="de-AT")
    await expect(cat.page.get_by_text("Noch keine Chats")).to_be_visible()


async def test_where_enter_does_not_send_it_begins_a_line(ann: Person, ben: Person) -> None:
    await open_settings(ann.page, "Appearance")
    await ann.page.get_by_role("switch", name="Enter sends").uncheck()
    await begin_chat(ann.page, ben)
    await composer(ann.page).fill("one")
    await composer(ann.page).press("Enter")
    await composer(ann.page).press_sequentially("two")
    await expect(composer(ann.page)).to_have_value("one\ntwo")
    await composer(ann.page).press("Control+Enter")
    await expect(message(ann.page, "one")).to_contain_text("two")


async def test_another_device_is_signed_out_from_this_one(ann: Person) -> None:
    phone = await ann.another_device(phone=True)
    ann.may_be_refused(401)
    await expect(chats(phone.page)).to_be_visible()
    await open_settings(ann.page, "Devices")
    sessions = ann.page.get_by_role("main").get_by_role("listitem").filter(has_text="last used")
    await expect(sessions).to_have_count(2)
    await expect(sessions.first).to_contain_text("This device")
    await sessions.last.get_by_role("button", name="End").click()
    await expect(sessions).to_have_count(1)
    await expect(phone.page.get_by_text(ENDED)).to_be_visible()
    await expect(chats(ann.page)).to_be_visible()


async def test_all_other_devices_are_signed_out_at_once(ann: Person) -> None:
    others = [await ann.another_device() for _ in range(2)]
    ann.may_be_refused(401)
    await open_settings(ann.page, "Devices")
    await ann.page.get_by_role("button", name="End all other sessions").click()
    dialog = ann.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 other devices are signed out at once.")
    await dialog.get_by_role("button", name="End all other sessions").click()
    for device in others:
        await expect(device.page.get_by_text(ENDED)).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_another_password_signs_the_other_devices_out_and_lets_in_from_now_on(ann: Person) -> None:
    other = await ann.another_device()
    ann.may_be_refused(401, 403)
    await expect(chats(other.page)).to_be_visible()
    await open_settings(ann.page, "Password")
    await ann.page.get_by_label("Current password").fill("not this one")
    await ann.page.get_by_label("New password").fill("another battery staple")
    await ann.page.get_by_role("button", name="Change password").click()
    await expect(ann.page.get_by_label("Current password")).to_have_accessible_description(
        "This is not your current password."
    )
    await ann.page.get_by_label("Current password").fill(ann.password)
    await ann.page.get_by_role("button", name="Change password").click()
    await expect(ann.page.get_by_role("status").filter(has_text="Your password is changed.")).to_be_visible()
    await expect(other.page.get_by_text(ENDED)).to_be_visible()
    await sign_in(other.page, ann, "another battery staple")
    await expect(chats(other.page)).to_be_visible()


async def test_signing_out_in_one_tab_signs_out_in_all(ann: Person, ben: Person) -> None:
    await ben.send(ann, "for your eyes only")
    second = await ann.another_tab("/settings/privacy")
    await expect(chat(second, ben)).to_contain_text("for your eyes only")
    await sign_out(ann.page)
    for page in (ann.page, second):
        await expect(page.get_by_role("heading", name="Sign in to Parley")).to_be_visible()
        await expect(page.get_by_text("for your eyes only")).to_have_count(0)
    await second.wait_for_function("indexedDB.databases().then((all) => all.length === 0)")
    await expect(ann.page).to_have_url(re.compile(r"/$"))


async def test_who_signs_out_is_told_what_would_be_lost(ann: Person, ben: Person) -> None:
    ann.may_lose_network()
    await begin_chat(ann.page, ben)
    await ann.device.context.set_offline(offline=True)
    ann.line.cut()
    await say(ann.page, "on the train")
    await expect(ann.page.get_by_text("1 message will be sent when you are back.")).to_be_visible()
    await ann.page.get_by_role("link", name="Settings").click()
    await ann.page.get_by_role("button", name="Sign out").click()
    await expect(ann.page.get_by_role("dialog")).to_contain_text("1 message has not been sent yet, and would be lost.")
    await ann.page.get_by_role("button", name="Stay signed in").click()
    ann.line.restore()
    await ann.device.context.set_offline(offline=False)
    await expect(chat(ben.page, ann)).to_contain_text("on the train")
