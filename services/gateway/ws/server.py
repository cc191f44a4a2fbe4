# ruff: noqa: D102  # what is overridden or is ASGI's is documented there
"""uvicorn's WebSocket layer: the handshake and ASGI's calls, on connections of our own.

Run with `uvicorn.Config(app, http=HttpProtocol, ws=PicowsProtocol, ws_max_size=...)`. There is no
compression, and a protocol ping is only ever an answer to the peer's.
"""

import asyncio
import sys
from base64 import b64decode, b64encode
from hashlib import sha1
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import structlog
from httptools import HttpParserUpgrade
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected, get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from services.gateway.ws.connection import ABNORMAL, DIRECT, INTERNAL_ERROR
from services.gateway.ws.direct import DirectConnection
from services.gateway.ws.frames import GOING_AWAY, NORMAL, Flusher

MAX_HEAD = 32 * 1024
"""Bytes that the head of a request may have."""

Headers = list[tuple[bytes, bytes]]
Event = dict[str, Any]
"""A message of ASGI, whose fields its `type` decides."""

_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_KEY_SIZE = 16
_HOP_HEADERS = {b"connection", b"content-length", b"transfer-encoding"}
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}

_flushers: WeakKeyDictionary[ServerState, Flusher] = WeakKeyDictionary()
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a limit on a request's head, and with no byte lost at upgrades.

    What came in one read with a request to upgrade uvicorn drops; here it follows the request to
    the WebSocket protocol, whichever that is.
    """

    _chunk = b""
    _head_size = 0
    _is_in_head = False

    def data_received(self, data: bytes) -> None:
        self._chunk = data
        super().data_received(data)
        self._chunk = b""
        if self._is_in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._is_in_head = False
                self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        upgrade = sys.exception()
        early = self._chunk[upgrade.args[0] :] if isinstance(upgrade, HttpParserUpgrade) else b""
        protocol = self.transport.get_protocol()
        if early and isinstance(protocol, asyncio.Protocol):
            protocol.data_received(early)
        self.parser = None  # type: ignore[assignment]  # as uvicorn does; breaks a cycle


class RefusalError(Exception):
    """A request that cannot become a WebSocket, and the answer it gets."""

    def __init__(self, status: HTTPStatus, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or []


class PicowsProtocol(asyncio.Protocol):
    """One WebSocket for uvicorn: `scope["extensions"]["parley.direct"]` is its `Connection`.

    That is there once it is accepted. ASGI's own `receive` and `send` work as well; use one or the
    other.
    """

    __slots__ = (
        "_accept_key", "_app_state", "_config", "_connection", "_denial", "_early", "_has_begun",
        "_is_over", "_scope", "_server", "_transport", "_waiter",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server = server_state
        self._app_state = app_state
        self._early = b""
        self._accept_key = b""
        self._scope: Event | None = None
        self._has_begun = False  # the application got websocket.connect
        self._denial: tuple[int, Headers, bytes] | None = None
        self._connection: DirectConnection | None = None
        self._is_over = False  # refused or lost before it was accepted
        self._waiter: asyncio.Future[None] | None = None

    # What uvicorn and the transport call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)  # type: ignore[arg-type]  # its own protocols only

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end()

    def data_received(self, data: bytes) -> None:
        if self._scope is not None:
            self._early += data
            return
        self._transport.pause_reading()
        try:
            self._read_request(data)
        except RefusalError as refusal:
            self._refuse(refusal.status, refusal.headers)
            return
        task = asyncio.get_running_loop().create_task(self._run())
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def shutdown(self) -> None:
        if self._connection is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._connection.close(GOING_AWAY, "the server is going away")

    # The handshake.

    def _read_request(self, request: bytes) -> None:
        """Make the scope of a request as uvicorn writes it out anew (RFC 6455, 4.2.1)."""
        head, _, _ = request.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split(b" ", 2)
        headers = []
        for line in lines:
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value.strip()))
        if len(head) > MAX_HEAD:
            raise RefusalError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if method != b"GET":
            raise RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET")])
        if _values(headers, b"sec-websocket-version") != [b"13"]:
            raise RefusalError(HTTPStatus.UPGRADE_REQUIRED, [(b"sec-websocket-version", b"13")])
        keys = _values(headers, b"sec-websocket-key")
        if len(keys) != 1 or not _is_key(keys[0]):
            raise RefusalError(HTTPStatus.BAD_REQUEST)
        self._accept_key = b64encode(sha1(keys[0] + _KEY_SUFFIX, usedforsecurity=False).digest())
        path, _, query = target.partition(b"?")
        root_path = self._config.root_path
        self._scope = {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": root_path,
            "path": root_path + unquote(path.decode("ascii", "replace")),
            "raw_path": root_path.encode() + path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [
                token.strip().decode("latin-1")
                for value in _values(headers, b"sec-websocket-protocol")
                for token in value.split(b",")
            ],
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }

    def _accept(self, scope: Event, event: Event) -> None:
        headers = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", self._accept_key),
        ]
        if event.get("subprotocol"):
            headers.append((b"sec-websocket-protocol", event["subprotocol"].encode("latin-1")))
        headers += [*self._server.default_headers, *event.get("headers", ())]
        self._transport.write(_head(HTTPStatus.SWITCHING_PROTOCOLS, headers))
        flusher = _flushers.get(self._server)
        if flusher is None:
            flusher = _flushers[self._server] = Flusher()
        connection = DirectConnection(self._transport, flusher, self._config.ws_max_size, on_gone=self._end)
        scope["extensions"][DIRECT] = self._connection = connection
        connection.start(self._early)
        self._early = b""

    def _refuse(self, status: int, headers: Headers | None = None, body: bytes = b"") -> None:
        kept = [(name, value) for name, value in headers or () if name.lower() not in _HOP_HEADERS]
        length = (b"content-length", str(len(body)).encode())
        kept += [*self._server.default_headers, length, (b"connection", b"close")]
        self._transport.write(_head(status, kept) + body)
        self._transport.close()
        self._end()

    def _end(self) -> None:
        self._server.connections.discard(self)
        self._is_over = True
        self._wake()

    # ASGI.

    async def _run(self) -> None:
        try:
            await self._config.loaded_app(self._scope, self._receive, self._send)
        except ClientDisconnected:
            pass
        except Exception:  # noqa: BLE001  # the top of the handler's task
            _log.exception("websocket_handler_failed")
            if self._connection is not None:
                self._connection.close(INTERNAL_ERROR)
        finally:
            if self._connection is not None:
                self._connection.close(NORMAL)
            elif not self._is_over:
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _receive(self) -> Event:
        if not self._has_begun:
            self._has_begun = True
            return {"type": "websocket.connect"}
        while self._connection is None and not self._is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        connection = self._connection
        message = None if connection is None else await connection.next_message()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message, "bytes": None}
        if message is not None:
            return {"type": "websocket.receive", "text": None, "bytes": message}
        code = ABNORMAL if connection is None else connection.close_code
        reason = "" if connection is None else connection.close_reason
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def _send(self, event: Event) -> None:
        if self._connection is not None:
            await self._send_on(self._connection, event)
        elif self._is_over or self._scope is None:
            raise ClientDisconnected
        elif event["type"] == "websocket.accept" and self._denial is None:
            self._accept(self._scope, event)
            self._wake()
        elif event["type"] == "websocket.close" and self._denial is None:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif event["type"] == "websocket.http.response.start" and self._denial is None:
            self._denial = (event["status"], list(event.get("headers", ())), b"")
        elif event["type"] == "websocket.http.response.body" and self._denial is not None:
            status, headers, body = self._denial
            self._denial = (status, headers, body + event.get("body", b""))
            if not event.get("more_body", False):
                self._refuse(*self._denial)
        else:
            raise RuntimeError(f"unexpected ASGI message {event['type']!r} during a handshake")

    async def _send_on(self, connection: DirectConnection, event: Event) -> None:
        await connection.drained()
        if not connection.is_open:
            raise ClientDisconnected
        if event["type"] == "websocket.close":
            connection.close(event.get("code", NORMAL), event.get("reason") or "")
        elif event["type"] != "websocket.send":
            raise RuntimeError(f"unexpected ASGI message {event['type']!r} on an open WebSocket")
        elif event.get("bytes") is not None:
            connection.send_binary(event["bytes"])
        else:
            connection.send(event["text"])

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _is_key(value: bytes) -> bool:
    try:
        return len(b64decode(value, validate=True)) == _KEY_SIZE
    except ValueError:
        return False


def _head(status: int, headers: Headers) -> bytes:
    """Write out the head of a response; a line break in a header would be another header."""
    lines = [b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b""))]
    for name, value in headers:
        if b"\r" in name + value or b"\n" in name + value:
            raise ValueError(f"line break in header {name!r}")
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
