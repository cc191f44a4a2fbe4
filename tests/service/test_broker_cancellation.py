"""Whoever waits for the broker can be told to end at any moment, also at the one at which the answer comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared.broker.connection import Connection
from shared.broker.publisher import BundleWriter
from shared.broker.streams import log_state
from shared.contracts import subjects
from tests.support.delivery import fresh_streams
from tests.support.ports import free_port


@pytest.fixture
async def connection(nats_url: str) -> AsyncIterator[Connection]:
    """A connection to a broker with its streams."""
    await fresh_streams(nats_url)
    opened = Connection(nats_url, "test")
    await opened.open()
    yield opened
    await opened.close()


async def an_answer_is_there(connection: Connection) -> None:
    """Wait until the answer to the next request has come; who asked does not know it before the loop's next turn."""
    client = connection.client
    async with asyncio.timeout(10):
        while not client._resp_map:  # noqa: ASYNC110 - turn by turn of the loop
            await asyncio.sleep(0)
        (answer,) = client._resp_map.values()
        while not answer.done():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def publish(connection: Connection) -> None:
    await connection.jetstream().publish(subjects.log(0), b"\x90")


async def ask(connection: Connection) -> None:
    await connection.request(f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}", b"")


@pytest.mark.parametrize("request_something", [publish, ask, log_state])
async def test_who_is_cancelled_as_the_answer_comes_is_cancelled(
    connection: Connection, request_something: Callable[[Connection], Awaitable[object]]
) -> None:
    waiting = asyncio.ensure_future(request_something(connection))
    await an_answer_is_there(connection)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()


async def test_a_writer_that_is_told_to_end_as_its_bundle_is_stored_ends(connection: Connection) -> None:
    failed: list[int] = []
    async with (
        asyncio.timeout(10),
        BundleWriter[int](connection, 1, on_durable=lambda _entries: None, on_failed=failed.extend) as writer,
    ):
        writer.append(0, b"\xc0", 1)
        await an_answer_is_there(connection)
    assert failed == [1]


@pytest.mark.parametrize("turns", range(12))
async def test_who_gives_up_on_a_broker_that_is_away_does_so_at_any_moment(turns: int) -> None:
    opening = asyncio.ensure_future(Connection(f"nats://127.0.0.1:{free_port()}", "test").open())
    for _ in range(turns):
        await asyncio.sleep(0)
    assert not opening.done()
    opening.cancel()
    await asyncio.wait({opening}, timeout=5)
    assert opening.cancelled()


async def test_who_waits_in_vain_is_told_so(connection: Connection) -> None:
    await connection.subscribe("silence", lambda _payload: None)
    with pytest.raises(TimeoutError):
        await connection.request("silence", b"", timeout_s=0.1)
    assert not connection.client._resp_map
