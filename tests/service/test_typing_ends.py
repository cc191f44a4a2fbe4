"""How typing ends: by a word, by a message, by itself; and how often, and how much of it, is told at most."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio

from deploy.verify.wire import Frame
from services.gateway.commands.typing import MAX_PER_SOCKET
from services.gateway.fanout.watch import MAX_TYPING, Watch
from services.gateway.protocol import outbound
from services.gateway.ws.surroundings import Patience
from shared.contracts.ids import ConversationId, Username
from tests.support.sockets import Path, message, whole_path
from tests.support.typing import befriend, block, is_passed, make_group, nothing_typed, shown, typing, user_id


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url, announce_shards=3) as running:
        yield running


@asynccontextmanager
async def quick_path(database_url: str, nats_url: str, typing_s: float, **settings: object) -> AsyncIterator[Path]:
    """A path on which typing is over sooner."""
    async with whole_path(database_url, nats_url, patience=Patience(typing_s=typing_s), **settings) as running:
        yield running


async def test_a_start_too_soon_after_the_last_is_dropped_and_a_stop_never(sqlite_url: str, nats_url: str) -> None:
    async with whole_path(sqlite_url, nats_url, limit_typing_s=1) as path:
        ann = await path.token_of("ann")
        async with (
            path.socket(ann) as one,
            path.socket(ann, "phone") as two,
            path.socket(await path.token_of("ben")) as ben,
        ):
            conversation = await befriend(one, "ben")
            elsewhere = await befriend(one, (await made(path, "cat")))
            for frame in (typing(conversation), typing("ben"), *[typing(conversation, "stop")] * 3, typing("ben")):
                await one.send(frame)
            await is_passed(one)
            await two.send(typing(conversation))
            await is_passed(two)
            states = [(await ben.expect("typing"))["state"] for _ in range(4)]
            assert states == ["start", "stop", "stop", "stop"]
            await nothing_typed(ben)
            await one.send(typing(elsewhere))
            came: Frame = {}
            async with asyncio.timeout(5):
                while not came:
                    await one.send(typing(conversation))
                    came = next(iter(await ben.quiet(0.2)), {})
            assert came == shown(conversation, "ann")


async def test_without_limits_every_start_is_told(sqlite_url: str, nats_url: str) -> None:
    async with (
        whole_path(sqlite_url, nats_url, rate_limits=False) as path,
        path.socket(await path.token_of("ann")) as ann,
        path.socket(await path.token_of("ben")) as ben,
    ):
        conversation = await befriend(ann, "ben")
        for _ in range(5):
            await ann.send(typing(conversation))
        assert [(await ben.expect("typing"))["state"] for _ in range(5)] == ["start"] * 5


async def test_who_stops_without_a_word_is_shown_to_have_stopped_after_the_last_start(
    sqlite_url: str, nats_url: str
) -> None:
    async with (
        quick_path(sqlite_url, nats_url, 0.8, rate_limits=False) as path,
        path.socket(await path.token_of("ann")) as ann,
        path.socket(await path.token_of("ben")) as ben,
    ):
        conversation = await befriend(ann, "ben")
        clock = asyncio.get_running_loop().time
        for _ in range(3):
            await ann.send(typing(conversation))
            assert await ben.expect("typing") == shown(conversation, "ann", "start", 800)
            started = clock()
            await nothing_typed(ben)
        assert await ben.expect("typing") == shown(conversation, "ann", "stop", 800)
        assert 0.7 < clock() - started < 3
        await nothing_typed(ben)


async def test_a_closed_socket_types_no_more(path: Path) -> None:
    ann = await path.token_of("ann")
    async with path.socket(await path.token_of("ben")) as ben:
        async with path.socket(ann) as typist:
            conversation = await befriend(typist, "ben")
            await typist.send(typing(conversation))
            assert await ben.expect("typing") == shown(conversation, "ann")
        assert await ben.expect("typing", timeout_s=2) == shown(conversation, "ann", "stop")
        async with path.socket(ann) as typist:
            await typist.send(typing(conversation, "stop"))
            await ben.expect("typing")
        await nothing_typed(ben)


async def test_a_message_ends_the_typing(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await befriend(ann, "ben")
        await ben.expect("message")
        await ann.send(typing(conversation))
        await ann.send(message("ben", "done"))
        assert [(await ben.receive())["type"] for _ in range(3)] == ["typing", "typing", "message"]
        await ann.expect("ack")
        await ann.send(message("ben", "more"))
        await ben.expect("message")
        await nothing_typed(ben)


async def test_a_block_is_not_followed_by_the_end_of_what_was_typed_before_it(path: Path) -> None:
    tokens = {"ann": await path.token_of("ann"), "ben": await path.token_of("ben")}
    async with path.socket(tokens["ben"]) as ben:
        async with path.socket(tokens["ann"]) as ann:
            await befriend(ann, "ben")
            await ann.send(typing("ben"))
            await ben.expect("typing")
            await block(path, tokens, "ben")
        await nothing_typed(ben)


async def test_who_types_in_too_many_conversations_is_shown_to_have_stopped_in_the_first(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    members = [(await user_id(path, ann), "ann"), (await user_id(path, ben), "ben")]
    groups = [await make_group(path, members) for _ in range(MAX_PER_SOCKET + 1)]
    async with path.socket(ann) as typist, path.socket(ben) as member:
        for group in groups:
            await typist.send(typing(group))
        for group in groups[:-1]:
            assert await member.expect("typing") == shown(group, "ann")
        assert await member.expect("typing") == shown(groups[0], "ann", "stop")
        assert await member.expect("typing") == shown(groups[-1], "ann")
        await typist.connection.close()
        stopped = [await member.expect("typing") for _ in groups[1:]]
        assert stopped == [shown(group, "ann", "stop") for group in groups[1:]]


async def test_a_long_poll_keeps_the_last_word_of_each_and_not_too_many() -> None:
    watch = Watch()
    for number in range(MAX_TYPING + 1):
        frame = outbound.typing(ConversationId(f"g{number}"), Username("ann"), "start", 7_000)
        assert watch.hint(frame) is (number < MAX_TYPING)
    assert watch.hint(outbound.typing(ConversationId("g7"), Username("ann"), "stop", 7_000))
    told = [(frame["conversation_id"], frame["state"]) for frame in watch.typing]
    assert (len(told), told[0], told[-1]) == (MAX_TYPING, ("g1", "start"), ("g7", "stop"))
    assert not await watch.changed(3600)  # nothing to be read, and no reason to wait
    watch.wake()
    assert await watch.changed(3600)


async def test_typing_by_http_is_over_by_itself_and_a_long_poll_hears_it(sqlite_url: str, nats_url: str) -> None:
    async with (
        quick_path(sqlite_url, nats_url, 0.5) as path,
        path.http(await path.token_of("ann")) as ann,
        path.http(await path.token_of("ben")) as ben,
    ):
        sent = await ann.post("/messages/send/ben/", json={"content": "hi"})
        conversation = sent.json()["conversation_id"]
        known = (await ben.post("/api/v1/sync", json={})).json()
        assert known["typing"] == []
        poll = {"epoch": known["epoch"], "cursors": known["cursors"], "wait_s": 10}
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(ben.post("/api/v1/sync", json=poll))
            await path.until_polling()
            assert (await ann.post(f"/api/v1/conversations/{conversation}/typing", json={"state": "start"})).is_success
        item = {"conversation_id": conversation, "user": "ann", "state": "start", "ttl_ms": 500}
        assert polling.result().json()["typing"] == [item]
        assert all(page["messages"] == [] for page in polling.result().json()["conversations"])
        over = await ben.post("/api/v1/sync", json=poll)
        assert over.json()["typing"] == [item | {"state": "stop"}]


async def made(path: Path, username: str) -> str:
    """Make a user; returns its name."""
    await path.token_of(username)
    return username
