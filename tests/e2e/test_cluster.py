"""The product on three brokers: people write while nodes are killed, frozen and restarted; nothing is lost or stuck."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.verify.deployment import Deployment
from deploy.verify.history import Ack, Fault, History
from shared.contracts import subjects
from tests.e2e.test_kill import PRESENCE_RIGHT_S, USERS, come_to_rest, connected, friendships, person, write
from tests.support.cluster import Cluster, Node
from tests.support.processes import Product

RIGHT_AGAIN_S = 20.0
IN_ORDER_S = 5.0
"""Without an ack while nodes are restarted in order; a busy machine's, else it is well below a second."""
FROZEN_S = 20.0
QUIET_S = 4.0
"""Between one fault and the next."""


@asynccontextmanager
async def talk(tmp_path: Path) -> AsyncIterator[tuple[Cluster, Product, History]]:
    """Have 20 people write to each other all the while; at the end everything must be right."""
    dice = random.Random(1)  # noqa: S311 - a plan to repeat, no secret
    history, enough = History(), asyncio.Event()
    with Cluster(tmp_path) as cluster, Product(tmp_path, environ=environ(cluster)) as product:
        async with Deployment(product.url) as deployment, asyncio.TaskGroup() as group:
            people = [await person(deployment, group, number, history, dice) for number in range(USERS)]
            pairs = friendships(people)
            async with connected(people, pairs):
                async with asyncio.TaskGroup() as writers:
                    for one, other in pairs:
                        writers.create_task(write(one, other, enough, dice))
                        writers.create_task(write(other, one, enough, dice))
                    yield cluster, product, history
                    enough.set()
                await asyncio.to_thread(product.wait_ready)
                violations = await come_to_rest(people, pairs, history, within_s=PRESENCE_RIGHT_S)
    history.write(tmp_path / "history.jsonl")
    assert not violations, "\n".join(map(str, violations[:20]))


def environ(cluster: Cluster) -> dict[str, str]:
    """Say where the brokers are, and that all three keep everything."""
    return {"PARLEY_NATS_URL": cluster.url, "PARLEY_STREAM_REPLICAS": str(len(cluster.nodes))}


async def while_nothing_else(history: History, name: str, fault: Awaitable[None]) -> float:
    """Let a fault run its course; tells how long nobody got an ack."""
    await asyncio.sleep(QUIET_S)
    history.record(Fault(what=name, phase="start"))
    began = next(event.t for event in reversed(list(history)) if isinstance(event, Fault))
    await fault
    history.record(Fault(what=name, phase="stop"))
    await asyncio.sleep(QUIET_S)
    acked = [event.t for event in history if isinstance(event, Ack)]
    gap = max(later - earlier for earlier, later in pairwise(acked) if later > began)
    print(f"{name}: {gap:.2f} s without an ack")  # noqa: T201 - figures to look at
    return gap


async def gateways_node(cluster: Cluster, product: Product) -> Node:
    """Tell which node the gateway is connected to."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        checks = (await client.get(f"{product.url}/health/ready")).json()["checks"]
    address = checks["broker"]["detail"].rpartition(" ")[2]
    return cluster.at(int(urlsplit(f"//{address}").port or 0))


async def kill_and_start_again(cluster: Cluster, node: Node) -> None:
    """End a node at once; it is away for a while, then catches up."""
    node.kill()
    await asyncio.sleep(RIGHT_AGAIN_S / 2)
    await asyncio.to_thread(node.start)
    await asyncio.to_thread(cluster.wait_together)


async def freeze(node: Node) -> None:
    """Stop a node where it is, and let it go on."""
    node.pause()
    await asyncio.sleep(FROZEN_S)
    node.resume()


async def restart_in_order(cluster: Cluster) -> None:
    """Restart all nodes, one after the other, each when the last one has caught up."""
    for node in cluster.nodes:
        await asyncio.to_thread(node.leave_in_order)
        await asyncio.to_thread(node.start)
        await asyncio.to_thread(cluster.wait_together)


@pytest.mark.timeout(300)
async def test_people_write_on_while_nodes_of_the_broker_are_killed(tmp_path: Path) -> None:
    async with talk(tmp_path) as (cluster, product, history):
        leader = await cluster.leader_of(subjects.CHAT_STREAM)
        gap = await while_nothing_else(history, "kill the log's leader", kill_and_start_again(cluster, leader))
        assert gap < RIGHT_AGAIN_S
        node = await gateways_node(cluster, product)
        gap = await while_nothing_else(history, "kill the gateway's node", kill_and_start_again(cluster, node))
        assert gap < RIGHT_AGAIN_S


@pytest.mark.timeout(300)
async def test_people_write_on_while_a_node_of_the_broker_is_frozen(tmp_path: Path) -> None:
    async with talk(tmp_path) as (cluster, product, history):
        node = await gateways_node(cluster, product)
        gap = await while_nothing_else(history, "freeze the gateway's node", freeze(node))
        assert gap < RIGHT_AGAIN_S
        await asyncio.to_thread(cluster.wait_together)
        leader = await cluster.leader_of(subjects.CHAT_STREAM)
        gap = await while_nothing_else(history, "freeze the log's leader", freeze(leader))
        assert gap < RIGHT_AGAIN_S
        await asyncio.to_thread(cluster.wait_together)


@pytest.mark.timeout(300)
async def test_nobody_waits_while_the_nodes_of_the_broker_are_restarted_in_order(tmp_path: Path) -> None:
    async with talk(tmp_path) as (cluster, _product, history):
        gap = await while_nothing_else(history, "restart in order", restart_in_order(cluster))
        assert gap < IN_ORDER_S
