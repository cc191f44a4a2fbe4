"""Another epoch: an operator accepts a gap while everything runs, and every client starts over."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path as Folder

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from deploy.verify.wire import Frame, Wire
from services.gateway.ws.surroundings import Patience
from shared.broker.connection import Connection
from shared.broker.streams import log_state, trim_log
from shared.database import tables
from shared.database.engine import open_engine
from tests.support.children import spawn, stop
from tests.support.delivery import fresh_streams
from tests.support.gateway import problem_of
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.sockets import Path, ask, message, whole_path

HISTORY = (tables.message, tables.receipt, tables.member, tables.conversation, tables.log_position, tables.epoch)


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    await fresh_streams(nats_url)
    async with whole_path(database_url, nats_url, patience=Patience(store_s=1.0), rate_limits=False) as running:
        yield running


def environ(path: Path, **more: str) -> dict[str, str]:
    """The environment of a program that belongs to the system under test."""
    own = {"PARLEY_DATABASE_URL": path.settings.database_url, "PARLEY_NATS_URL": path.settings.nats_url}
    return {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")} | own | more


async def accept_gap(path: Path) -> str:
    """Run the operator's command; returns the new epoch."""
    argv = [sys.executable, "-m", "deploy.cli.main", "restore", "--accept-gap", "--yes", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, argv, cwd=ROOT, env=environ(path), capture_output=True, check=True, timeout=30
    )
    epoch: str = json.loads(done.stdout)["epoch"]
    return epoch


async def empty_history(path: Path) -> None:
    """Take all that delivery wrote out of the database; accounts stay, so that people can still sign in."""
    engine = open_engine(path.settings.database_url, "writer", pool_size=1)
    async with engine.begin() as writing:
        for table in HISTORY:
            await writing.execute(sa.delete(table))
    await engine.dispose()


async def trim_all(path: Path) -> None:
    """Drop everything that is in the log."""
    connection = Connection(path.settings.nats_url, "test-trim")
    await connection.open()
    await trim_log(connection, (await log_state(connection)).last_seq + 1)
    await connection.close()


def contents(frames: list[Frame]) -> list[str]:
    return [frame["content"] for frame in frames if frame["type"] == "message"]


async def resynced(wire: Wire) -> None:
    """Wait until a socket that says nothing hears that there is another epoch; it may have, among other frames."""
    told = {"type": "resync", "reason": "epoch_changed"}
    if told not in wire.passed:
        assert await wire.expect("resync", timeout_s=15) == told


async def test_a_hello_after_an_accepted_gap_is_welcomed_once_with_the_new_epoch_and_replayed_from_the_start(
    path: Path,
) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.dial(await path.token_of("ben")) as ben:
        before, _, _ = await ben.hello("laptop")
        for number in ("1", "2", "3"):
            conversation = (await ask(ann, message("ben", number), "ack"))["conversation_id"]
            await ben.expect("message")
        epoch = await accept_gap(path)
        assert epoch != before["epoch"]

        held = {"cursors": {conversation: 3}, "epoch": before["epoch"]}
        welcome, replay, caught_up = await ben.hello("laptop", **held)
        assert welcome["epoch"] == epoch
        assert contents(replay) == ["1", "2", "3"]
        assert {frame["type"] for frame in replay} == {"message", "read_receipt"}
        assert caught_up["cursors"] == {conversation: 3}

        _, replay, _ = await ben.hello("laptop", cursors=caught_up["cursors"], epoch=epoch)
        assert contents(replay) == []
        assert (await ask(ann, message("ben", "after"), "ack"))["seq"] == 4
        await ben.expect("message", lambda frame: frame["content"] == "after")


async def test_after_an_accepted_gap_delivery_goes_on_and_silent_sockets_hear_of_it(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        first = message("ben", "before")
        acked = await ask(ann, first, "ack")
        await ben.expect("message")
        epoch = await accept_gap(path)
        assert (await ask(ann, message("ben", "after"), "ack"))["seq"] == 2
        came = await ben.expect("message")
        assert (came["content"], came["rev"]) == ("after", 2)
        for wire in (ann, ben):
            await resynced(wire)
            assert (await wire.hello("laptop"))[0]["epoch"] == epoch
        again = await ask(ann, first, "ack")
        assert again["duplicate"]
        assert (again["message_id"], again["seq"], again["rev"]) == (acked["message_id"], 1, 1)


async def test_a_gateway_that_never_reached_history_welcomes_nobody_until_it_does(path: Path) -> None:
    token = await path.token_of("ann")
    await path.stop("gateway")
    await path.stop("history")
    await path.start("gateway")
    hello = {"type": "hello", "v": 1, "device_id": "laptop"}
    async with path.dial(token) as wire:
        await wire.send(hello)
        assert (await wire.closing()).code == 1011
    (goodbye,) = wire.passed  # a welcome tells the epoch, which only the store knows
    assert (goodbye["type"], goodbye["code"], goodbye["reconnect"]) == ("goodbye", "unavailable", True)
    async with path.dial(token) as wire:
        await wire.send(hello)
        await path.start("history")
        assert (await wire.expect("welcome"))["epoch"]
        await wire.expect("caught_up")


async def test_a_database_that_nobody_has_begun_to_write_has_no_epoch_and_is_waited_for(path: Path) -> None:
    token = await path.token_of("ann")
    for part in ("gateway", "delivery"):
        await path.stop(part)
    await empty_history(path)
    await path.start("gateway")
    async with path.http(token) as http:
        problem_of(await http.post("/api/v1/sync", json={"cursors": {}}), 503, "unavailable")
    async with path.dial(token) as wire:
        await wire.send({"type": "hello", "v": 1, "device_id": "laptop"})
        assert (await wire.closing()).code == 1011
    assert [frame["type"] for frame in wire.passed] == ["goodbye"]
    await path.start("delivery")
    async with path.dial(token) as wire:
        welcome, _, caught_up = await wire.hello("laptop")
        assert welcome["epoch"]
        assert caught_up["cursors"] == {}


async def test_a_long_poll_is_woken_by_another_epoch_and_answered_from_the_start(path: Path) -> None:
    token = await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann, path.http(token) as http:
        await ask(ann, message("ben", "before"), "ack")
        held = (await http.post("/api/v1/sync", json={"cursors": {}})).json()
        question = {"epoch": held["epoch"], "cursors": held["cursors"]}
        assert (await http.post("/api/v1/sync", json=question)).json()["conversations"][0]["messages"] == []
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(http.post("/api/v1/sync", json={**question, "wait_s": 20}, timeout=25))
            epoch = await accept_gap(path)
        answer = poll.result().json()
    assert answer["epoch"] == epoch
    assert [each["content"] for each in answer["conversations"][0]["messages"]] == ["before"]


async def test_a_trimmed_log_before_an_emptied_database_waits_for_the_gap_to_be_accepted(
    path: Path, tmp_path: Folder
) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        for number in range(5):
            await ask(ann, message("ben", str(number)), "ack")
            await ben.expect("message")
        await path.stop("delivery")
        await trim_all(path)
        await empty_history(path)
        port = free_port()
        running = environ(path, PARLEY_HTTP_PORT=str(port))
        delivery = spawn([sys.executable, "-m", "services.delivery.app"], log=tmp_path / "log", env=running, cwd=ROOT)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as health:
                told = await log_told(health, 503, "accept-gap")
                assert "The log begins at 6, but 1 was next" in told
                queued = message("ben", "in the meantime")
                await ann.send(queued)
                assert (await ann.expect("message_status"))["status"] == "queued"
                with pytest.raises(AssertionError, match="waited"):
                    await log_told(health, 200, "", for_s=1.0)

                epoch = await accept_gap(path)
                assert (await ann.expect("ack", timeout_s=15))["seq"] == 1
                assert "bundles behind" in await log_told(health, 200, "")
            assert (await ben.expect("message"))["content"] == "in the meantime"
            for wire in (ann, ben):
                await resynced(wire)
                welcome, _, caught_up = await wire.hello("laptop")
                assert welcome["epoch"] == epoch
                assert list(caught_up["cursors"].values()) == [1]
        finally:
            stop(delivery, how=signal.SIGTERM)


async def log_told(health: httpx.AsyncClient, status: int, said: str, *, for_s: float = 20.0) -> str:
    """Wait until delivery is ready or not, and says so of its log; returns all that it says of it."""
    seen: str = ""
    try:
        async with asyncio.timeout(for_s):
            while True:
                try:
                    answer = await health.get("/health/ready")
                except httpx.TransportError:  # not up yet
                    await asyncio.sleep(0.05)
                    continue
                seen = answer.json()["checks"]["log"]["detail"]
                if answer.status_code == status and said in seen:
                    return seen
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {for_s} s, it said: {seen}") from None
