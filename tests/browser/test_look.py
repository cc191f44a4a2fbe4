"""How every screen looks: axe finds nothing wrong with any, and a picture of each is kept to be looked at."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from tests.support.browser.accessibility import axe
from tests.support.browser.device import Options
from tests.support.browser.pages import begin_chat, chat, chats, composer, message, sign_up, tick
from tests.support.browser.people import People, Person
from tests.support.browser.pictures import picture

LOOKS: dict[str, Options] = {
    "light": {},
    "dark": {"dark": True},
    "phone-light": {"phone": True},
    "phone-dark": {"phone": True, "dark": True},
}
SECTIONS = ("profile", "privacy", "appearance", "password", "sessions")
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3
SAID = (
    "Yes, all green since last night. Notes: https://example.org/releases/1.4?from=list&to=everybody",
    "مرحبا، كيف حالك اليوم؟ نلتقي غدا في الساعة العاشرة",
    LONG_WORD,
    "🎉",
    "שלום Ben! This goes 2 ways: עברית ואנגלית",
)

Look = Callable[[Page, str], Awaitable[None]]


@pytest.fixture(params=LOOKS)
def name(request: pytest.FixtureRequest) -> str:
    """Tell what the device is like."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def look(name: str) -> Look:
    """Look at a page: with axe, and by a picture."""

    async def look(page: Page, what: str) -> None:
        await picture(page, f"{what}-{name}")
        await axe(page)

    return look


async def called(people: People, name: str, display_name: str) -> Person:
    """Register somebody with a name of their own."""
    person = people.newcomer(name)
    person.display_name = display_name
    await person.register()
    return person


async def busy_person(people: People, name: str) -> tuple[Person, Person]:
    """Ann with chats of all kinds, at a device that looks as named; and Ben, who wrote most."""
    ann = await people.register("ann")
    ben = await called(people, "ben", "Ben Okafor")
    omar = await called(people, "omar", "عمر الفاروق")
    long = await called(people, "max", "Maximiliane von der Überlängenstein-Hohenzollern")
    fay = await called(people, "fay", "Fay 🌱")
    for other, content in ((omar, SAID[1]), (long, LONG_WORD), (fay, "Lunch?")):
        await other.send(ann, content)
    await ann.send(ben, "Morning! Is the release on for today?")
    for content in SAID:
        await ben.send(ann, content)
    stored = await ann.send(fay, "Gladly")
    await ann.http.patch(f"/api/v1/conversations/{stored['conversation_id']}/me", json={"pinned": True, "muted": True})
    await ann.another_device(**LOOKS[name])
    await expect(chat(ann.page, ben)).to_be_visible()
    return ann, ben


async def write(page: Page, text: str) -> None:
    """Write a message and send it by the button: on a phone, Enter begins a line."""
    await composer(page).fill(text)
    await page.get_by_role("button", name="Send").click()


async def back_to_list(page: Page) -> None:
    """Leave a page that covers the list, on a phone."""
    back = page.get_by_role("button", name="Back")
    if await back.is_visible():
        await back.click()


async def test_signing_in_and_up(people: People, name: str, look: Look) -> None:
    cat = people.newcomer("cat")
    page = (await cat.another_device(**LOOKS[name])).page
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    await look(page, "sign-in")
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("alert").filter(has_text="Use 3 to 32 characters")).to_be_visible()
    await look(page, "sign-up-wrong")
    await page.get_by_role("button", name="Go to sign-in").click()
    await sign_up(page, cat)
    await expect(chats(page)).to_contain_text("No chats yet")
    await look(page, "empty")


async def test_the_list_and_what_opens_over_it(people: People, name: str, look: Look) -> None:
    ann, ben = await busy_person(people, name)
    page = ann.page
    await look(page, "list")
    await chat(page, ben).click(button="right")
    await expect(page.get_by_role("menu")).to_be_visible()
    await look(page, "list-menu")
    await page.keyboard.press("Escape")
    await page.get_by_label("Search chats and people").fill("be")
    await expect(chats(page).get_by_role("region", name="People")).not_to_contain_text("Looking")
    await look(page, "search")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog", name="Go to a chat")).to_be_visible()
    await look(page, "switcher")
    await page.keyboard.press("Escape")
    await page.get_by_role("heading", name="Chats").click()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await look(page, "help")


async def test_a_conversation(people: People, name: str, look: Look) -> None:
    ann, ben = await busy_person(people, name)
    page = ann.page
    await chat(page, ben).click()
    await expect(message(page, SAID[-1])).to_be_visible()
    await write(page, "Great, thank you")
    await expect(tick(message(page, "Great, thank you"), "Sent")).to_be_visible()
    await look(page, "conversation")
    await page.get_by_role("button", name="Conversation options").click()
    await look(page, "conversation-menu")
    await page.keyboard.press("Escape")
    await back_to_list(page)
    cat = await called(people, "cat", "Catherine")
    await begin_chat(page, cat)
    await expect(page.get_by_text("Say hello to Catherine")).to_be_visible()
    await look(page, "conversation-new")


async def test_being_offline(people: People, name: str, look: Look) -> None:
    ann, ben = await busy_person(people, name)
    ann.may_lose_network()
    page = ann.page
    await chat(page, ben).click()
    await expect(message(page, SAID[-1])).to_be_visible()
    await ann.device.context.set_offline(offline=True)
    ann.line.cut()
    for text in ("Written on the train", "with no network"):
        await write(page, text)
    await expect(page.get_by_text("2 messages will be sent when you are back.")).to_be_visible()
    await composer(page).fill("and there is more to s")
    await look(page, "offline")


async def test_an_address_of_nothing(people: People, name: str, look: Look) -> None:
    ann = await people.register("ann")
    ann.may_be_refused(404)
    page = (await ann.another_device("/c/nowhere", **LOOKS[name])).page
    await expect(page.get_by_role("heading", name="This conversation is not there.")).to_be_visible()
    await look(page, "not-there")


async def test_the_settings(people: People, name: str, look: Look) -> None:
    ann = await people.register("ann")
    mallory = await called(people, "mallory", "Mallory")
    (await ann.http.put(f"/api/v1/users/{mallory.username}/block")).raise_for_status()
    page = (await ann.another_device("/settings", **LOOKS[name])).page
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    await look(page, "settings")
    for section in SECTIONS:
        await page.goto(f"/settings/{section}")
        await expect(page.get_by_role("main").get_by_role("heading", level=2)).to_be_visible()
        await expect(page.get_by_text("Loading…")).to_have_count(0)
        await look(page, f"settings-{section}")
    await page.goto("/settings")
    await page.get_by_role("button", name="Sign out").click()
    await look(page, "sign-out")


@pytest.mark.parametrize("size", [(320, 480), (720, 500), (1920, 1080)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_nothing_is_cut_off_at_any_size(people: People, size: tuple[int, int]) -> None:
    ann = await people.register("ann")
    ben = await called(people, "ben", LONG_WORD[:64])
    await ben.send(ann, LONG_WORD)
    await ann.another_device(size=size)
    for path in ("/", *(f"/settings/{section}" for section in SECTIONS)):
        await ann.page.goto(path)
        await expect(ann.page.get_by_role("heading", level=1)).to_be_visible()
        await picture(ann.page, f"{path.strip('/').replace('/', '-') or 'list'}-{size[0]}x{size[1]}")
        beyond = await ann.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert beyond <= 0, f"{path} is {beyond} px too wide"


async def test_forced_colours(people: People) -> None:
    ann = await people.register("ann")
    ben = await people.register("ben")
    await ben.send(ann, "hello")
    await ann.another_device(forced_colors=True)
    await chat(ann.page, ben).click()
    await expect(message(ann.page, "hello")).to_be_visible()
    await picture(ann.page, "forced-colours")
    await axe(ann.page)
