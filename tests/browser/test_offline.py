"""Without a network the client opens with what this browser keeps, and takes what is written."""

import json
import re
import sys

from playwright.async_api import expect

from tests.support.browser.kept import until_kept, until_worker
from tests.support.browser.pages import begin_chat, chat, composer, message, say, sign_in, tick
from tests.support.browser.people import People, Person
from tests.support.browser.seeding import seed_conversation
from tests.support.browser.witness import bubbles, expect_in_order, numbered, watch_order

PAINT = """() => new Promise((resolve) => {
  const told = () => performance.getEntriesByName('first-contentful-paint')[0];
  if (told()) resolve(told().startTime);
  else new PerformanceObserver(() => told() && resolve(told().startTime)).observe({ type: 'paint', buffered: true });
})"""


async def test_messages_that_nobody_has_looked_at_are_there_offline_too(people: People, ann: Person) -> None:
    ann.may_lose_network()
    ben, cat = await people.register("ben"), await people.register("cat")
    for person in (ben, cat):
        await person.send(ann, person.username)
        await expect(chat(ann.page, person)).to_contain_text("1 unread message")
        await until_kept(ann.page, person.username)
    await ann.device.context.set_offline(offline=True)
    await ann.page.reload()
    for person in (ben, cat):
        await chat(ann.page, person).click()
        await expect(bubbles(ann.page)).to_have_text([person.username])


async def test_a_chat_that_could_not_be_read_is_read_when_the_network_is_back(people: People, ann: Person) -> None:
    ann.may_lose_network()
    ben = await people.register("ben")
    await seed_conversation(ann, ben, 50)
    await ann.page.reload()
    await expect(chat(ann.page, ben)).to_contain_text("message 50")
    await ann.device.context.set_offline(offline=True)
    await chat(ann.page, ben).click()
    await expect(ann.page.get_by_text("The messages could not be loaded.")).to_be_visible()
    await ann.device.context.set_offline(offline=False)
    await expect(message(ann.page, "message 50")).to_be_visible()


async def test_it_opens_offline_and_what_is_written_goes_out_later(ann: Person, ben: Person) -> None:
    ann.may_lose_network()
    await begin_chat(ann.page, ben)
    await say(ann.page, "ann 001")
    await chat(ben.page, ann).click()
    await expect(tick(message(ann.page, "ann 001"), "Read")).to_be_visible()
    await until_kept(ann.page, "ann 001")
    context = ann.device.context
    await context.set_offline(offline=True)
    await ann.page.goto("/")
    await expect(chat(ann.page, ben)).to_contain_text("ann 001")
    await chat(ann.page, ben).click()
    await expect(bubbles(ann.page)).to_have_text(["ann 001"])
    await watch_order(ann.page)
    for text in numbered("ann", 2, 3):
        await say(ann.page, text)
        await expect(tick(message(ann.page, text), "Waiting to be sent")).to_be_visible()
    await composer(ann.page).fill("not done yet")
    await expect(ann.page.locator(".banner")).to_contain_text("2 messages will be sent when you are back.")
    address = ann.page.url
    await ann.page.close()
    page = await ann.another_tab(address)
    texts = numbered("ann", 1, 2, 3)
    await expect(bubbles(page)).to_have_text(texts)
    await watch_order(page)
    await expect(composer(page)).to_have_value("not done yet")
    await expect(tick(message(page, "ann 003"), "Waiting to be sent")).to_be_visible()
    await watch_order(ben.page)
    await context.set_offline(offline=False)
    await expect(tick(message(page, "ann 003"), "Read")).to_be_visible()
    for each in (page, ben.page):
        await expect_in_order(each, texts)
    other = (await ann.another_device()).page
    await chat(other, ben).click()
    for each in (page, other):
        await expect(composer(each)).to_have_value("not done yet")


async def test_a_stranger_offline_is_asked_to_sign_in_and_told_why_that_fails(people: People) -> None:
    ann = await people.register("ann")
    ann.may_lose_network()
    ann.may_be_refused(401)
    device = await ann.stranger_device()
    page = await device.another_tab()
    await until_worker(page)
    await device.context.set_offline(offline=True)
    await page.reload()
    await sign_in(page, ann)
    await expect(page.get_by_role("alert")).to_contain_text(re.compile("Parley can.t be reached"))
    await device.context.set_offline(offline=False)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_text("No chats yet")).to_be_visible()


async def test_how_soon_it_paints(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await say(ann.page, "ann 001")
    await expect(message(ann.page, "ann 001")).to_be_visible()
    await until_kept(ann.page, "ann 001")
    fresh = (await ann.another_device()).page
    painted = {"cold": await fresh.evaluate(PAINT)}
    await ann.page.reload()
    painted["from the service worker"] = await ann.page.evaluate(PAINT)
    ann.may_lose_network()
    await ann.device.context.set_offline(offline=True)
    await ann.page.reload()
    await expect(message(ann.page, "ann 001")).to_be_visible()
    painted["offline"] = await ann.page.evaluate(PAINT)
    sys.stdout.write(f"first contentful paint, ms: {json.dumps({name: round(ms) for name, ms in painted.items()})}\n")
