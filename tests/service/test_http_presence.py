"""Presence by HTTP: asked for, chosen, watched by long polls, and being there by polling alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from services.gateway.fanout import pollers
from shared.broker.connection import Connection
from shared.contracts.retries import HellosSaid
from shared.contracts.subjects import HELLOS_SAID
from tests.support.delivery import eventually
from tests.support.gateway import problem_of
from tests.support.presence import running_presence
from tests.support.sockets import Path, ask, message, whole_path

OFFLINE = {"user": "ben", "status": "offline"}


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with running_presence(nats_url), whole_path(database_url, nats_url) as running:
        yield running


async def acquaint(path: Path, *usernames: str) -> list[str]:
    """Make two users who have a conversation; returns their tokens."""
    tokens = [await path.token_of(username) for username in usernames]
    async with path.socket(tokens[0], "first") as wire:
        await ask(wire, message(usernames[1]), "ack")
    return tokens


async def presence(http: httpx.AsyncClient, user: str) -> dict[str, Any]:
    answer = await http.get(f"/api/v1/users/{user}/presence")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def until(http: httpx.AsyncClient, user: str, status: str, *, within_s: float = 5.0) -> dict[str, Any]:
    """Ask until somebody is so."""
    async with asyncio.timeout(within_s):
        while (body := await presence(http, user))["status"] != status:  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.05)
    return body


async def poll(http: httpx.AsyncClient, *watch: str, wait_s: float = 0, **more: object) -> dict[str, Any]:
    """Poll, with the cursors of now so that nothing is missed."""
    held = (await http.post("/api/v1/sync", json={})).json()
    question = {"epoch": held["epoch"], "cursors": held["cursors"], "wait_s": wait_s, "watch": watch, **more}
    answer = await http.post("/api/v1/sync", json=question, timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_how_somebody_is_may_be_asked_by_whoever_has_a_conversation_with_them(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    eve = await path.token_of("eve")
    async with path.http(ann) as of_ann, path.http(eve) as of_eve, path.http(ben) as of_ben:
        assert await presence(of_ann, "ben") == OFFLINE
        async with path.socket(ben):
            assert await until(of_ann, "ben", "online") == {"user": "ben", "status": "online"}
            assert (await presence(of_ann, "BEN"))["status"] == "online"
            assert (await until(of_ben, "ben", "online"))["status"] == "online"
            assert await presence(of_eve, "ben") == OFFLINE
        assert (await until(of_ann, "ben", "offline", within_s=2))["last_seen"].endswith("Z")
        assert await presence(of_eve, "ben") == OFFLINE
        assert await presence(of_eve, "nobody_here") == {"user": "nobody_here", "status": "offline"}
        problem_of(await of_eve.get("/api/v1/users/b/presence"), 400, "invalid")


async def test_a_status_is_chosen_for_all_devices_until_another_is(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.http(ann) as of_ann, path.http(ben) as of_ben:
        for chosen in ("dnd", "invisible", "away"):
            answer = await of_ben.put("/api/v1/me/presence", json={"status": chosen})
            assert (answer.status_code, answer.json()) == (200, {"status": chosen})
        async with path.socket(ben):
            await until(of_ann, "ben", "away")
            await of_ben.put("/api/v1/me/presence", json={"status": "invisible"})
            await until(of_ann, "ben", "offline")
        assert (await of_ben.get("/api/v1/me/presence")).json() == {"status": "invisible"}
        wrong = await of_ben.put("/api/v1/me/presence", json={"status": "asleep"})
        assert problem_of(wrong, 400, "invalid")["errors"]
        problem_of(await of_ben.put("/api/v1/me/presence", json={}), 400, "invalid")


async def test_without_presence_it_is_told_that_it_is_not_known(sqlite_url: str, nats_url: str) -> None:
    async with whole_path(sqlite_url, nats_url) as path:
        ann, _ = await acquaint(path, "ann", "ben")
        async with path.http(ann) as of_ann:
            problem_of(await of_ann.get("/api/v1/users/ben/presence"), 503, "unavailable")
            problem_of(await of_ann.put("/api/v1/me/presence", json={"status": "away"}), 503, "unavailable")
            assert (await poll(of_ann, "ben"))["presence"] == [OFFLINE]


async def test_a_long_poll_wakes_when_somebody_watched_changes(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.http(ann) as http, asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(poll(http, "ben", "nobody_here", wait_s=20))
        await path.until_polling()
        await asyncio.sleep(0.3)
        assert not polling.done()
        async with path.socket(ben):
            told = await polling
            nobody = {"user": "nobody_here", "status": "offline"}
            assert told["presence"] == [{"user": "ben", "status": "online"}, nobody]
            assert told["conversations"] is not None


async def test_what_changes_between_two_polls_ends_the_next_one_at_once(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.http(ann) as http, path.http(ben) as of_ben:
        assert (await poll(http, "ben"))["presence"] == [OFFLINE]
        async with path.socket(ben):
            await until(http, "ben", "online")
            async with asyncio.timeout(10):
                told = await poll(http, "ben", wait_s=20)
            assert told["presence"] == [{"user": "ben", "status": "online"}]
            await of_ben.put("/api/v1/me/presence", json={"status": "dnd"})
            async with asyncio.timeout(10):
                told = await poll(http, "ben", wait_s=20)
            assert told["presence"] == [{"user": "ben", "status": "dnd"}]
            before_s = asyncio.get_running_loop().time()
            assert (await poll(http, "ben", wait_s=1))["presence"] == told["presence"]
            assert asyncio.get_running_loop().time() - before_s >= 1


async def test_a_poll_may_watch_two_hundred_and_no_strangers(path: Path) -> None:
    eve, ben = await path.token_of("eve"), await path.token_of("ben")
    async with path.http(eve) as http, path.socket(ben):
        assert (await poll(http, "ben"))["presence"] == [OFFLINE]
        names = [f"nobody-{number}" for number in range(201)]
        assert len((await poll(http, *names[:200]))["presence"]) == 200
        problem_of(await http.post("/api/v1/sync", json={"watch": names}), 400, "invalid")
        problem_of(await http.post("/api/v1/sync", json={"watch": ["not a name"]}), 400, "invalid")


async def test_whoever_polls_is_there_for_a_while_after_the_last_poll(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pollers, "POLLED_S", 1.0)
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.http(ann) as of_ann, path.http(ben) as of_ben:
        await of_ben.post("/api/v1/sync", json={})
        assert await presence(of_ann, "ben") == OFFLINE
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(poll(of_ben, wait_s=2))
            await until(of_ann, "ben", "online")
        assert (await presence(of_ann, "ben"))["status"] == "online"
        assert (await until(of_ann, "ben", "offline"))["last_seen"]


async def test_whoever_polled_and_signed_out_is_gone_at_once(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.http(ann) as of_ann, path.http(ben) as of_ben:
        await poll(of_ben, wait_s=0.5)
        await until(of_ann, "ben", "online")
        sessions = (await of_ben.get("/api/v1/sessions")).json()["items"]
        assert (await of_ben.delete(f"/api/v1/sessions/{sessions[0]['id']}")).status_code == 204
        await until(of_ann, "ben", "offline", within_s=2)


async def test_delivery_is_told_of_the_first_poll_alone(path: Path, nats_url: str) -> None:
    heard: list[HellosSaid] = []
    connection = Connection(nats_url, "test")
    await connection.open()
    decode = msgspec.json.Decoder(HellosSaid).decode
    await connection.subscribe(HELLOS_SAID, lambda payload: heard.append(decode(payload)))
    await connection.flushed(5)
    async with path.http(await path.token_of("ann")) as http:
        await poll(http)
        await eventually(lambda: bool(heard), what="a hello")
        await poll(http)
        await asyncio.sleep(0.5)
    assert [len(said.user_ids) for said in heard] == [1]
    await connection.close()
