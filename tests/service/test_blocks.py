"""Blocks over HTTP, through log and delivery: who can't write to whom then, by socket and by HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.gateway import problem_of
from tests.support.sockets import Path, ask, message, whole_path

BLOCKS = "/api/v1/me/blocks"


@pytest.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(database_url, nats_url) as running:
        yield running


@pytest.fixture
async def tokens(path: Path) -> dict[str, str]:
    return {name: await path.token_of(name) for name in ("ann", "ben")}


@pytest.fixture
async def ann(path: Path, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with path.http(tokens["ann"]) as client:
        yield client


@pytest.fixture
async def ben(path: Path, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with path.http(tokens["ben"]) as client:
        yield client


def block_of(username: str) -> str:
    return f"/api/v1/users/{username}/block"


async def send(client: httpx.AsyncClient, to: str, content: str = "hi", **more: object) -> httpx.Response:
    return await client.post(f"/messages/send/{to}/", json={"content": content, **more})


async def test_a_blocked_pair_writes_neither_way_until_the_block_ends(
    path: Path, tokens: dict[str, str], ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    async with path.socket(tokens["ann"]) as ann_wire, path.socket(tokens["ben"]) as ben_wire:
        conversation = (await ask(ann_wire, message("ben", "before"), "ack"))["conversation_id"]
        await ben_wire.expect("message")
        blocked = await ann.put(block_of("BEN"))
        assert (blocked.status_code, blocked.content) == (204, b"")
        in_conversation = f"/api/v1/conversations/{conversation}/messages"
        for client, wire, to in ((ann, ann_wire, "ben"), (ben, ben_wire, "ann")):
            assert (await ask(wire, message(to), "error"))["code"] == "blocked"
            by_id = {"type": "message", "id": "by-id", "conversation_id": conversation, "content": "x"}
            assert (await ask(wire, by_id, "error"))["code"] == "blocked"
            problem_of(await send(client, to), 403, "blocked")
            problem_of(await client.post(f"/messages/queue/{to}/", json={"content": "x"}), 403, "blocked")
            problem_of(await client.post(in_conversation, json={"content": "x"}), 403, "blocked")
        assert (await ann.delete(block_of("ben"))).status_code == 204
        for wire, other, to in ((ann_wire, ben_wire, "ben"), (ben_wire, ann_wire, "ann")):
            acked = await ask(wire, message(to, "after"), "ack")
            assert (await other.expect("message"))["message_id"] == acked["message_id"]
        assert (acked["seq"], acked["rev"]) == (3, 3)  # what was refused took no number
        history = (await ben.get("/messages/history/ann/")).json()["messages"]
        assert [each["content"] for each in history] == ["before", "after", "after"]


async def test_strangers_are_blocked_before_they_have_a_conversation(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    assert (await ann.put(block_of("ben"))).status_code == 204
    problem_of(await send(ben, "ann"), 403, "blocked")
    refused = problem_of(await send(ann, "ben"), 403, "blocked")
    assert "Unblock" in refused["detail"]
    assert (await ann.get("/messages/history/ben/")).json()["messages"] == []
    assert (await ann.delete(block_of("ben"))).status_code == 204
    assert (await send(ben, "ann")).json()["seq"] == 1


async def test_while_both_block_each_other_one_ends_its_own_block_alone(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    assert (await ann.put(block_of("ben"))).status_code == 204
    assert (await ben.put(block_of("ann"))).status_code == 204
    assert (await ann.delete(block_of("ben"))).status_code == 204
    assert (await ann.get(BLOCKS)).json()["items"] == []
    assert [item["username"] for item in (await ben.get(BLOCKS)).json()["items"]] == ["ann"]
    problem_of(await send(ann, "ben"), 403, "blocked")
    assert (await ben.delete(block_of("ann"))).status_code == 204
    assert (await send(ann, "ben")).status_code == 201


async def test_a_repeat_is_answered_like_the_first_and_another_request_under_its_id_is_refused(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    first, other = {"idempotency-key": "first"}, {"idempotency-key": "other"}
    for _ in range(2):
        assert (await ann.put(block_of("ben"), headers=first)).status_code == 204
    problem_of(await ann.delete(block_of("ben"), headers=first), 409, "id_conflict")
    assert (await ann.delete(block_of("ben"), headers=other)).status_code == 204
    assert (await ann.put(block_of("ben"), headers=first)).status_code == 204  # a late repeat changes nothing
    assert (await ann.get(BLOCKS)).json()["items"] == []
    assert (await send(ann, "ben", id="a-message")).status_code == 201
    problem_of(await ann.put(block_of("ben"), headers={"idempotency-key": "a-message"}), 409, "id_conflict")
    problem_of(await send(ann, "ben", id="first"), 409, "id_conflict")
    assert (await ben.put(block_of("ann"), headers=first)).status_code == 204  # ids are each one's own
    for bad in ("", "a.b", "x" * 65):
        wrong = await ann.put(block_of("ben"), headers={"idempotency-key": bad})
        assert list(problem_of(wrong, 400, "invalid")["errors"]) == ["Idempotency-Key"]


async def test_neither_the_unknown_nor_oneself_is_blocked(path: Path, ann: httpx.AsyncClient) -> None:
    for method in ("PUT", "DELETE"):
        for nobody in ("nobody", "x", "not.a.name"):
            problem_of(await ann.request(method, block_of(nobody)), 404, "not_found")
        problem_of(await ann.request(method, block_of("ANN")), 400, "invalid")
    async with httpx.AsyncClient(base_url=path.url) as nobody_signed_in:
        problem_of(await nobody_signed_in.put(block_of("ann")), 401, "unauthenticated")
        problem_of(await nobody_signed_in.get(BLOCKS), 401, "unauthenticated")


async def test_whom_one_blocks_is_listed_the_latest_first_page_by_page(path: Path, ann: httpx.AsyncClient) -> None:
    everybody = [f"user-{number}" for number in range(5)]
    for name in everybody:
        await path.token_of(name)
        for _ in range(2):  # blocked already: it stays since when it was
            assert (await ann.put(block_of(name))).status_code == 204
    whole = (await ann.get(BLOCKS)).json()
    assert (whole["next"], whole["prev"]) == (None, None)
    assert [item["username"] for item in whole["items"]] == everybody[::-1]
    assert set(whole["items"][0]) == {"username", "display_name", "since"}
    assert whole["items"][0]["display_name"] == "User-4"
    assert sorted((item["since"] for item in whole["items"]), reverse=True) == [
        item["since"] for item in whole["items"]
    ]
    page = await ann.get(BLOCKS, params={"page_size": 2})
    found = page.json()["items"]
    while (on := page.links.get("next")) is not None:
        assert f"cursor={page.json()['next']}" in on["url"]
        page = await ann.get(on["url"])
        found += page.json()["items"]
    assert found == whole["items"]
    for wrong in ({"page_size": 0}, {"page_size": 201}, {"cursor": "nonsense"}):
        problem_of(await ann.get(BLOCKS, params=wrong), 400, "invalid")


async def test_a_block_holds_on_another_gateway_at_once(
    path: Path, tokens: dict[str, str], ann: httpx.AsyncClient
) -> None:
    await path.start("second gateway")
    async with path.socket(tokens["ben"], at="second gateway") as ben:
        assert (await ask(ben, message("ann"), "ack"))["seq"] == 1
        for _ in range(2):
            assert (await ann.put(block_of("ben"))).status_code == 204
            assert (await ask(ben, message("ann"), "error"))["code"] == "blocked"
            assert (await ann.delete(block_of("ben"))).status_code == 204
            await ask(ben, message("ann"), "ack")


async def test_a_block_that_delivery_does_not_confirm_is_unavailable_and_holds_later(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("delivery")
    key = {"idempotency-key": "patient"}
    problem_of(await ann.put(block_of("ben"), headers=key), 503, "unavailable")
    await path.start("delivery")
    async with asyncio.timeout(20):
        while (await ann.put(block_of("ben"), headers=key)).status_code != 204:
            pass
    problem_of(await send(ben, "ann"), 403, "blocked")


async def test_more_than_thirty_changes_at_once_are_too_many(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    answers = [await ann.delete(block_of("ben")) for _ in range(40)]
    assert [answer.status_code for answer in answers[:30]] == [204] * 30
    problem_of(answers[-1], 429, "rate_limited")
    assert (await ben.put(block_of("ann"))).status_code == 204
