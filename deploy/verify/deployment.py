"""Where the deployment under test is, and people who may use it."""

import asyncio
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

# Gateway, delivery, history and presence answer on neighbouring ports, in this order.
SERVICES = ("gateway", "delivery", "history", "presence")
PASSWORD_BYTES = 12


@dataclass(frozen=True)
class Account:
    """A user with a bearer token, the way a program signs in."""

    username: str
    password: str
    user_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates an HTTP request of this user."""
        return {"Authorization": f"Bearer {self.token}"}


class Deployment:
    """A running deployment; one HTTP client without cookies for everybody."""

    def __init__(self, url: str) -> None:
        """Remember the gateway's address, such as `http://127.0.0.1:8080`."""
        self.url = url.rstrip("/")
        self._trusted = ssl.create_default_context()  # by this machine; SSL_CERT_FILE names others
        self.http = self.browser()
        self._run = secrets.token_hex(4)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.aclose()

    @property
    def socket_url(self) -> str:
        """The address of the WebSocket endpoint."""
        return f"ws{self.url.removeprefix('http')}/ws"

    @property
    def host(self) -> str:
        """The gateway's `host:port`."""
        return urlsplit(self.url).netloc

    def service_url(self, service: str) -> str:
        """Return the address of a service's own health and metrics port."""
        parts = urlsplit(self.url)
        port = (parts.port or 80) + SERVICES.index(service)
        return f"{parts.scheme}://{parts.hostname}:{port}"

    def browser(self) -> httpx.AsyncClient:
        """Make an HTTP client with its own cookie jar; the caller closes it."""
        return httpx.AsyncClient(base_url=self.url, timeout=10, trust_env=False, verify=self._trusted)

    def fresh_name(self, word: str) -> str:
        """Make up a username nobody has: the word, this run, and a random end."""
        return f"{word}-{self._run}-{secrets.token_hex(3)}"

    async def new_account(
        self, word: str = "user", on_wait: Callable[[float], None] = lambda _seconds: None
    ) -> Account:
        """Register a user and get a token; `on_wait` is told how long the rate limit takes.

        Raises:
            httpx.HTTPStatusError: the server refused for another reason than its rate limits.
        """
        body = {
            "username": self.fresh_name(word),
            "password": secrets.token_urlsafe(PASSWORD_BYTES),
        }
        async with self.browser() as browser:
            # Its own cookie jar: the program has a token and shall have nothing else.
            for path in ("/api/v1/auth/register", "/api/v1/auth/tokens"):
                response = await patiently(browser, path, body, on_wait)
                response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return Account(**body, user_id=answer["user"]["id"], token=answer["token"])


async def patiently(
    http: httpx.AsyncClient,
    path: str,
    body: dict[str, str],
    on_wait: Callable[[float], None] = lambda _seconds: None,
) -> httpx.Response:
    """POST, and again when a rate limit says so, for a minute."""
    deadline = asyncio.get_running_loop().time() + 60
    while True:
        response = await http.post(path, json=body)
        late = asyncio.get_running_loop().time() > deadline
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS or late:
            return response
        wait_s = float(response.headers.get("retry-after", "1"))
        on_wait(wait_s)
        await asyncio.sleep(wait_s)
