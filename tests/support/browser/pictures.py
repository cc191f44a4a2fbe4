"""Where pictures of pages go, and how they are taken."""

import os
from pathlib import Path

from playwright.async_api import Page

BUILD = Path(__file__).resolve().parents[3] / "build"
REST = """() => {
  const ending = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
  return Promise.allSettled(ending.map((one) => one.finished)).then(() => undefined);
}"""


def failures() -> Path:
    """The folder for what failed tests leave: `PARLEY_TEST_FAILURES`, else one that git ignores."""
    return Path(os.environ.get("PARLEY_TEST_FAILURES") or BUILD / "browser-failures")


def pictures() -> Path:
    """The folder for pictures that tests make on purpose: `PARLEY_TEST_PICTURES`, else one that git ignores."""
    return Path(os.environ.get("PARLEY_TEST_PICTURES") or BUILD / "pictures")


async def at_rest(page: Page) -> None:
    """Wait for the fonts and for every animation that ends."""
    await page.evaluate("document.fonts.ready.then(() => undefined)")
    await page.evaluate(REST)


async def picture(page: Page, name: str, *, full_page: bool = False) -> Path:
    """Take a picture of a page that has come to rest; returns where it is."""
    path = pictures() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    await at_rest(page)
    await page.screenshot(path=path, full_page=full_page, animations="disabled", caret="hide")
    return path
