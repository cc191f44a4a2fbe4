"""Signing up, in and out."""

from playwright.async_api import expect

from tests.support.browser.pages import chats, sign_in, sign_out, sign_up
from tests.support.browser.people import People, Person


async def test_a_newcomer_makes_an_account_and_stays_signed_in(people: People) -> None:
    cat = people.newcomer("cat")
    page = (await cat.another_device()).page
    await sign_up(page, cat)
    await expect(chats(page)).to_be_visible()
    await page.reload()
    await expect(chats(page)).to_be_visible()


async def test_a_taken_name_is_said_at_its_field(people: People, ann: Person) -> None:
    cat = people.newcomer("cat")
    cat.may_be_refused(409)
    cat.username = ann.username
    page = (await cat.another_device()).page
    await sign_up(page, cat)
    why = f"{ann.username} is taken. Please choose another name."
    await expect(page.get_by_label("Username")).to_have_accessible_description(why)
    await expect(page.get_by_label("Username")).to_be_focused()


async def test_signing_out_ends_the_session_and_wipes_what_the_browser_kept(ann: Person, ben: Person) -> None:
    await ben.send(ann, "for your eyes only")
    await expect(chats(ann.page)).to_contain_text("for your eyes only")
    await sign_out(ann.page)
    await expect(ann.page.get_by_role("heading", name="Sign in to Parley")).to_be_visible()
    await ann.page.wait_for_function("indexedDB.databases().then((all) => all.length === 0)")
    ann.may_be_refused(401)
    await ann.page.reload()
    await expect(ann.page.get_by_role("heading", name="Sign in to Parley")).to_be_visible()


async def test_a_wrong_password_is_refused_and_the_right_one_lets_in(people: People) -> None:
    dan = await people.register("dan")
    dan.may_be_refused(401)
    page = await (await dan.stranger_device()).another_tab()
    await sign_in(page, dan, "not the password")
    await expect(page.get_by_role("alert")).to_have_text("The username or the password is wrong.")
    await sign_in(page, dan)
    await expect(chats(page)).to_be_visible()
