"""A WebSocket server in the test's own process, and a client that may break every rule."""

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec, Self

import uvicorn
import uvloop
from litestar.types import ASGIApp, Receive, Scope, Send

from services.gateway.ws.connection import Connection, connection_of
from services.gateway.ws.server import HttpProtocol, PicowsProtocol

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455, 1.3."""
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

P = ParamSpec("P")


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on the event loop that the gateway runs on."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # the conditions are in the product, which has no event for tests
            await asyncio.sleep(0.001)


class Session:
    """What a connection's callbacks were told; `on_text` may do more than note it."""

    def __init__(self, connection: Connection, on_text: Callable[["Session", str], None]) -> None:
        self.connection = connection
        self.texts: list[str] = []
        self.binaries = 0
        self.writables = 0
        self.codes: list[int] = []
        self.is_over = False
        self._on_text = on_text
        connection.on_text = self.take
        connection.on_binary = self.count_binary
        connection.on_writable = self.count_writable
        connection.on_close = self.codes.append

    def take(self, text: str) -> None:
        self.texts.append(text)
        self._on_text(self, text)

    def count_binary(self) -> None:
        self.binaries += 1

    def count_writable(self) -> None:
        self.writables += 1

    async def heard(self, count: int) -> None:
        """Wait until that many texts came."""
        await until(lambda: len(self.texts) == count)

    async def close_code(self) -> int:
        """Wait for the end, and see that it was told once."""
        await until(lambda: self.is_over)
        (code,) = self.codes
        return code


def note(_: Session, __: str) -> None:
    """Do no more than note a text."""


def echo(session: Session, text: str) -> None:
    """Send a text back."""
    session.connection.send(text)


class Recorder:
    """An ASGI application that accepts every WebSocket and notes what comes over it."""

    def __init__(self, on_text: Callable[[Session, str], None] = note) -> None:
        self.sessions: list[Session] = []
        self.gate = asyncio.Event()  # between accepting a socket and taking what it sends
        self.gate.set()
        self._on_text = on_text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        connection = connection_of(scope, receive, send)
        await self.gate.wait()
        session = Session(connection, self._on_text)
        self.sessions.append(session)
        await connection.wait_closed()
        session.is_over = True

    async def session(self) -> Session:
        """Wait for the one session."""
        await until(lambda: self.sessions)
        return self.sessions[0]


class Serving:
    """A server that accepts connections."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server = server
        self.port = port
        self.url = f"ws://127.0.0.1:{port}/"


@asynccontextmanager
async def serving(app: ASGIApp | Recorder, ws: str, **settings: Any) -> AsyncIterator[Serving]:
    """Serve an application on a free port; `ws` is "picows" or a name that uvicorn knows."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        ws=PicowsProtocol if ws == "picows" else ws,
        http=HttpProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=2,
        **settings,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    await server.on_tick(0)
    try:
        yield Serving(server, listener.getsockname()[1])
    finally:
        await server.shutdown(sockets=[listener])


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Build a client's frame, right or wrong."""
    size = len(payload)
    first, mask_bit = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if size < 126:
        head = bytes((first, mask_bit | size))
    elif size < 0x10000:
        head = bytes((first, mask_bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, mask_bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = b"\x37\xfa\x21\x3d"
    pad = (mask * (size // 4 + 1))[:size]
    xored = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + xored.to_bytes(size, "big")


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Build a client's close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def request(*extra: str, method: str = "GET", key: str | None = KEY, version: str = "13") -> bytes:
    """Build a request to upgrade."""
    lines = [f"{method} /chat?room=1 HTTP/1.1", "Host: test", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Version: {version}", *extra]
    if key is not None:
        lines.append(f"Sec-WebSocket-Key: {key}")
    if not any(line.startswith("Connection:") for line in lines):
        lines.append("Connection: Upgrade")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class RawClient:
    """A client that writes what it is told to, and reads frames without a thought."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """Connect, no more."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))

    @classmethod
    async def upgraded(cls, port: int, early: bytes = b"", tls: ssl.SSLContext | None = None) -> Self:
        """Connect and upgrade; `early` goes out in one write with the request."""
        client = await cls.open(port, tls)
        client.writer.write(request() + early)
        head = await client.read_head()
        assert head.startswith("HTTP/1.1 101 "), head
        return client

    async def read_head(self) -> str:
        """Read the head of the response."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)

    async def read_frame(self) -> tuple[int, bytes]:
        """Read a frame that is whole: its opcode and payload."""
        first, size = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def read_close(self) -> int:
        """Read on to the close frame: its code."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    async def left_when_stuck(self) -> int:
        """Wait until the server takes no more: how many bytes could not be sent."""
        left, before = self.writer.transport.get_write_buffer_size(), -1
        while left != before:
            before = left
            for _ in range(200):
                await asyncio.sleep(0)
            left = self.writer.transport.get_write_buffer_size()
        return left

    async def is_cut(self) -> bool:
        """Wait until the server has closed; False if it sent something before."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()
