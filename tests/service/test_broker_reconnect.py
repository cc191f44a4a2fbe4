"""The connection to the broker comes back after every kill, whatever its users do."""

import asyncio

from shared.broker.connection import Connection
from shared.broker.publisher import BundleWriter
from tests.support.nats import NatsServer


async def test_a_hook_that_fails_does_not_keep_the_connection_from_coming_back(nats_server: NatsServer) -> None:
    connection = Connection(nats_server.url, "test")
    await connection.open()
    came_back = asyncio.Event()

    def fail() -> None:
        raise RuntimeError("a hook with a bug")

    connection.on_disconnect.append(fail)
    connection.on_reconnect += [fail, came_back.set]
    await asyncio.to_thread(nats_server.restart)
    async with asyncio.timeout(10):
        await came_back.wait()
    assert await connection.probe()
    await connection.close()


async def test_a_writer_between_two_tries_goes_on_after_the_broker_came_back(nats_server: NatsServer) -> None:
    connection = Connection(nats_server.url, "test")
    await connection.open()
    lost, came_back, stored = asyncio.Event(), asyncio.Event(), asyncio.Event()
    connection.on_reconnect.append(came_back.set)
    failed: list[int] = []

    def on_durable(_entries: list[int]) -> None:
        stored.set()

    async with BundleWriter[int](connection, 1, on_durable=on_durable, on_failed=failed.extend) as writer:
        connection.on_disconnect.append(lost.set)
        # There is no stream yet, so that each try fails and the writer waits before the next.
        writer.append(0, b"\xc0", 1)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(nats_server.restart)
        async with asyncio.timeout(10):
            await lost.wait()
        async with asyncio.timeout(10):
            await came_back.wait()
        await connection.jetstream().add_stream(name="CHAT", subjects=["chat.p.*"])
        async with asyncio.timeout(10):
            await stored.wait()
    assert failed == []
    await connection.close()
