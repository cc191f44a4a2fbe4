"""What a client may not do by RFC 6455, and what it gets for it: a close with the right code, told once."""

import asyncio
import struct

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from services.gateway.ws.connection import HIGH_WATER
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawClient,
    Recorder,
    close_frame,
    echo,
    frame,
    on_uvloop,
    serving,
)

LIMIT = 1000
on_both = pytest.mark.parametrize("ws", ["picows", "websockets-sansio"])

VIOLATIONS = {
    "an unmasked frame": (frame(TEXT, b"hello", masked=False), 1002),
    "the first reserved bit": (frame(TEXT, b"hello", rsv=4), 1002),
    "the last reserved bit": (frame(TEXT, b"hello", rsv=1), 1002),
    "a reserved bit on a ping": (frame(PING, b"hello", rsv=2), 1002),
    "a reserved bit on a fragment": (frame(TEXT, fin=False) + frame(CONTINUATION, rsv=4), 1002),
    "an unknown opcode": (frame(0x3, b"hello"), 1002),
    "an unknown control opcode": (frame(0xB), 1002),
    "a ping in fragments": (frame(PING, fin=False), 1002),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"hello"), 1002),
    "a message within a message": (frame(TEXT, b"one", fin=False) + frame(TEXT, b"two"), 1002),
    "a fragment within a message": (frame(TEXT, b"one", fin=False) + frame(BINARY, b"two", fin=False), 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
    "text that ends within a character": (frame(TEXT, b"\xc3"), 1007),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "fragments that are not UTF-8": (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\x28"), 1007),
    "a reason that is not UTF-8": (close_frame(1000, b"\xc3\x28"), 1007),
    "a frame over the limit": (frame(TEXT, b"x" * (LIMIT + 1)), 1009),
    "a length over the limit": (frame(TEXT, b"x" * 70_000)[:14], 1009),
    "a binary frame over the limit": (frame(BINARY, b"x" * (LIMIT + 1)), 1009),
    "fragments over the limit": (frame(TEXT, b"x" * LIMIT, fin=False) + frame(CONTINUATION, b"x"), 1009),
} | {
    f"a close with the code {code}": (close_frame(code), 1002)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
}


@on_both
@pytest.mark.parametrize("violation", VIOLATIONS)
@on_uvloop
async def test_a_violation_closes_with_the_code_of_the_rfc(ws: str, violation: str) -> None:
    sent, code = VIOLATIONS[violation]
    recorder = Recorder()
    async with serving(recorder, ws, ws_max_size=LIMIT) as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, b"before") + sent)
        assert await client.read_close() == code
        client.send(frame(TEXT, b"after"))
        assert await client.is_cut()
        client.writer.close()
        session = await recorder.session()
        assert await session.close_code() == code
        assert session.texts == ["before"] or (ws != "picows" and session.texts == [])


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
@on_uvloop
async def test_every_code_that_may_be_sent_is_taken(code: int) -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        client.send(close_frame(code, "tschüß".encode()))
        assert await client.read_close() == code
        assert await (await recorder.session()).close_code() == code


@on_uvloop
async def test_a_length_in_a_form_that_is_not_its_own_is_a_violation() -> None:
    small_in_16, small_in_64 = struct.pack("!BBH", 0x81, 0xFE, 5), struct.pack("!BBQ", 0x81, 0xFF, 5)
    highest_bit = struct.pack("!BBQ", 0x81, 0xFF, 1 << 63 | 5)
    async with serving(Recorder(), "picows") as served:
        for head in (small_in_16, small_in_64, highest_bit):
            async with await RawClient.upgraded(served.port) as client:
                client.send(head + b"\0\0\0\0hello")
                assert await client.read_close() == 1002


@on_uvloop
async def test_a_message_of_endless_empty_fragments_costs_nothing() -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        client.send(frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 100_000 + frame(PING, b"done"))
        assert await client.read_frame() == (PONG, b"done")
        connection = (await recorder.session()).connection
        assert len(connection._message._data) == 0  # type: ignore[attr-defined]


@on_uvloop
async def test_the_close_reaches_a_client_that_is_still_sending() -> None:
    recorder = Recorder()
    async with serving(recorder, "picows", ws_max_size=LIMIT) as served, connect(served.url) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.send(b"x" * 20_000 for _ in range(1000))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert await (await recorder.session()).close_code() == 1009


@on_uvloop
async def test_the_connection_is_not_reset_while_the_client_is_still_sending() -> None:
    recorder = Recorder()
    async with (
        serving(recorder, "picows", ws_max_size=LIMIT) as served,
        await RawClient.upgraded(served.port) as client,
    ):
        client.send(frame(TEXT, b"x" * 10_000_000))
        assert await client.read_close() == 1009
        assert await client.reader.read() == b""  # an end, where a reset would raise
        await client.writer.drain()


@on_uvloop
async def test_a_violation_while_closing_ends_the_connection() -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        session = await recorder.session()
        session.connection.close(4000)
        assert await client.read_close() == 4000
        client.send(frame(0x3))
        assert await client.is_cut()
        client.writer.close()
        assert await session.close_code() == 4000


@on_uvloop
async def test_a_client_that_pings_and_does_not_read_is_not_answered_for_ever() -> None:
    recorder = Recorder()
    async with serving(recorder, "picows") as served, await RawClient.upgraded(served.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a plain Transport in typeshed
        connection = (await recorder.session()).connection
        pings = frame(PING, b"x" * 125) * 1000
        while connection.is_writable:
            client.send(pings)
            await client.writer.drain()
        for _ in range(20):
            client.send(pings)
            await client.writer.drain()
        assert HIGH_WATER < connection.write_buffer_size() < 4 * HIGH_WATER


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
@on_uvloop
async def test_frames_may_come_in_any_pieces(chunk: int) -> None:
    stream = b"".join(frame(TEXT, b"x" * size) for size in (0, 1, 125, 126, 200)) + frame(PING, b"?")
    async with serving(Recorder(echo), "picows") as served, await RawClient.upgraded(served.port) as client:
        for start in range(0, len(stream), chunk):
            client.send(stream[start : start + chunk])
            await asyncio.sleep(0)
        assert [len((await client.read_frame())[1]) for _ in range(5)] == [0, 1, 125, 126, 200]
        assert await client.read_frame() == (PONG, b"?")
