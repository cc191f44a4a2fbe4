"""The WebSocket layer seen from the application: handshake and refusals, ASGI, Litestar, TLS, shutdown."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, WebSocket, websocket
from litestar.datastructures import State
from litestar.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from services.gateway.ws.connection import AsgiConnection, connection_of
from services.gateway.ws.direct import MAX_HELD, DirectConnection
from services.gateway.ws.server import MAX_HEAD
from tests.support.websocket import (
    ACCEPT,
    TEXT,
    RawClient,
    Recorder,
    echo,
    frame,
    on_uvloop,
    request,
    serving,
    until,
)

on_both = pytest.mark.parametrize("ws", ["picows", "websockets-sansio"])


# The handshake.


@on_both
@on_uvloop
async def test_the_handshake_answers_with_the_accept_key_of_the_rfc(ws: str) -> None:
    async with serving(Recorder(), ws) as served, await RawClient.open(served.port) as client:
        client.send(request("Connection: keep-alive, Upgrade"))  # as Firefox has it
        head = await client.read_head()
        assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
        assert f"sec-websocket-accept: {ACCEPT}".lower() in head.lower()


@on_both
@on_uvloop
async def test_a_connection_is_of_the_kind_that_the_server_offers(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, connect(served.url) as client:
        session = await recorder.session()
        assert isinstance(session.connection, DirectConnection if ws == "picows" else AsgiConnection)
        assert session.connection.peer == client.local_address


@on_both
@on_uvloop
async def test_a_subprotocol_and_headers_of_the_application_reach_the_client(ws: str) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await receive()
        headers = [(b"x-room", "b\xfccher".encode("latin-1"))]
        await send({"type": "websocket.accept", "subprotocol": "parley.v1.json", "headers": headers})
        await connection_of(scope, receive, send).wait_closed()

    offered = [Subprotocol("other"), Subprotocol("parley.v1.json")]
    async with serving(app, ws) as served:
        async with connect(f"{served.url}a%20b?ticket=1", subprotocols=offered, origin="http://here") as client:  # type: ignore[arg-type]  # a NewType of str
            assert client.subprotocol == "parley.v1.json"
            assert client.response is not None
            assert client.response.headers["x-room"] == "b\xfccher"
        (scope,) = scopes
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"ticket=1")
        assert scope["subprotocols"] == offered  # type: ignore[typeddict-item]  # of WebSockets only
        assert (b"origin", b"http://here") in scope["headers"]
        assert scope["scheme"] == "ws"


@on_uvloop
async def test_a_line_break_in_a_header_does_not_make_another_header() -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"x-room", b"1\r\nset-cookie: session=stolen")]
        await send({"type": "websocket.accept", "subprotocol": None, "headers": headers})

    async with serving(app, "picows") as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.url)
        assert refused.value.response.status_code == 500
        assert "set-cookie" not in refused.value.response.headers


@on_both
@on_uvloop
async def test_a_denial_carries_status_headers_and_body(ws: str) -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"application/problem+json"), (b"x-reason", b"origin")]
        await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b'{"title":', "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b'"no"}', "more_body": False})

    async with serving(app, ws) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.url)
        response = refused.value.response
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-reason"] == "origin"
        assert response.body == b'{"title":"no"}'


@on_both
@on_uvloop
async def test_closing_before_accepting_is_a_403(ws: str) -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        assert (await receive())["type"] == "websocket.disconnect"

    async with serving(app, ws) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.url)
        assert refused.value.response.status_code == 403


@on_both
@on_uvloop
async def test_an_application_that_fails_during_the_handshake_is_a_500(ws: str) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise LookupError("the application's own fault")

    async with serving(app, ws) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.url)
        assert refused.value.response.status_code == 500


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(key=None), 400),
        (request(key="c2hvcnQ="), 400),
        (request(key="not base64, not at all"), 400),
        (request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
        (request(version="8"), 426),
        (request(method="POST"), 405),
        (request(f"Cookie: {'c' * MAX_HEAD}"), 431),
    ],
)
@on_uvloop
async def test_a_request_that_is_no_handshake_is_refused(asked: bytes, status: int) -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, await RawClient.open(served.port) as client:
        client.send(asked)
        assert (await client.read_head()).startswith(f"HTTP/1.1 {status} ")
        assert await client.is_cut()
    assert recorder.sessions == []


@on_both
@on_uvloop
async def test_a_head_without_an_end_is_cut_off(ws: str) -> None:
    async with serving(Recorder(), ws) as served, await RawClient.open(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        for _ in range(2 * MAX_HEAD // 1024):
            client.send(b"X-Filler: " + b"x" * 1024 + b"\r\n")
        assert (await client.read_head()).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(("ws", "code"), [("picows", 1001), ("websockets-sansio", 1012)])
@on_uvloop
async def test_a_server_that_shuts_down_closes_its_sockets(ws: str, code: int) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served:
        client = await connect(served.url)
        session = await recorder.session()
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    assert await session.close_code() == code


@on_uvloop
async def test_a_server_that_shuts_down_refuses_who_is_not_accepted_yet() -> None:
    accepting = asyncio.Event()

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        accepting.set()
        assert (await receive())["type"] == "websocket.disconnect"

    async with serving(app, "picows") as served:
        client = await RawClient.open(served.port)
        client.send(request())
        await accepting.wait()
    async with client:
        assert (await client.read_head()).startswith("HTTP/1.1 503 ")


# Others above it.


@on_both
@on_uvloop
async def test_a_plain_asgi_application_needs_to_know_nothing_of_it(ws: str) -> None:
    events: list[dict[str, object]] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        events.append(dict(await receive()))
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        while events[-1]["type"] != "websocket.disconnect":
            events.append(dict(await receive()))
            text, data = events[-1].get("text"), events[-1].get("bytes")
            if isinstance(text, str):
                await send({"type": "websocket.send", "text": text, "bytes": None})
            elif isinstance(data, bytes):
                await send({"type": "websocket.send", "text": None, "bytes": data})
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.send", "text": "too late", "bytes": None})

    async with serving(app, ws) as served, connect(served.url) as client:
        for number in range(3 * MAX_HELD):
            await client.send(f"{number}")
        assert [await client.recv() for _ in range(3 * MAX_HELD)] == [f"{n}" for n in range(3 * MAX_HELD)]
        await client.send(b"\x00\xff")
        assert await client.recv() == b"\x00\xff"
        await client.close(4002, "done")
        await until(lambda: events[-1]["type"] == "websocket.disconnect")
        assert (events[-1]["code"], events[-1]["reason"]) == (4002, "done")


@on_both
@on_uvloop
async def test_an_application_that_does_not_receive_stops_the_reading(ws: str) -> None:
    gate, lengths = asyncio.Event(), []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        while (message := await receive())["type"] == "websocket.receive":
            lengths.append(len(message["text"] or ""))
            await gate.wait()

    async with serving(app, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, b"x" * 4096) * 4096)  # 16 MiB, more than the kernel takes
        assert await client.left_when_stuck() > 0
        gate.set()
        await until(lambda: lengths == [4096] * 4096)


@on_both
@on_uvloop
async def test_litestar_works_on_it_by_its_own_calls_and_by_the_connection(ws: str) -> None:
    @websocket("/own")
    async def own(socket: WebSocket[Any, Any, State]) -> None:
        await socket.accept(subprotocols="parley.v1.json")
        await socket.send_text((await socket.receive_text()).upper())
        await socket.close(4003, "enough")

    @websocket("/direct")
    async def on_connection(socket: WebSocket[Any, Any, State]) -> None:
        await socket.accept()
        connection = connection_of(socket.scope, socket.receive, socket.send)
        connection.on_text = connection.send
        await connection.wait_closed()

    async with serving(Litestar([own, on_connection], openapi_config=None), ws) as served:
        async with connect(f"{served.url}own", subprotocols=[Subprotocol("parley.v1.json")]) as client:
            await client.send("hello")
            assert await client.recv() == "HELLO"
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4003, "enough")
        async with connect(f"{served.url}direct") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        with pytest.raises(InvalidStatus):
            await connect(f"{served.url}nowhere")


@on_both
@on_uvloop
async def test_it_works_over_tls(ws: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    await asyncio.to_thread(subprocess.run, command.split(), check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=certificate)
    recorder = Recorder(echo)
    settings = {"ssl_keyfile": key, "ssl_certfile": certificate, "ws_max_size": 131_072}
    async with serving(recorder, ws, **settings) as served:
        early = frame(TEXT, b"early")
        async with await RawClient.upgraded(served.port, early, tls=trusting) as client:
            for payload in (b"early", b"x" * 131_072, b"after"):
                if payload != b"early":
                    client.send(frame(TEXT, payload))
                assert await client.read_frame() == (TEXT, payload)
            client.send(frame(TEXT, b"unmasked", masked=False))
            assert await client.read_close() == 1002
        async with connect(served.url.replace("ws:", "wss:"), ssl=trusting) as other:
            await other.send("hello")
            assert await other.recv() == "hello"
            recorder.sessions[1].connection.close(4000)
            with pytest.raises(ConnectionClosed) as closed:
                await other.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4000
        assert [await session.close_code() for session in recorder.sessions] == [1002, 4000]
