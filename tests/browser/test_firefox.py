"""The same in another browser: as much as shows that nothing depends on Chromium."""

from pathlib import Path

from tests.support.browser.firefox import firefox
from tests.support.browser.people import People
from tests.support.browser.site import Site


async def test_two_people_talk_in_firefox(people: People, site: Site, tmp_path: Path) -> None:
    ann, ben = people.newcomer("ann"), people.newcomer("ben")
    with site.borrowed_line() as anns, site.borrowed_line() as bens:
        async with firefox(tmp_path) as browser:
            writer, reader = await browser.new_profile(anns.origin), await browser.new_profile(bens.origin)
            for tab, person in ((writer, ann), (reader, ben)):
                await tab.press("Sign up")
                await tab.fill("Username", person.username)
                await tab.fill("Password", person.password)
                await tab.press("Create account")
            await writer.fill("Search chats and people", ben.username)
            await writer.press_text(f"@{ben.username}")
            await writer.fill(f"Message to {ben.username}", "Hello from Firefox")
            await writer.press("Send")
            await reader.find_text("Hello from Firefox")
            assert browser.complaints == []
