"""The clock of a page in the test's hand: `page.clock` goes on by itself until it is stopped."""

from playwright.async_api import Page


async def set_clock(page: Page) -> None:
    """Take a page's clock in hand, and load it anew."""
    await page.clock.install()
    await page.reload()


async def stop_clock(page: Page) -> None:
    """Let no timer of a page fire any more, but by `page.clock.run_for` and after `page.clock.resume`."""
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
