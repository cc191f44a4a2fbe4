"""A `Connection` seen from the session: messages, flow and the end, the same on either kind of it."""

import asyncio

import pytest
from litestar.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from services.gateway.ws import connection as connection_module
from services.gateway.ws.connection import HIGH_WATER, MAX_WAITING
from services.gateway.ws.direct import MAX_HELD
from tests.support.websocket import (
    BINARY,
    CONTINUATION,
    PONG,
    TEXT,
    RawClient,
    Recorder,
    Session,
    close_frame,
    echo,
    frame,
    on_uvloop,
    request,
    serving,
    until,
)

on_both = pytest.mark.parametrize("ws", ["picows", "websockets-sansio"])


# What comes first.


@on_both
@on_uvloop
async def test_frames_that_come_in_one_read_with_the_request_are_not_lost(ws: str) -> None:
    recorder = Recorder(echo)
    early = frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"three")[:4]
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port, early) as client:
        client.send(frame(TEXT, b"three")[4:])
        assert [await client.read_frame() for _ in range(3)] == [(TEXT, b"one"), (TEXT, b"two"), (TEXT, b"three")]


@on_uvloop
async def test_a_close_that_comes_in_one_read_with_the_request_is_told() -> None:
    recorder = Recorder()
    early = frame(TEXT, b"one") + close_frame(4001)
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port, early) as client:
        assert await client.read_close() == 4001
        session = await recorder.session()
        assert await session.close_code() == 4001
        assert session.texts == ["one"]


@on_uvloop
async def test_a_client_that_is_gone_when_it_is_accepted_is_a_1006() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()
    recorder = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await gone.wait()
        await recorder(scope, receive, send)

    async with serving(app, "picows") as served:
        async with await RawClient.open(served.port) as client:
            client.send(request())
            await asked.wait()
        gone.set()
        session = await recorder.session()
        assert await session.close_code() == 1006


@on_both
@on_uvloop
async def test_frames_before_the_session_is_there_are_kept_and_no_more_than_a_bound(ws: str) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    payload = b"x" * 4096
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, payload) * 4096)  # 16 MiB, more than the kernel takes
        assert await client.left_when_stuck() > 0
        recorder.gate.set()
        session = await recorder.session()
        await session.heard(4096)


# Messages.


@on_both
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 131_072])
@on_uvloop
async def test_text_goes_both_ways_at_every_form_of_the_length(ws: str, size: int) -> None:
    async with serving(Recorder(echo), ws, ws_max_size=131_072) as served, connect(served.url) as client:
        for text in ("a" * size, "next"):
            await client.send(text)
            assert await client.recv() == text


@on_both
@on_uvloop
async def test_bytes_are_sent_as_text_to_everyone_they_are_sent_to(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, connect(served.url) as one, connect(served.url) as other:
        await until(lambda: len(recorder.sessions) == 2)
        for data in ("Grüße".encode(), b"plain", "Grüße"):
            for session in recorder.sessions:
                session.connection.send(data)
                session.connection.send(data)
        for client in (one, other):
            assert [await client.recv() for _ in range(6)] == ["Grüße", "Grüße", "plain", "plain", "Grüße", "Grüße"]


@on_both
@on_uvloop
async def test_fragments_are_joined_with_a_ping_between_them(ws: str) -> None:
    recorder = Recorder()
    text = "Grüße".encode()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, text[:3], fin=False))  # in the middle of a character
        client.send(frame(CONTINUATION, b"", fin=False) + frame(0x9, b"still there?"))
        client.send(frame(CONTINUATION, text[3:]) + frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"whole"))
        assert await client.read_frame() == (PONG, b"still there?")
        session = await recorder.session()
        await until(lambda: session.texts == ["Grüße", "whole"])


@on_both
@on_uvloop
async def test_a_binary_message_is_told_once_however_it_comes(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(BINARY, b"\xff") + frame(BINARY, b"\xff", fin=False) + frame(CONTINUATION, b"\xfe"))
        client.send(frame(TEXT, b"text"))
        session = await recorder.session()
        await until(lambda: session.texts)
        assert session.binaries == 2


@on_both
@on_uvloop
async def test_an_unasked_pong_is_ignored(ws: str) -> None:
    async with serving(Recorder(echo), ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(PONG, b"here I am") + frame(TEXT, b"text"))
        assert await client.read_frame() == (TEXT, b"text")


# Flow.


@on_both
@on_uvloop
async def test_a_slow_reader_makes_the_connection_unwritable_until_it_reads(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, connect(served.url, max_queue=1) as client:
        session = await recorder.session()
        connection, sent = session.connection, 0
        while connection.is_writable:
            connection.send(f"{sent}".ljust(10_000))
            sent += 1
            await asyncio.sleep(0)
        assert HIGH_WATER < connection.write_buffer_size() < MAX_WAITING
        async with asyncio.TaskGroup() as tasks:
            drained = tasks.create_task(connection.drained())
            received = [await client.recv() for _ in range(sent)]
            await drained
        assert received == [f"{number}".ljust(10_000) for number in range(sent)]
        assert connection.is_writable
        assert session.writables == 1
        assert session.codes == []


@on_both
@on_uvloop
async def test_sending_on_to_a_peer_that_does_not_read_ends_in_an_abort(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a plain Transport in typeshed
        session = await recorder.session()
        while not session.codes:
            session.connection.send(b"x" * 10_000)
            await asyncio.sleep(0)
        await session.connection.drained()
        assert await session.close_code() == 1006
        assert session.connection.write_buffer_size() == 0


@on_both
@on_uvloop
async def test_nothing_is_delivered_while_reading_is_paused(ws: str) -> None:
    def take_one(session: Session, _: str) -> None:
        session.connection.pause_reading()

    recorder = Recorder(take_one)
    async with serving(recorder, ws) as served, connect(served.url) as client:
        for number in range(3 * MAX_HELD):
            await client.send(f"{number}")
        session = await recorder.session()
        for number in range(3 * MAX_HELD):
            await session.heard(number + 1)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(session.texts) == number + 1
            session.connection.resume_reading()
        assert session.texts == [f"{number}" for number in range(3 * MAX_HELD)]


@on_uvloop
async def test_what_is_held_when_the_peer_closes_is_delivered_before_the_end() -> None:
    def take_one(session: Session, _: str) -> None:
        session.connection.pause_reading()

    recorder = Recorder(take_one)
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, b"one") + frame(TEXT, b"two") + close_frame(1000))
        session = await recorder.session()
        assert await session.close_code() == 1000
        assert session.texts == ["one", "two"]


@on_uvloop
async def test_what_is_sent_in_one_turn_waits_for_its_end() -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, connect(served.url) as client:
        connection = (await recorder.session()).connection
        connection.send(b"one")
        connection.send(b"two")
        assert connection.write_buffer_size() == 2 * len(frame(TEXT, b"one", masked=False))
        assert [await client.recv(), await client.recv()] == ["one", "two"]
        assert connection.write_buffer_size() == 0


@on_uvloop
async def test_a_large_message_leaves_no_large_buffer_behind_and_loses_nothing() -> None:
    recorder = Recorder(echo)
    large = b"x" * 131_072
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        for _ in range(3):
            client.send(frame(TEXT, b"before") + frame(TEXT, large))
            client.send(frame(TEXT, b"between") + frame(TEXT, large))
            for payload in (b"before", large, b"between", large):
                assert await client.read_frame() == (TEXT, payload)
        client.send(frame(TEXT, b"small") * 50_000)
        for _ in range(50_000):
            await client.read_frame()
        parser = (await recorder.session()).connection._transport.get_protocol()  # type: ignore[attr-defined]
        assert len(super(type(parser), parser).get_buffer(-1)) < 65_536


# The end.


@on_both
@pytest.mark.parametrize(
    ("sent", "told", "answered"),
    [(close_frame(1000), 1000, 1000), (close_frame(4001, b"bye"), 4001, 4001), (frame(0x8), 1005, 1000)],
)
@on_uvloop
async def test_a_close_of_the_client_is_told_and_answered(ws: str, sent: bytes, told: int, answered: int) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, b"last words") + sent)
        assert await client.read_close() in {answered, 0}  # a close without a code may be answered with one
        assert await client.is_cut()
        session = await recorder.session()
        assert await session.close_code() == told
        assert session.texts == ["last words"]


@on_both
@on_uvloop
async def test_a_close_of_the_server_comes_behind_all_that_was_sent(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, connect(served.url) as client:
        session = await recorder.session()
        session.connection.send("goodbye")
        session.connection.close(4409, "ü" * 100)
        session.connection.close(4000, "once only")
        session.connection.send("too late")
        assert await client.recv() == "goodbye"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4409, "ü" * 61)
        assert await session.close_code() == 4409


@on_both
@on_uvloop
async def test_after_a_close_of_the_server_nothing_is_delivered(ws: str) -> None:
    def close(session: Session, _: str) -> None:
        session.connection.close(4400, "enough")

    recorder = Recorder(close)
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(BINARY, b"three") + frame(0x9))
        assert await client.read_close() == 4400
        client.send(frame(TEXT, b"four") + close_frame(4400))
        session = await recorder.session()
        assert await session.close_code() == 4400
        assert (session.texts, session.binaries) == (["one"], 0)


@on_both
@on_uvloop
async def test_the_answer_to_a_close_is_heard_though_reading_was_paused(
    ws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 3600)
    recorder = Recorder()
    async with serving(recorder, ws) as served, connect(served.url):
        session = await recorder.session()
        session.connection.pause_reading()
        session.connection.close(4000)
        assert await session.close_code() == 4000


@on_both
@on_uvloop
async def test_a_peer_that_does_not_answer_a_close_is_cut_off(ws: str, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 0.01)
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        session = await recorder.session()
        session.connection.close(4408)
        assert await session.close_code() == 4408
        assert await client.read_close() == 4408


@on_both
@on_uvloop
async def test_a_close_does_not_wait_for_a_peer_that_does_not_read(ws: str, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 0.01)
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        session = await recorder.session()
        while session.connection.is_writable:
            session.connection.send(b"x" * 10_000)
            await asyncio.sleep(0)
        session.connection.close(4410)
        assert await session.close_code() == 4410


@on_both
@on_uvloop
async def test_a_peer_that_vanishes_is_a_1006(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served:
        async with await RawClient.upgraded(served.port) as client:
            client.send(frame(TEXT, b"cut")[:5])
            session = await recorder.session()
        assert await session.close_code() in ({1006} if ws == "picows" else {1005, 1006})
        session.connection.send("into the void")
        session.connection.close(1000)
        session.connection.abort()


@on_both
@on_uvloop
async def test_a_peer_that_closes_its_half_is_gone(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        client.writer.write_eof()
        assert await client.is_cut()
        session = await recorder.session()
        assert await session.close_code() in ({1006} if ws == "picows" else {1005, 1006})


@on_both
@on_uvloop
async def test_an_abort_is_over_at_once(ws: str) -> None:
    recorder = Recorder()
    async with serving(recorder, ws) as served, await RawClient.upgraded(served.port) as client:
        session = await recorder.session()
        session.connection.abort()
        assert await session.close_code() == 1006
        assert await client.is_cut()


@on_both
@on_uvloop
async def test_a_callback_that_raises_closes_with_1011(ws: str) -> None:
    def fail(_: Session, __: str) -> None:
        raise LookupError("the session's own fault")

    recorder = Recorder(fail)
    async with serving(recorder, ws) as served, connect(served.url) as client:
        await client.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        assert await (await recorder.session()).close_code() == 1011
