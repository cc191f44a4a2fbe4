"""The Firefox of this machine, spoken to in WebDriver BiDi: as much as a smoke test needs, and no driver.

Playwright drives Chromium alone here (its Firefox is a build of its own), so this is small on purpose.
"""

import asyncio
import itertools
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from shared.runtime.tasks import beside
from tests.support.browser.launch import PATIENCE_MS, program
from tests.support.browser.watch import REPORT_VIOLATIONS
from tests.support.children import spawn, stop, wait_until

NAMES = ("firefox-esr", "firefox")
QUIET = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
"""Settings that keep it from asking anything of anybody."""
ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
POLL_S = 0.05
ENTER = "\ue007"

Json = dict[str, Any]


class BidiError(Exception):
    """Firefox refused a command."""


class Firefox:
    """One browser; every profile of it has cookies and storage of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self.complaints: list[str] = []
        """Errors and warnings of all pages."""

    async def read(self) -> None:
        """Take in answers and events for as long as the browser speaks."""
        async for text in self._socket:
            frame = json.loads(text)
            if (waiting := self._waiting.pop(frame.get("id"), None)) is not None:
                if frame["type"] == "error":
                    waiting.set_exception(BidiError(f"{frame['error']}: {frame['message']}"))
                else:
                    waiting.set_result(frame["result"])
            elif frame.get("method") == "log.entryAdded" and frame["params"]["level"] in {"error", "warn"}:
                self.complaints.append(f"{frame['params']['level']}: {frame['params']['text']}")

    async def command(self, method: str, **params: Any) -> Json:
        """Have something done; returns what came of it.

        Raises:
            BidiError: it was refused.
        """
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE_MS / 1000):
            result: Json = await answer
        return result

    async def new_profile(self, url: str) -> "Tab":
        """Open a page as somebody new."""
        profile = await self.command("browser.createUserContext")
        tab = await self.command("browsingContext.create", type="tab", userContext=profile["userContext"])
        await self.command("browsingContext.navigate", context=tab["context"], url=url, wait="complete")
        return Tab(self, tab["context"])


class Tab:
    """One page; what is named is what a screen reader would say."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self._firefox = firefox
        self._context = context

    async def find(self, name: str, role: str | None = None) -> Json:
        """Wait for an element with this accessible name.

        Raises:
            TimeoutError: there is none in 10 s.
        """
        wanted = {"name": name} | ({} if role is None else {"role": role})
        return await self._located({"type": "accessibility", "value": wanted})

    async def find_text(self, text: str) -> Json:
        """Wait for an element that has exactly this text, without double quotes.

        Raises:
            TimeoutError: there is none in 10 s.
        """
        return await self._located({"type": "xpath", "value": f'//*[not(*) and normalize-space(.)="{text}"]'})

    async def fill(self, label: str, text: str) -> None:
        """Type into a field: in front, once it has the focus, as people do. Keys into a tab behind may get lost."""
        await self._firefox.command("browsingContext.activate", context=self._context)
        await self._click(await self.find(label))
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while True:
                if await self._evaluate("document.hasFocus() && document.activeElement.matches('input, textarea')"):
                    break
                await asyncio.sleep(POLL_S)
        keys = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        await self._act({"type": "key", "id": "keyboard", "actions": keys})

    async def press(self, button: str) -> None:
        """Click a button."""
        await self._click(await self.find(button, "button"))

    async def press_text(self, text: str) -> None:
        """Click where a text stands."""
        await self._click(await self.find_text(text))

    async def _click(self, element: Json) -> None:
        place = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": place},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._act({"type": "pointer", "id": "mouse", "actions": actions})

    async def _act(self, device: Json) -> None:
        await self._firefox.command("input.performActions", context=self._context, actions=[device])

    async def _located(self, locator: Json) -> Json:
        try:
            async with asyncio.timeout(PATIENCE_MS / 1000):
                while True:
                    found = await self._firefox.command(
                        "browsingContext.locateNodes", context=self._context, locator=locator, maxNodeCount=1
                    )
                    if found["nodes"]:
                        node: Json = found["nodes"][0]
                        return node
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise TimeoutError(f"there is no {locator['value']} on the page; it says:\n{await self._text()}") from None

    async def _text(self) -> str:
        return str(await self._evaluate("document.body.innerText"))

    async def _evaluate(self, expression: str) -> object:
        said = await self._firefox.command(
            "script.evaluate", expression=expression, target={"context": self._context}, awaitPromise=False
        )
        return said["result"].get("value")


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Run a headless Firefox with its files in `folder`."""
    path = program("Firefox", "PARLEY_TEST_FIREFOX", *NAMES)
    log = folder / "firefox.log"
    await asyncio.to_thread(_write_settings, folder)
    child = await asyncio.to_thread(
        spawn,
        [path, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"],
        log=log,
    )
    try:
        await asyncio.to_thread(
            wait_until, lambda: _address(log) is not None, child=child, log=log, what="Firefox", timeout_s=60
        )
        async with connect(f"{_address(log)}/session", max_size=None, proxy=None) as socket:
            running = Firefox(socket)
            async with beside(running.read()):
                await running.command("session.new", capabilities={})
                await running.command("session.subscribe", events=["log.entryAdded"])
                await running.command("script.addPreloadScript", functionDeclaration=f"() => {{ {REPORT_VIOLATIONS} }}")
                yield running
    finally:
        await asyncio.to_thread(stop, child, how=signal.SIGTERM)


def _write_settings(folder: Path) -> None:
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in QUIET.items())
    (folder / "user.js").write_text("\n".join(lines))


def _address(log: Path) -> str | None:
    found = ADDRESS.search(log.read_text(errors="replace"))
    return None if found is None else found[1]
