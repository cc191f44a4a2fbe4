"""Three nodes of the broker in containers: people talk on while any one of them is killed."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.cli.main import main
from deploy.verify.deployment import Account, Deployment
from shared.contracts import subjects
from tests.support.compose import SERVICES, ComposeError, Project, docker, inspect
from tests.support.talk import talk

NODES = ("nats", "nats-2", "nats-3")
RIGHT_AGAIN_S = 20.0
AWAY_S = 10.0
ASK = (
    "import asyncio, json; from shared.broker.connection import Connection; from deploy.cli.settings import load\n"
    "async def main():\n"
    "    c = Connection(load().local.operator, 'test'); await c.open()\n"
    "    print(json.dumps({s.config.name: [s.config.num_replicas, s.cluster.leader]"
    " for s in await c.jetstream().streams_info()})); await c.close()\n"
    "asyncio.run(main())"
)


def settings_of_a_cluster(folder: Path) -> dict[str, str]:
    """Return what `parley init` writes for an operator who wants a cluster."""
    env = folder / "init.env"
    assert main(["init", "--dir", str(folder / "of-init"), "--env", str(env), "--profile", "cluster"]) == 0
    lines = [line for line in env.read_text().splitlines() if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines)
    for name in ("PARLEY_PUBLIC_URL", "PARLEY_PORT", "COMPOSE_PROFILES"):
        del settings[name]
    return settings


@pytest.fixture(scope="module")
def cluster(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An installation with three nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    with Project(folder, profiles=["cluster"], settings=settings_of_a_cluster(folder)) as project:
        project.up()
        yield project


def streams(cluster: Project) -> dict[str, tuple[int, str]]:
    """Ask for all streams: how many copies each has, and who leads it."""
    said = cluster.compose("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint", "python", "cli", "-c", ASK)
    return {name: (copies, leader) for name, (copies, leader) in json.loads(said.splitlines()[-1]).items()}


def test_every_stream_and_bucket_has_a_copy_on_each_node(cluster: Project) -> None:
    found = streams(cluster)
    assert {"CHAT", "RETRY", "DLQ", "KV_presence", "KV_last_seen", "KV_leases"} <= set(found)
    assert {copies for copies, _ in found.values()} == {len(NODES)}
    assert "as wanted" in cluster.run("cli", "migrate", "--check")


def test_every_node_is_contained_alike(cluster: Project) -> None:
    for container in inspect(*cluster.containers(*NODES)):
        host = container["HostConfig"]
        assert container["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"]
        assert not any(container["NetworkSettings"]["Ports"].values())


async def test_people_talk_on_while_the_node_that_leads_the_log_is_killed(
    cluster: Project, figure: Callable[[str, object], None]
) -> None:
    _, leader = (await asyncio.to_thread(streams, cluster))[subjects.CHAT_STREAM]
    async with talk(cluster.url) as heard:
        await asyncio.to_thread(cluster.compose, "kill", leader)
        await heard.goes_on(10)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(cluster.start, leader)
        await asyncio.to_thread(cluster.wait_healthy, *NODES, *SERVICES)
        await heard.goes_on()
    figure("cluster, the log's leader killed", f"{heard.longest_s:.1f} s without an ack at most")
    assert heard.longest_s < RIGHT_AGAIN_S


async def test_people_talk_on_while_one_node_after_the_other_is_frozen(
    cluster: Project, figure: Callable[[str, object], None]
) -> None:
    async with talk(cluster.url) as heard:
        for node in NODES:
            await asyncio.to_thread(cluster.compose, "pause", node)
            await heard.goes_on(10)
            await asyncio.to_thread(cluster.compose, "unpause", node)
            await asyncio.to_thread(cluster.wait_healthy, *NODES, *SERVICES)
    figure("cluster, each node frozen", f"{heard.longest_s:.1f} s without an ack at most")
    assert heard.longest_s < RIGHT_AGAIN_S


async def test_people_talk_on_while_one_node_after_the_other_is_restarted(
    cluster: Project, figure: Callable[[str, object], None]
) -> None:
    async with talk(cluster.url) as heard:
        for node in NODES:
            await asyncio.to_thread(cluster.compose, "restart", node)
            await asyncio.to_thread(cluster.wait_healthy, *NODES, *SERVICES)
            await heard.goes_on()
    figure("cluster, restarted in order", f"{heard.longest_s:.1f} s without an ack at most")
    assert heard.longest_s < RIGHT_AGAIN_S


async def test_a_system_on_one_node_goes_on_as_a_cluster_with_all_its_messages(
    images: None, tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    with Project(tmp_path) as project:
        await asyncio.to_thread(project.up)
        async with Deployment(project.url) as deployment:
            ann, ben = await deployment.new_account("ann"), await deployment.new_account("ben")
            await say(deployment, ann, ben, "before")
            # As docs/operations.md tells: nobody writes, all is applied, the one node's store goes.
            await asyncio.to_thread(project.stop, "gateway")
            with pytest.raises(ComposeError, match=r"log lag +nothing waits"):  # and what is amiss is the gateway alone
                await asyncio.to_thread(project.run, "cli", "doctor")
            begun = time.monotonic()
            await asyncio.to_thread(project.down)
            docker("volume", "rm", f"{project.name}_nats-data")
            project.settings |= settings_of_a_cluster(tmp_path) | {"COMPOSE_PROFILES": "cluster"}
            await asyncio.to_thread(project.up)
            figure("from one node to three", f"{time.monotonic() - begun:.1f} s away")
            await say(deployment, ann, ben, "after")
            page = await deployment.http.get(f"/messages/history/{ben.username}/", headers=ann.headers)
            assert [each["content"] for each in page.json()["messages"]] == ["before", "after"]
        assert {copies for copies, _ in streams(project).values()} == {len(NODES)}


async def say(deployment: Deployment, sender: Account, to: Account, content: str) -> None:
    """Send a message and see that it is stored."""
    sent = await deployment.http.post(
        f"/messages/send/{to.username}/", json={"content": content}, headers=sender.headers
    )
    assert sent.status_code == httpx.codes.CREATED, sent.text


async def test_the_cluster_comes_back_after_all_nodes_were_killed_at_once(cluster: Project) -> None:
    async with talk(cluster.url) as heard:
        await asyncio.to_thread(cluster.compose, "kill", *NODES)
        await asyncio.to_thread(cluster.start, *NODES)
        await asyncio.to_thread(cluster.wait_healthy, *NODES, *SERVICES)
        await heard.goes_on()
