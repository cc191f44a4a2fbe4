"""What people do on the client's pages, and where they look, by the names that a screen reader says."""

from playwright.async_api import Locator, Page, expect

from tests.support.browser.people import Person


async def sign_up(page: Page, person: Person) -> None:
    """Make the account on the page that strangers get."""
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_label("Username").fill(person.username)
    await page.get_by_label("Display name").fill(person.display_name)
    await page.get_by_label("Password", exact=True).fill(person.password)
    await page.get_by_role("button", name="Create account").click()


async def sign_in(page: Page, person: Person, password: str | None = None) -> None:
    """Sign in on the page that strangers get."""
    await page.get_by_label("Username").fill(person.username)
    await page.get_by_label("Password", exact=True).fill(password or person.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def sign_out(page: Page) -> None:
    """Sign out by the settings."""
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out").click()


def chats(page: Page) -> Locator:
    """The pane of conversations."""
    return page.get_by_role("navigation", name="Conversations")


def chat(page: Page, person: Person) -> Locator:
    """Somebody's row in the list."""
    return chats(page).get_by_role("link", name=person.display_name)


async def begin_chat(page: Page, person: Person) -> None:
    """Find somebody by their username, and go to the conversation."""
    await page.get_by_label("Search chats and people").fill(person.username)
    await chats(page).get_by_role("button", name=person.username).click()
    await expect(composer(page)).to_be_visible()


def composer(page: Page) -> Locator:
    """The box that messages are written in."""
    return page.get_by_role("textbox", name="Message to")


async def say(page: Page, text: str) -> None:
    """Write a message and press Enter."""
    await composer(page).fill(text)
    await composer(page).press("Enter")


def message(page: Page, text: str) -> Locator:
    """The row of a message in the open conversation."""
    return page.get_by_role("log").get_by_role("listitem").filter(has_text=text)


def tick(row: Locator, status: str) -> Locator:
    """The time and tick of an own message, when it is so far: "Sent", "Delivered", "Read" or "Not sent"."""
    return row.get_by_role("button", name=status)
