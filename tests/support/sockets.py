"""The path of a message in one process: gateway, delivery and history on a real broker and database; and its users."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx

from deploy.verify.wire import Frame, Wire, dial
from services.delivery.announcer import Announcer
from services.delivery.domain.values import Outcome
from services.delivery.handlers import BatchHandler
from services.delivery.legs import Legs
from services.delivery.reader import Worker
from services.delivery.store import Store
from services.gateway.domain import User
from services.gateway.settings import Settings
from services.gateway.store import Accounts, SignIn, hash_secret
from services.gateway.ws.surroundings import PATIENCE, Patience
from shared.broker.connection import Connection
from shared.contracts.ids import UserId, Username
from shared.runtime.clock import now_ms
from shared.runtime.metrics import Metrics
from tests.support import history
from tests.support.delivery import Tally
from tests.support.gateway import RunningGateway, gateway_settings, prepare, running_gateway
from tests.support.ports import free_port

HOUR_MS = 3_600_000


class Path:
    """What runs; parts are started and stopped by name, to see what the others do without them."""

    def __init__(self, settings: Settings, patience: Patience) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.http_port}"
        self._patience = patience
        self._parts: dict[str, AsyncExitStack] = {}
        self.gateways: dict[str, RunningGateway] = {}

    async def start(self, part: str) -> None:
        """Start "delivery", "mute delivery" (whose answers are all lost), "history", "gateway" or "second gateway"."""
        stack = AsyncExitStack()
        database, broker = self.settings.database_url, self.settings.nats_url
        if part.endswith("delivery"):
            announcer = _Mute if part.startswith("mute") else Announcer
            await stack.enter_async_context(_delivery(broker, database, announcer, self.settings.announce_shards))
        elif part == "history":
            await stack.enter_async_context(history.running(database, broker))
        else:
            settings = self.settings
            if part.startswith("second"):
                settings = replace(settings, http_port=free_port())
            running = running_gateway(settings, patience=self._patience)
            self.gateways[part] = await stack.enter_async_context(running)
        self._parts[part] = stack

    async def stop(self, part: str) -> None:
        """Stop a part."""
        await self._parts.pop(part).aclose()

    async def close(self) -> None:
        """Stop all that runs, what came last first."""
        for part in reversed(list(self._parts)):
            await self.stop(part)

    async def token_of(self, username: str) -> str:
        """Make a user and sign it in; returns its token. Ids are fresh: the broker may know other tests' users."""
        token = secrets.token_urlsafe(24)
        user = User(UserId(secrets.token_hex(8)), Username(username), username.capitalize())
        sign_in = SignIn(secrets.token_hex(8), user.id, "token", hash_secret(token), "", now_ms(), now_ms() + HOUR_MS)
        async with Accounts(self.settings.database_url) as accounts:
            await accounts.add_with_tokens([user], [sign_in], now_ms())
        return token

    @asynccontextmanager
    async def socket(self, token: str, device: str = "laptop", *, at: str = "gateway") -> AsyncIterator[Wire]:
        """Open a socket and say hello."""
        async with self.dial(token, at=at) as wire:
            await wire.hello(device)
            yield wire

    @asynccontextmanager
    async def dial(self, token: str | None = None, *, at: str = "gateway") -> AsyncIterator[Wire]:
        """Open a socket and say nothing."""
        async with dial(self.gateways[at].url.replace("http", "ws", 1) + "/ws", token=token) as wire:
            yield wire

    async def until_polling(self, polls: int = 1, *, at: str = "gateway") -> None:
        """Wait until so many long polls wait at a gateway."""
        async with asyncio.timeout(10), self.gateways[at].browser() as browser:
            waiting = f"parley_long_polls {float(polls)}"
            while waiting not in (await browser.get("/metrics")).text:  # noqa: ASYNC110 - nobody here hears of it
                await asyncio.sleep(0.01)

    def http(self, token: str) -> httpx.AsyncClient:
        """A client of the HTTP endpoints."""
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10, trust_env=False)


@asynccontextmanager
async def whole_path(
    database_url: str, nats_url: str, *, patience: Patience = PATIENCE, **settings: object
) -> AsyncIterator[Path]:
    """Run everything that a message passes."""
    await prepare(database_url, nats_url)
    path = Path(gateway_settings(database_url, nats_url, **settings), patience)
    try:
        for part in ("delivery", "history", "gateway"):
            await path.start(part)
        yield path
    finally:
        await path.close()


def message(to: str, content: str = "hi", **more: object) -> dict[str, object]:
    """Build a message frame with an id of its own."""
    return {"type": "message", "id": secrets.token_hex(8), "to": to, "content": content, **more}


async def ask(wire: Wire, frame: Mapping[str, object], answer: str) -> Frame:
    """Send a frame and wait for the answer of a type to it."""
    await wire.send(frame)
    return await wire.expect(answer, lambda came: came.get("re") == frame.get("id"))


class _Mute(Announcer):
    """An announcer of which nobody hears anything."""

    async def announce(self, outcomes: Sequence[Outcome]) -> None:
        """Say nothing."""


@asynccontextmanager
async def _delivery(nats_url: str, database_url: str, announcing: type[Announcer], shards: int) -> AsyncIterator[None]:
    connection = Connection(nats_url, "test-delivery")
    await connection.open()
    legs = Legs(Metrics("delivery"))
    store, announcer = Store(database_url), announcing(connection, shards, legs)
    worker = Worker(connection, store, BatchHandler(connection, store, announcer, Tally(), Tally(), legs), announcer)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.run())
        yield
        working.cancel()
    await store.close()
    await connection.close()
