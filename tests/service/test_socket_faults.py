"""Sockets while parts go away and come back, on several gateways, and with clients that don't read."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.nats import NatsServer
from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url, rate_limits=False) as running:
        yield running


async def test_after_the_broker_came_back_sockets_resync_and_go_on(path: Path, nats_server: NatsServer) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        await ask(ann, message("ben"), "ack")
        nats_server.kill()
        on_its_way = message("ben", "sent before anybody noticed")
        await ann.send(on_its_way)
        async with asyncio.timeout(5):
            while not (refused := [frame for frame in await ann.quiet(0.1) if frame["type"] == "error"]):
                await ann.send(message("ben"))
        assert {(error["code"], error["retryable"]) for error in refused} == {("unavailable", True)}
        nats_server.start()  # in this thread: a child dies with the thread that made it
        for wire in (ann, ben):
            resync = await wire.expect("resync", timeout_s=10)
            assert resync == {"type": "resync", "reason": "broker_reconnect"}
            await wire.hello("laptop")
        assert (await ask(ann, on_its_way, "ack"))["duplicate"] in {False, True}
        await ask(ann, message("ben", "after"), "ack")
        await ben.expect("message", lambda frame: frame["content"] == "after")


async def test_a_message_on_its_way_while_the_broker_dies_is_stored_once(path: Path, nats_server: NatsServer) -> None:
    async with path.socket(await path.token_of("ann")) as ann:
        ben = await path.token_of("ben")
        sent = [message("ben", str(number)) for number in range(200)]
        for frame in sent:
            await ann.send(frame)
        nats_server.restart()
        waiting = {str(frame["id"]): frame for frame in sent}
        while waiting:
            came = await ann.receive(20)
            if came["type"] == "ack":
                waiting.pop(came["re"], None)
            elif came["type"] == "error":
                assert came["retryable"]
                await asyncio.sleep(0.01)
                await ann.send(waiting[came["re"]])
        async with path.dial(ben) as wire:
            _, replay, _ = await wire.hello("laptop")
    contents = [frame["content"] for frame in replay if frame["type"] == "message"]
    assert sorted(contents, key=int) == [str(number) for number in range(200)]


async def test_messages_and_devices_are_known_across_gateways(path: Path) -> None:
    await path.start("second gateway")
    token = await path.token_of("ann")
    async with (
        path.socket(token, "phone") as here,
        path.socket(await path.token_of("ben"), at="second gateway") as ben,
    ):
        await ask(here, message("ben"), "ack")
        await ben.expect("message")
        async with path.socket(token, "phone", at="second gateway") as there:
            assert (await here.closing()).code == 4409
            await ask(ben, message("ann"), "ack")
            assert (await there.expect("message"))["sender"] == "ben"


async def test_announcements_on_many_subjects_reach_whom_they_concern(sqlite_url: str, nats_url: str) -> None:
    async with whole_path(sqlite_url, nats_url, announce_shards=64) as path:
        names = [f"user{number}" for number in range(5)]
        tokens = [await path.token_of(name) for name in names]
        async with path.socket(tokens[0]) as first:
            for name, token in zip(names[1:], tokens[1:], strict=True):
                async with path.socket(token) as other:
                    await ask(first, message(name), "ack")
                    assert (await other.expect("message"))["sender"] == names[0]


async def test_a_client_that_does_not_read_is_closed_and_nobody_else_waits(path: Path) -> None:
    large = "\N{GRINNING FACE}" * 8000
    async with (
        path.socket(await path.token_of("ann")) as ann,
        path.socket(await path.token_of("ben")) as ben,
        path.http(await path.token_of("carl")) as http,
    ):
        for _ in range(500):
            await ask(ann, message("ben", large), "ack")
            if b'sockets_closed_total{code="slow"} 1.0' in (await http.get("/metrics")).content:
                break
        closed = await ben.closing(10)
    assert closed.code in {4410, 1006}  # what was sent before the close frame has to be read first


async def test_a_drained_gateway_says_goodbye_after_its_last_answers(path: Path) -> None:
    await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("carl")) as carl:
        for _ in range(20):
            await ann.send(message("ben"))
        await asyncio.sleep(0)
        async with asyncio.timeout(8):
            await path.gateways["gateway"].drain()
        closed = await ann.closing()
        kinds = [frame["type"] for frame in ann.passed]
        assert closed.code == (await carl.closing()).code == 1001
    assert kinds[-1] == "goodbye"
    assert set(kinds[:-1]) <= {"ack", "error"}
    goodbyes = [wire.passed[-1] for wire in (ann, carl)]
    assert all(goodbye["reconnect"] and 0 <= goodbye["after_ms"] < 5000 for goodbye in goodbyes)


async def test_a_long_poll_is_woken_by_a_message(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.http(await path.token_of("ben")) as http:
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(http.post("/api/v1/sync", json={"cursors": {}, "wait_s": 8}))
            waiting = re.compile(rb"parley_long_polls 1\.0")
            while not waiting.search((await http.get("/metrics")).content):  # noqa: ASYNC110 - another process' state
                await asyncio.sleep(0.01)
            await ask(ann, message("ben", "wake up"), "ack")
        answer = poll.result().json()
    assert answer["conversations"][0]["messages"][0]["content"] == "wake up"
