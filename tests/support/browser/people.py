"""People: an account, an HTTP client of their own for what a test does behind the scenes, and devices."""

import re
import secrets
from pathlib import Path
from typing import Unpack

import httpx
from playwright.async_api import Browser, Page

from shared.contracts.ids import UserId
from tests.support.browser.device import Device, Options
from tests.support.browser.line import Line
from tests.support.browser.site import Site
from tests.support.browser.watch import NETWORK

PASSWORD = "correct horse battery"


class Person:
    """Somebody who uses the site. Names of users are unique, so that tests can share a site."""

    def __init__(self, browser: Browser, site: Site, name: str) -> None:
        self._browser = browser
        self.site = site
        self.display_name = name.capitalize()
        self.username = f"{name}-{secrets.token_hex(4)}"
        self.password = PASSWORD
        self.http = httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=30)
        """A program of theirs, signed in once they are registered."""
        self.devices: list[Device] = []
        self._id: UserId | None = None
        self._allowed: list[str] = []

    @property
    def id(self) -> UserId:
        """The id of the account, known of those who registered over HTTP."""
        if self._id is None:
            raise RuntimeError(f"{self.display_name} did not register over HTTP")
        return self._id

    @property
    def device(self) -> Device:
        """The first device."""
        if not self.devices:
            raise RuntimeError(f"{self.display_name} has no device: call another_device() first")
        return self.devices[0]

    @property
    def page(self) -> Page:
        """The first tab of the first device."""
        return self.device.page

    @property
    def line(self) -> Line:
        """The first device's way to the gateway, to be cut, stalled, slowed down and restored."""
        return self.device.line

    async def register(self) -> None:
        """Make the account over HTTP."""
        body = {"username": self.username, "password": self.password, "display_name": self.display_name}
        self._signed_in(await self.http.post("/api/v1/auth/register", json=body))

    async def another_device(self, path: str = "/", **options: Unpack[Options]) -> Device:
        """Open one more device, signed in if they are registered, with one tab."""
        device = await self.stranger_device(**options)
        if self._id is not None:
            await device.set_cookies(await self._cookies())
        await device.another_tab(path)
        return device

    async def stranger_device(self, **options: Unpack[Options]) -> Device:
        """Open one more device that nobody is signed in on; it has no tab yet."""
        name = f"{self.username.partition('-')[0]}-{len(self.devices) + 1}"
        device = await Device.start(self._browser, self.site, name, **options)
        device.watch.allow(*self._allowed)
        self.devices.append(device)
        return device

    async def another_tab(self, path: str = "/") -> Page:
        """Open one more tab on the first device."""
        return await self.device.another_tab(path)

    async def send(self, to: "Person", content: str, **more: str) -> dict[str, object]:
        """Send a message over HTTP; returns what the gateway says of it."""
        answer = await self.http.post(f"/messages/send/{to.username}/", json={"content": content, **more})
        answer.raise_for_status()
        stored: dict[str, object] = answer.json()
        return stored

    def allow(self, *patterns: str) -> None:
        """Accept what the pages complain about where one of these regular expressions is found in it."""
        self._allowed += patterns
        for device in self.devices:
            device.watch.allow(*patterns)

    def may_lose_network(self) -> None:
        """Accept what the browser says about a network or a server that goes away."""
        self.allow(*NETWORK)

    def may_be_refused(self, *statuses: int) -> None:
        """Accept answers of these statuses, which Chromium writes into the console."""
        self.allow(*(f"Failed to load resource: the server responded with a status of {status}" for status in statuses))

    async def _cookies(self) -> dict[str, str]:
        """Sign in over HTTP once more, unless it is the first device: that one has the program's session."""
        if len(self.devices) == 1:
            return dict(self.http.cookies)
        async with httpx.AsyncClient(base_url=self.site.url, trust_env=False, timeout=30) as client:
            body = {"username": self.username, "password": self.password}
            answer = await client.post("/api/v1/auth/login", json=body)
            answer.raise_for_status()
            return dict(client.cookies)

    def _signed_in(self, answer: httpx.Response) -> None:
        answer.raise_for_status()
        body = answer.json()
        self._id = UserId(body["user"]["id"])
        self.http.headers["x-csrftoken"] = body["csrf_token"]


class People:
    """Everybody in a test."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self.site = site
        self.all: list[Person] = []

    def newcomer(self, name: str) -> Person:
        """Make somebody who has no account yet, and no device."""
        person = Person(self._browser, self.site, name)
        self.all.append(person)
        return person

    async def register(self, name: str) -> Person:
        """Make somebody who has an account, and no device."""
        person = self.newcomer(name)
        await person.register()
        return person

    async def join(self, name: str, path: str = "/", **options: Unpack[Options]) -> Person:
        """Make somebody who has an account and sits at a signed-in device, with a page open."""
        person = await self.register(name)
        await person.another_device(path, **options)
        return person

    async def complaints(self) -> list[str]:
        """Tell what the pages of all complained about."""
        for device in self._devices():
            await device.settle()
        return [text for device in self._devices() for text in device.watch.complaints]

    async def keep_evidence(self, folder: Path) -> None:
        """Write down what all pages look like now."""
        for device in self._devices():
            await device.keep_evidence(folder)

    async def end(self) -> None:
        """Close every device and client."""
        for person in self.all:
            for device in person.devices:
                await device.end(self.site)
            await person.http.aclose()

    def _devices(self) -> list[Device]:
        return [device for person in self.all for device in person.devices]


def folder_name(test: str) -> str:
    """Make the name of a test one of a folder."""
    return re.sub(r"[^\w.-]+", "_", test).strip("_")
