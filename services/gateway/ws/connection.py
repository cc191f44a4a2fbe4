# ruff: noqa: D102  # the methods of `Connection` are documented there
"""One interface of an accepted WebSocket, so that a session runs unchanged on any server."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import structlog
from litestar.exceptions import WebSocketDisconnect
from litestar.types import Message, Receive, Scope, Send

DIRECT = "parley.direct"
"""The key of `scope["extensions"]` under which a server offers a `Connection` of its own."""

CLOSE_TIMEOUT_S = 2.0
"""How long a close may take before the connection is torn down."""
HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Waiting bytes at which a connection stops, and starts again, being writable."""
MAX_WAITING = 4 * 1024 * 1024
"""Waiting bytes at which a connection is aborted, whatever the session thinks of it."""

ABNORMAL, INTERNAL_ERROR = 1006, 1011
"""Close codes (RFC 6455, 7.4); the first is never on the wire."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Connection(Protocol):
    """One accepted WebSocket as the session above it sees it.

    The callbacks are called from the event loop, one at a time, in the order of the wire. Nothing is
    read before `on_text` is set or `wait_closed` awaited; set all callbacks in one go with it, without
    an `await` between. One that raises is logged and closes the connection with 1011. The handler
    that accepted the socket awaits `wait_closed` from there to the end.
    """

    peer: tuple[str, int] | None
    """Address and port of the client, as the server's proxy settings make it out."""
    on_text: Callable[[str], None]
    """A complete text message came, at most `ws_max_size` bytes long."""
    on_binary: Callable[[], None]
    """A complete binary message came; its content is dropped."""
    on_writable: Callable[[], None]
    """`is_writable` has become true again."""
    on_close: Callable[[int], None]
    """It is over, said once, with the code of the first close frame in either direction: 1005 when
    the peer gave none, 1006 when there was no such frame."""

    @property
    def is_writable(self) -> bool:
        """Whether less than the high water mark (64 KiB) waits; true again at the low (16 KiB)."""

    def write_buffer_size(self) -> int:
        """How many bytes were sent that the kernel has not taken yet."""

    def send(self, data: bytes | str) -> None:
        """Send one text frame; never blocks, and does nothing once the connection is closing.

        To go on while it is not writable ends in an abort when 4 MiB wait.
        """

    async def drained(self) -> None:
        """Wait until the connection is writable, or over."""

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading`; TCP slows the peer down."""

    def resume_reading(self) -> None:
        """Deliver what was held back, then read on."""

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame behind all that was sent; over at the peer's answer or after 2 s.

        Nothing is delivered any more, `on_close` excepted. `reason` is cut to 123 bytes.
        """

    def abort(self) -> None:
        """Tear the connection down now; what waits to be sent is lost."""

    async def wait_closed(self) -> None:
        """Wait until the connection is gone and `on_close` was called."""


def connection_of(scope: Scope, receive: Receive, send: Send) -> Connection:
    """Give the connection of an accepted WebSocket: the server's own, else one over ASGI's calls."""
    extensions = cast("dict[str, object]", scope.get("extensions") or {})
    direct = cast("Connection | None", extensions.get(DIRECT))
    if direct is None:
        return AsgiConnection(scope["client"], receive, send)
    direct.peer = scope["client"]
    return direct


def ignore(*_: object) -> None:
    """Stand in for a callback until the session sets it."""


def cut_reason(reason: str) -> bytes:
    """Cut the reason of a close to what a control frame holds, between two characters."""
    return reason.encode()[:123].decode(errors="ignore").encode()


class AsgiConnection:
    """A `Connection` over ASGI's receive and send, which move only while `wait_closed` is awaited.

    Violations of the protocol and limits of a message are left to the server here.
    """

    def __init__(self, peer: tuple[str, int] | None, receive: Receive, send: Send) -> None:
        self.peer = peer
        self.on_text: Callable[[str], None] = ignore
        self.on_binary: Callable[[], None] = ignore
        self.on_writable: Callable[[], None] = ignore
        self.on_close: Callable[[int], None] = ignore
        self._receive = receive
        self._send = send
        self._queue: deque[bytes | str] = deque()
        self._waiting = 0
        self._farewell: tuple[int, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_work = asyncio.Event()
        self._writable = asyncio.Event()
        self._reading = asyncio.Event()
        self._over = asyncio.Event()
        self._writable.set()
        self._reading.set()

    @property
    def is_writable(self) -> bool:
        return self._writable.is_set()

    def write_buffer_size(self) -> int:
        return self._waiting

    def send(self, data: bytes | str) -> None:
        if self._farewell is not None or self._over.is_set():
            return
        self._queue.append(data)
        self._waiting += len(data)
        self._has_work.set()
        if self._waiting > MAX_WAITING:
            self.abort()
        elif self._waiting > HIGH_WATER:
            self._writable.clear()

    async def drained(self) -> None:
        await self._writable.wait()

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def close(self, code: int, reason: str = "") -> None:
        if self._farewell is None and not self._over.is_set():
            self._farewell = (code, cut_reason(reason).decode())
            self._has_work.set()
            self._reading.set()
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._end, code)

    def abort(self) -> None:
        self._end(ABNORMAL)

    async def wait_closed(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            pumps = [tasks.create_task(self._read()), tasks.create_task(self._write())]
            await self._over.wait()
            for pump in pumps:
                pump.cancel()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._end(message["code"])
                return
            await self._reading.wait()
            if message["type"] == "websocket.receive" and self._farewell is None:
                self._deliver(message.get("text"))

    async def _write(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._queue:
                data = self._queue.popleft()
                text = data if isinstance(data, str) else data.decode()
                await self._pass_on({"type": "websocket.send", "bytes": None, "text": text})
                self._waiting -= len(data)
                if self._waiting <= LOW_WATER and not self._writable.is_set():
                    self._writable.set()
                    self._call(self.on_writable)
            if self._farewell is not None:
                code, reason = self._farewell
                await self._pass_on({"type": "websocket.close", "code": code, "reason": reason})
                return

    async def _pass_on(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, WebSocketDisconnect):  # the peer is gone, as `receive` is about to tell
            await self._over.wait()

    def _deliver(self, text: str | None) -> None:
        if text is None:
            self._call(self.on_binary)
        else:
            self._call(self.on_text, text)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001  # the session's fault ends its connection, not the server
            _log.exception("websocket_callback_failed")
            self.close(INTERNAL_ERROR)

    def _end(self, code: int) -> None:
        if self._over.is_set():
            return
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._waiting = 0
        self._writable.set()
        self._call(self.on_close, self._farewell[0] if self._farewell is not None else code)
