"""A real gateway in this process, on a port of its own, before a real broker and database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from services.gateway.app import FRAME_MARGIN_BYTES, build
from services.gateway.settings import Settings
from services.gateway.ws.server import HttpProtocol, PicowsProtocol
from services.gateway.ws.surroundings import PATIENCE, Patience
from shared.broker.connection import Connection
from shared.broker.streams import StreamSettings, provision
from shared.database.migrate import upgrade
from tests.support.ports import free_port

PASSWORD = "correct horse ünd bättery"
UNBUILT = Path("/nowhere")
"""Where no browser client was built: tests of the gateway do not depend on the state of the checkout."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RunningGateway:
    """A gateway that answers at `url`; `settings` are those it runs with, `drain` is what a signal begins with."""

    def __init__(self, settings: Settings, drain: Callable[[], Awaitable[None]]) -> None:
        self.settings = settings
        self.drain = drain
        self.url = f"http://127.0.0.1:{settings.http_port}"

    def browser(self, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client with a cookie jar of its own, like a browser's profile; `address` is where it comes from."""
        transport = httpx.AsyncHTTPTransport(local_address=address)
        return httpx.AsyncClient(base_url=self.url, timeout=10, transport=transport)

    async def account(self, username: str) -> dict[str, str]:
        """Register somebody; returns the headers of a program that signed in."""
        async with self.browser() as browser:
            signing_in = {"username": username, "password": PASSWORD}
            (await browser.post("/api/v1/auth/register", json=signing_in)).raise_for_status()
            made = await browser.post("/api/v1/auth/tokens", json=signing_in)
            return {"authorization": f"Bearer {made.raise_for_status().json()['token']}"}


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the problem that was expected, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert isinstance(problem["retryable"], bool)
    assert problem["request_id"] == response.headers["x-request-id"]
    if status in {429, 503}:
        assert int(response.headers["retry-after"]) >= 1
    return problem


def gateway_settings(database_url: str, nats_url: str, **others: object) -> Settings:
    """Settings for a test: the cheapest password hash that is allowed, a free port."""
    given: dict[str, object] = {"http_port": free_port(), "argon2_memory_kib": 19_456} | others
    return Settings(database_url=database_url, nats_url=nats_url, **given)  # type: ignore[arg-type]


async def prepare(database_url: str, nats_url: str) -> None:
    """Bring schema and streams up to date, as `parley migrate` does."""
    await asyncio.to_thread(upgrade, database_url)
    connection = Connection(nats_url, "tests")
    await connection.open()
    try:
        await provision(connection, StreamSettings())
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def running_gateway(
    settings: Settings, *, patience: Patience = PATIENCE, web: Path = UNBUILT
) -> AsyncIterator[RunningGateway]:
    """Serve a gateway until the block ends; `web` is where it finds the browser client."""
    gateway = build(settings, patience=patience, web=web)
    server = _Server(
        uvicorn.Config(
            gateway.app,
            host=settings.http_host,
            port=settings.http_port,
            http=HttpProtocol,
            ws=PicowsProtocol,
            ws_max_size=settings.limit_frame_bytes + FRAME_MARGIN_BYTES,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield RunningGateway(settings, gateway.drain)
        finally:
            server.should_exit = True


@contextlib.asynccontextmanager
async def prepared_gateway(
    database_url: str, nats_url: str, *, web: Path = UNBUILT, **others: object
) -> AsyncIterator[RunningGateway]:
    """Serve a gateway before a schema and streams that are up to date; `others` are settings."""
    await prepare(database_url, nats_url)
    async with running_gateway(gateway_settings(database_url, nats_url, **others), web=web) as gateway:
        yield gateway
