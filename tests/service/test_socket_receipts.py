"""Receipts over sockets: who is told, what is confirmed, what is merged."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.verify.wire import Frame, Wire
from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(database_url, nats_url) as running:
        yield running


def receipt(conversation: str, state: str, up_to_seq: int) -> Frame:
    return {"type": "read_receipt", "conversation_id": conversation, "state": state, "up_to_seq": up_to_seq}


async def sent(wire: Wire, to: str, count: int = 1) -> str:
    """Send some messages; returns the id of their conversation."""
    acks = [await ask(wire, message(to, str(number)), "ack") for number in range(count)]
    conversation: str = acks[0]["conversation_id"]
    return conversation


async def test_a_receipt_is_told_to_the_sender_and_to_all_own_devices(path: Path) -> None:
    token = await path.token_of("ben")
    async with (
        path.socket(await path.token_of("ann")) as ann,
        path.socket(token, "phone") as phone,
        path.socket(token, "laptop") as laptop,
    ):
        conversation = await sent(ann, "ben")
        await phone.send(receipt(conversation, "delivered", 1))
        told = [await wire.expect("read_receipt") for wire in (ann, phone, laptop)]
    assert told[0] == told[1] == told[2]
    assert {**told[0], "at": ""} == {**receipt(conversation, "delivered", 1), "user": "ben", "at": ""}


async def test_a_receipt_that_moves_nothing_is_answered_with_the_cursor_to_the_asking_device_alone(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await sent(ann, "ben", 2)
        await ben.send(receipt(conversation, "read", 2))
        first = await ben.expect("read_receipt")
        await ann.expect("read_receipt")
        for lower in (0, 1, 2):
            await ben.send(receipt(conversation, "read", lower))
            assert await ben.expect("read_receipt") == first
        assert await ann.quiet() == []


async def test_a_receipt_above_the_last_message_is_cut_to_it(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await sent(ann, "ben", 2)
        await ben.send(receipt(conversation, "delivered", 2**62))
        assert (await ben.expect("read_receipt"))["up_to_seq"] == 2


async def test_receipts_over_the_limit_are_merged_and_never_dropped(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await sent(ann, "ben", 10)
        for up_to_seq in range(1, 11):
            await ben.send(receipt(conversation, "delivered", up_to_seq))
        seen: list[int] = []
        while not seen or seen[-1] < 10:
            seen.append((await ann.expect("read_receipt"))["up_to_seq"])
    assert seen == [1, 2, 3, 10]


async def test_receipts_that_are_held_back_are_passed_on_when_the_socket_closes(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann:
        async with path.socket(await path.token_of("ben")) as ben:
            conversation = await sent(ann, "ben", 9)
            for up_to_seq in range(1, 10):
                await ben.send(receipt(conversation, "read", up_to_seq))
            await ben.send({"type": "ping", "n": 1})
            await ben.expect("pong")
        await ann.expect("read_receipt", lambda frame: frame["up_to_seq"] == 9, timeout_s=1)


async def test_seen_seq_moves_the_own_read_cursor_with_the_message(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        await sent(ann, "ben", 2)
        await ask(ben, message("ann", seen_seq=2), "ack")
        told = await ann.expect("read_receipt")
    assert (told["user"], told["state"], told["up_to_seq"]) == ("ben", "read", 2)


async def test_a_cursor_moved_by_http_is_told_to_the_sockets(path: Path) -> None:
    token = await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann, path.http(token) as http:
        conversation = await sent(ann, "ben", 3)
        where = f"/api/v1/conversations/{conversation}/cursor"
        moved = await http.put(where, json={"delivered_seq": 3, "read_seq": 2})
        assert moved.status_code == 200
        assert (moved.json()["delivered_seq"], moved.json()["read_seq"]) == (3, 2)
        states = [(await ann.expect("read_receipt"))["state"] for _ in range(2)]
        assert states == ["delivered", "read"]
        again = await http.put(where, json={"read_seq": 1})
        assert (again.status_code, again.json()["read_seq"]) == (200, 2)
