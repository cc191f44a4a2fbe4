"""Tabs of one browser are one client: they share a socket, what waits, what is read, and who is signed in."""

from playwright.async_api import Page, Route, WebSocket, expect

from tests.support.browser.kept import until_kept
from tests.support.browser.pages import begin_chat, chat, composer, message, say, sign_out, tick
from tests.support.browser.people import Person
from tests.support.browser.witness import expect_in_order, numbered, watch_order

KEPT = "() => indexedDB.databases().then((all) => all.some(({ name }) => name.startsWith('parley')))"
KEEP_NO_MORE = """() => {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...given) {
    return this.name === 'cache' ? this.count() : put.apply(this, given);
  };
}"""
WIPED = f"""async () => {{
  while (await ({KEPT})()) await new Promise((resolve) => setTimeout(resolve, 20));
}}"""


async def sockets_of(ann: Person) -> list[WebSocket]:
    """Load Ann's page anew; returns the sockets that she opens from now on, in whatever tab."""
    opened: list[WebSocket] = []

    def note(socket: WebSocket) -> None:
        opened.append(socket)

    def watch(page: Page) -> None:
        page.on("websocket", note)

    watch(ann.page)
    ann.device.context.on("page", watch)
    await ann.page.reload()
    return opened


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


async def test_tabs_share_one_socket_and_what_is_written_shows_in_all(ann: Person, ben: Person) -> None:
    sockets = await sockets_of(ann)
    second = await in_two_tabs(ann, ben)
    await chat(ben.page, ann).click()
    for page, text in ((second, "ann 002"), (ann.page, "ann 003"), (second, "ann 004")):
        await say(page, text)
    await say(ben.page, "ben 001")
    texts = [*numbered("ann", 1, 2, 3, 4), "ben 001"]
    for page in (ann.page, second):
        await expect(tick(message(page, "ann 004"), "Read")).to_be_visible()
        await expect_in_order(page, texts)
    assert len(sockets) == 1


async def test_another_tab_takes_over_what_the_closed_one_was_sending(ann: Person, ben: Person) -> None:
    sockets = await sockets_of(ann)
    second = await in_two_tabs(ann, ben)
    await chat(ben.page, ann).click()
    await watch_order(ben.page)
    ann.line.slow_down(0.15)
    texts = numbered("ann", *range(1, 8))
    for text in texts[1:]:
        await say(ann.page, text)
    await expect(tick(message(second, texts[-1]), "Waiting to be sent")).to_be_visible()
    assert len(sockets) == 1
    await ann.page.close()
    await expect(tick(message(second, texts[-1]), "Read")).to_be_visible()
    for page in (second, ben.page):
        await expect_in_order(page, texts)
    assert len(sockets) == 2


async def test_a_tab_that_knows_a_chat_only_as_begun_reads_what_was_written_since(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await expect(ann.page.get_by_text("No messages here yet.")).to_be_visible()
    await until_kept(ann.page, ann.page.url.rpartition("/")[2], "cache")
    await ann.page.evaluate(KEEP_NO_MORE)  # as if the other tab came at once
    await say(ann.page, "ann 001")
    await expect(tick(message(ann.page, "ann 001"), "Delivered")).to_be_visible()
    second = await ann.another_tab(ann.page.url)
    await expect(tick(message(second, "ann 001"), "Delivered")).to_be_visible()


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


async def test_signing_out_in_one_tab_signs_out_all_and_wipes_the_browser(ann: Person, ben: Person) -> None:
    ann.may_be_refused(401)
    sockets = await sockets_of(ann)
    second = await in_two_tabs(ann, ben)
    (socket,) = sockets
    assert await second.evaluate(KEPT)

    async def answer_last(route: Route) -> None:
        response = await route.fetch()
        if not socket.is_closed():
            await socket.wait_for_event("close")
        await route.fulfill(response=response)

    await second.route("**/api/v1/auth/logout", answer_last)
    await sign_out(second)
    for page in (ann.page, second):
        await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        await expect(page.get_by_text("Your session has ended.")).to_be_hidden()
        await page.evaluate(WIPED)
    await ann.page.reload()
    await expect(ann.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
