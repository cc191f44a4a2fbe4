"""A device: a browser context of its own, with its own cookies, storage, line and pages."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from playwright.async_api import Browser, BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from tests.support.browser.launch import PATIENCE_MS
from tests.support.browser.line import Line
from tests.support.browser.site import Site
from tests.support.browser.watch import REPORT_VIOLATIONS, Watch

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SETTLE_MS = 5_000


class Options(TypedDict, total=False):
    """What a device is like; a plain one is a desk with a mouse, light, English."""

    phone: bool
    dark: bool
    reduced_motion: bool
    forced_colors: bool
    size: tuple[int, int]
    locale: str
    timezone: str


@dataclass(frozen=True)
class Device:
    """Made by `Person.another_device`."""

    name: str
    context: BrowserContext
    line: Line
    watch: Watch

    @classmethod
    async def start(cls, browser: Browser, site: Site, name: str, **options: Unpack[Options]) -> Self:
        """Open a context over a line of its own; it has no page yet."""
        line = site.take_line()
        context = await browser.new_context(base_url=line.origin, **_context_options(options))
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(name, context, line.origin)
        await context.add_init_script(REPORT_VIOLATIONS)
        return cls(name, context, line, watch)

    @property
    def page(self) -> Page:
        """The first tab."""
        if not self.context.pages:
            raise RuntimeError(f"{self.name} has no page open: call another_tab() first")
        return self.context.pages[0]

    async def another_tab(self, path: str = "/") -> Page:
        """Open one more tab."""
        page = await self.context.new_page()
        await page.goto(path)
        return page

    async def set_cookies(self, cookies: Mapping[str, str]) -> None:
        """Sign in with the cookies that somebody was given over HTTP."""
        await self.context.add_cookies(
            [
                {"name": name, "value": value, "url": self.line.origin, "httpOnly": "session" in name}
                for name, value in cookies.items()
            ]
        )

    async def settle(self) -> None:
        """Wait until all that the pages said so far has come here."""
        for page in self.context.pages:
            with suppress(PlaywrightError, TimeoutError):  # a page that crashed or hangs says no more
                async with asyncio.timeout(SETTLE_MS / 1000):
                    await page.evaluate("0")

    async def keep_evidence(self, folder: Path) -> None:
        """Write a picture and the accessibility tree of every tab, and the console's log, into a folder."""
        _write(folder / f"{self.name}.log", "\n".join(self.watch.log))
        for number, page in enumerate(self.context.pages, 1):
            name = folder / f"{self.name}-{number}"
            try:
                await page.screenshot(path=name.with_suffix(".png"), timeout=SETTLE_MS)
                _write(name.with_suffix(".yaml"), await page.locator("body").aria_snapshot(timeout=SETTLE_MS))
            except PlaywrightError as error:
                _write(name.with_suffix(".txt"), f"There is no picture: {error}")

    async def end(self, site: Site) -> None:
        """Close all that belongs to it."""
        await self.context.close()
        site.give_back(self.line)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _context_options(options: Options) -> dict[str, Any]:
    is_phone = options.get("phone", False)
    width, height = options.get("size", (0, 0))
    size = {"width": width, "height": height} if width else PHONE if is_phone else DESK
    return {
        "viewport": size,
        "screen": size,
        "is_mobile": is_phone,
        "has_touch": is_phone,
        "device_scale_factor": 2 if is_phone else 1,
        "color_scheme": "dark" if options.get("dark") else "light",
        "reduced_motion": "reduce" if options.get("reduced_motion") else "no-preference",
        "forced_colors": "active" if options.get("forced_colors") else "none",
        "locale": options.get("locale", "en-GB"),
        "timezone_id": options.get("timezone", "Europe/London"),
    }
