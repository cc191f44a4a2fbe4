"""The Chromium of this machine, driven by Playwright; no browser is ever downloaded."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 10_000
"""How long `expect` and actions wait: machines are shared."""
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def program(what: str, setting: str, *names: str) -> str:
    """Find a program of this machine; `setting` is the environment variable that names another one.

    Where there is none the test is skipped, in CI it fails.
    """
    found = os.environ.get(setting) or next(filter(None, map(shutil.which, names)), None)
    if found is not None:
        return found
    missing = f"there is no {what} here: apt install {names[0]}, or name one in {setting}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must test in a browser: {missing}")
    pytest.skip(missing)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a headless Chromium."""
    path = program("Chromium", "PARLEY_TEST_CHROMIUM", *NAMES)
    expect.set_options(timeout=PATIENCE_MS)
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=path, args=ARGUMENTS) as browser,
    ):
        yield browser
