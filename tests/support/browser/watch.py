"""What the pages of a browser context complain about, and what they asked for: a test must leave nothing of it."""

import re
import time
from collections import deque
from contextlib import suppress
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, WebError, WebSocket, Worker
from playwright.async_api import Error as PlaywrightError

KEPT = 2_000
SERIOUS = frozenset({"error", "warning", "assert"})
NETWORK = (
    r"Failed to load resource: net::ERR_",
    r"Failed to load resource: the server responded with a status of 50[234]",
    r"WebSocket connection to '[^']*' failed",
)
"""What Chromium itself says when the network or the server goes away."""
NO_ICON = r"status of 404 .*/favicon\.ico"
"""Chromium looks for it by itself, once, where a page names no icon; the client's page names one."""
REPORT_VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error('Policy violation:', event.effectiveDirective, event.blockedURI, event.sourceFile ?? '', event.sample));
"""
REPORT_FROM_WORKER = f"""() => {{
  {REPORT_VIOLATIONS}
  addEventListener('error', (event) => console.error('uncaught in the service worker:', event.message));
  addEventListener('unhandledrejection', (event) => console.error('rejected in the service worker:', event.reason));
}}"""


class Watch:
    """Listens to a context: uncaught errors, unhandled rejections, console errors and warnings, policy violations,
    requests to other origins, crashes."""

    def __init__(self, name: str, context: BrowserContext, origin: str) -> None:
        self._name = name
        self._host = urlsplit(origin).netloc
        self._since = time.monotonic()
        self._allowed = [NO_ICON]
        self._complaints: list[str] = []
        self.log: deque[str] = deque(maxlen=KEPT)
        """Everything that the console said, with seconds since the start."""
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("page", self._on_page)
        context.on("serviceworker", _report_from)

    def allow(self, *patterns: str) -> None:
        """Accept complaints that a pattern is found in, also those that were there before."""
        self._allowed += patterns

    @property
    def complaints(self) -> list[str]:
        """What nobody allowed."""
        return [text for text in self._complaints if not any(re.search(pattern, text) for pattern in self._allowed)]

    def _note(self, text: str, *, is_complaint: bool) -> None:
        self.log.append(f"{time.monotonic() - self._since:8.3f} {text}")
        if is_complaint:
            self._complaints.append(f"{self._name}: {text}")

    def _on_console(self, message: ConsoleMessage) -> None:
        where = message.location
        place = f" ({where['url']}:{where['lineNumber']})" if where.get("url") else ""
        self._note(f"console {message.type}: {message.text}{place}", is_complaint=message.type in SERIOUS)

    def _on_error(self, error: WebError) -> None:
        self._note(f"uncaught: {error.error.stack or error.error.message}", is_complaint=True)

    def _on_request(self, request: Request) -> None:
        self._check_host(request.url)

    def _on_page(self, page: Page) -> None:
        page.on("crash", lambda _page: self._note("the page crashed", is_complaint=True))
        page.on("websocket", self._on_socket)

    def _on_socket(self, socket: WebSocket) -> None:
        self._check_host(socket.url)

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self._host:
            self._note(f"asked another origin: {url}", is_complaint=True)


async def _report_from(worker: Worker) -> None:
    with suppress(PlaywrightError):  # it ended at once
        await worker.evaluate(REPORT_FROM_WORKER)
