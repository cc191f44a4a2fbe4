"""Two people talk."""

from playwright.async_api import expect

from tests.support.browser.pages import begin_chat, chat, composer, message, say, tick
from tests.support.browser.people import Person


async def test_two_people_find_each_other_and_see_how_far_their_messages_are(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    await say(ann.page, "Hello Ben")
    await expect(composer(ann.page)).to_be_empty()
    sent = message(ann.page, "Hello Ben")
    await expect(tick(sent, "Delivered")).to_be_visible()  # his browser has it, he has not looked

    await expect(chat(ben.page, ann)).to_contain_text("1 unread message")
    await chat(ben.page, ann).click()
    await expect(message(ben.page, "Hello Ben")).to_be_in_viewport()
    await expect(tick(sent, "Read")).to_be_visible()

    await say(ben.page, "Hello Ann")
    await expect(message(ann.page, "Hello Ann")).to_be_visible()
    await expect(tick(message(ben.page, "Hello Ann"), "Read")).to_be_visible()
    await expect(chat(ben.page, ann)).not_to_contain_text("unread")


async def test_messages_stay_in_the_order_they_were_written(ann: Person, ben: Person) -> None:
    await begin_chat(ann.page, ben)
    texts = [f"number {n}" for n in range(12)]
    for text in texts:
        await say(ann.page, text)
    await chat(ben.page, ann).click()
    await expect(ben.page.locator(".bubble-text")).to_have_text(texts)
    await expect(tick(message(ann.page, texts[-1]), "Read")).to_be_visible()


async def test_somebody_who_was_away_gets_what_was_written(ann: Person, ben: Person) -> None:
    await ben.page.close()
    await begin_chat(ann.page, ben)
    await say(ann.page, "are you there?")
    await expect(tick(message(ann.page, "are you there?"), "Sent")).to_be_visible()
    page = await ben.another_tab()
    await chat(page, ann).click()
    await expect(message(page, "are you there?")).to_be_visible()
    await expect(tick(message(ann.page, "are you there?"), "Read")).to_be_visible()
