"""A connection to a cluster of brokers: it leaves a node that leads nowhere, and stays where another is no better."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.preparation import prepare_broker
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import StreamSettings, differences, log_state
from tests.support.cluster import Cluster, Node

RIGHT_AGAIN_S = 20.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[Connection]:
    """Be connected to whichever node, with all streams made."""
    connection = Connection(cluster.url, "test")
    await connection.open()
    try:
        await prepare_broker(connection.access, StreamSettings(stream_replicas=3), 60)
        yield connection
    finally:
        await connection.close()


def node_of(cluster: Cluster, connection: Connection) -> Node:
    """Tell where somebody is connected to."""
    url = connection.client.connected_url
    assert url is not None
    assert url.port is not None
    return cluster.at(url.port)


async def left(connection: Connection, within_s: float) -> None:
    """Wait until a connection has gone to another node."""
    has_left, has_come_back = asyncio.Event(), asyncio.Event()
    connection.on_left.append(has_left.set)
    connection.on_reconnect.append(has_come_back.set)
    async with asyncio.timeout(within_s):
        await has_left.wait()
        await has_come_back.wait()


async def test_all_streams_and_buckets_have_three_copies(cluster: Cluster) -> None:
    async with connected(cluster) as connection:
        assert await differences(connection, StreamSettings(stream_replicas=3)) == []
        streams = await connection.jetstream().streams_info()
        assert {stream.config.name for stream in streams} >= {"CHAT", "RETRY", "DLQ", "KV_presence", "KV_leases"}
        assert {stream.config.num_replicas for stream in streams} == {3}


@pytest.mark.timeout(180)
async def test_a_frozen_node_is_left_in_seconds(cluster: Cluster) -> None:
    async with connected(cluster) as connection:
        frozen = node_of(cluster, connection)
        frozen.pause()
        try:
            await left(connection, within_s=25)
            assert node_of(cluster, connection) is not frozen
            await look_at_log(connection, RIGHT_AGAIN_S)
        finally:
            frozen.resume()


@pytest.mark.timeout(180)
async def test_what_was_said_over_a_frozen_node_is_not_heard_after_newer_things(cluster: Cluster) -> None:
    async with connected(cluster) as teller:
        frozen = node_of(cluster, teller)
        listener = Connection(next(node.url for node in cluster.nodes if node is not frozen), "listener")
        await listener.open()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await listener.subscribe("of.this.test", heard.put_nowait, only_newer=True)
        await listener.flushed(5)
        async with asyncio.timeout(10):
            while heard.empty():  # until the node knows that somebody listens
                await teller.publish("of.this.test", b"first")
                await asyncio.sleep(0.1)
        frozen.pause()
        try:
            await teller.publish("of.this.test", b"lies in the node")
            await left(teller, within_s=25)
            await teller.publish("of.this.test", b"newer")
            async with asyncio.timeout(10):
                while await heard.get() != b"newer":
                    pass
        finally:
            frozen.resume()
        await asyncio.to_thread(cluster.wait_together)
        await asyncio.sleep(1)
        assert heard.empty()
        await teller.publish("of.this.test", b"newest")
        async with asyncio.timeout(5):
            assert await heard.get() == b"newest"
        await listener.close()


@pytest.mark.timeout(180)
async def test_a_node_that_is_cut_off_from_the_others_is_left_though_it_answers(cluster: Cluster) -> None:
    async with connected(cluster) as connection:
        alone = node_of(cluster, connection)
        cluster.cut_off(alone)
        try:
            assert await connection.probe()
            await left(connection, within_s=25)
            assert node_of(cluster, connection) is not alone
        finally:
            cluster.heal()


@pytest.mark.timeout(180)
async def test_nobody_leaves_a_node_for_one_that_is_no_better(cluster: Cluster) -> None:
    async with connected(cluster) as connection:
        node = node_of(cluster, connection)
        others = [other for other in cluster.nodes if other is not node]
        moves: list[None] = []
        connection.on_left.append(lambda: moves.append(None))
        for other in others:
            other.pause()
        try:
            await asyncio.sleep(8)
            assert moves == []
            assert node_of(cluster, connection) is node
        finally:
            for other in others:
                other.resume()


async def look_at_log(connection: Connection, within_s: float) -> None:
    """Look at the log until it answers."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                await log_state(connection, 1.0)
            except BROKER_ERRORS:
                await asyncio.sleep(0.1)
            else:
                return
