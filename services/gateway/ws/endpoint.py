"""Where sockets come in: who it is, the upgrade, and a session until the end; one scan looks after all of them."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import WebSocket, websocket
from litestar.handlers import WebsocketRouteHandler

from services.gateway.commands.commands import Commands
from services.gateway.commands.typing import Typing
from services.gateway.domain import Principal
from services.gateway.fanout.hub import Hub
from services.gateway.fanout.presence import Presence
from services.gateway.guards.gate import Gate
from services.gateway.protocol import closing
from services.gateway.protocol.closing import Closing, goodbye
from services.gateway.settings import Settings
from services.gateway.ws.connection import connection_of
from services.gateway.ws.history import History
from services.gateway.ws.session import Session
from services.gateway.ws.surroundings import PATIENCE, Patience, surroundings
from shared.broker.connection import Connection
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import SessionId
from shared.runtime import logs
from shared.runtime.clock import monotonic, now_ms
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

SUBPROTOCOL: Final = "parley.v1.json"
SCAN_S: Final = 1.0
BACK_AFTER_MS: Final = 2_000

AnySocket = WebSocket[Any, Any, Any]

_log = logs.get(__name__)


class Endpoint:
    """The sockets of this gateway; made by `running`."""

    def __init__(
        self,
        gate: Gate,
        settings: Settings,
        hub: Hub,
        commands: Commands,
        typing: Typing,
        history: History,
        metrics: Metrics,
        *,
        presence: Presence,
        patience: Patience,
    ) -> None:
        self._gate = gate
        self._sessions: set[Session] = set()
        self._opened = metrics.counter("sockets_opened", "Sockets that were let in.")
        self._closed = metrics.counter(
            "sockets_closed", "Sockets closed by the server, by the goodbye's code.", ("code",)
        )
        metrics.gauge("socket_frames_waiting", "Frames that wait for slow readers and replays.").set_function(
            lambda: sum(session.waiting for session in self._sessions)
        )
        self._around = surroundings(
            settings, hub, commands, typing, presence, history, patience=patience, on_closed=self._on_closed
        )

    async def serve(self, socket: AnySocket) -> None:
        """Let a socket in, or tell it why not, and serve it until it is closed."""
        try:
            who = await self._gate.at_handshake(socket)
        except Refusal as refusal:
            if refusal.code is Code.FORBIDDEN:
                await socket.close()  # before the upgrade: 403
                return
            await self._turn_away(socket, closing.UNAVAILABLE)
            return
        if who is None:
            await self._turn_away(socket, closing.UNAUTHENTICATED)
        else:
            await self._serve(socket, who)

    async def tend(self) -> None:
        """Look after every socket once a second."""
        while True:
            await asyncio.sleep(SCAN_S)
            now_s, unix_ms = monotonic(), now_ms()
            for session in tuple(self._sessions):
                try:
                    session.beat(now_s, unix_ms)
                except Exception:  # noqa: BLE001 - one socket must not leave the others untended
                    _log.exception("beat_failed", session_id=session.session_id)

    async def _serve(self, socket: AnySocket, who: Principal) -> None:
        await _accept(socket)
        connection = connection_of(socket.scope, socket.receive, socket.send)
        session = Session(self._around, connection, who, SessionId(secrets.token_urlsafe(12)))
        self._sessions.add(session)
        self._opened.inc()
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    async def _turn_away(self, socket: AnySocket, why: Closing) -> None:
        await _accept(socket)
        connection = connection_of(socket.scope, socket.receive, socket.send)
        self._on_closed(why)
        after_ms = random.randrange(BACK_AFTER_MS) if why.may_reconnect else 0  # noqa: S311 - no secret
        connection.send(goodbye(why, after_ms))
        connection.close(why.close_code, why.reason)
        await connection.wait_closed()

    def _on_closed(self, why: Closing) -> None:
        self._closed.labels(why.code).inc()


@asynccontextmanager
async def running(
    connection: Connection,
    gate: Gate,
    settings: Settings,
    hub: Hub,
    commands: Commands,
    typing: Typing,
    metrics: Metrics,
    *,
    presence: Presence,
    patience: Patience = PATIENCE,
) -> AsyncIterator[Endpoint]:
    """Serve sockets until the block ends."""
    history = History(connection, metrics, lambda: hub.disturb("epoch_changed"))
    endpoint = Endpoint(gate, settings, hub, commands, typing, history, metrics, presence=presence, patience=patience)
    async with beside(history.follow_epoch(), endpoint.tend()):
        yield endpoint


def route(endpoint: Callable[[], Endpoint]) -> WebsocketRouteHandler:
    """Make the route `/ws` for the endpoint that is running when a socket comes."""

    @websocket("/ws")
    async def open_socket(socket: AnySocket) -> None:
        await endpoint().serve(socket)

    return open_socket


async def _accept(socket: AnySocket) -> None:
    offered = socket.scope.get("subprotocols") or []
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
