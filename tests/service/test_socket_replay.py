"""What was missed comes at the next hello, in order and once, whatever happens meanwhile."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.verify.wire import Frame
from services.gateway.ws.surroundings import Patience
from tests.support.sockets import Path, ask, message, whole_path

QUICK = Patience(store_s=1.0)


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(database_url, nats_url, patience=QUICK, rate_limits=False) as running:
        yield running


async def sent(path: Path, token: str, to: str, count: int) -> str:
    async with path.socket(token, "sender") as wire:
        for number in range(1, count + 1):
            await wire.send(message(to, str(number)))
        acks = [await wire.expect("ack", timeout_s=20) for _ in range(count)]
    conversation: str = acks[0]["conversation_id"]
    return conversation


def contents(frames: list[Frame]) -> list[str]:
    return [frame["content"] for frame in frames if frame["type"] == "message"]


async def test_what_waited_comes_with_the_receipts_and_then_caught_up(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    conversation = await sent(path, ann, "ben", 3)
    async with path.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("laptop")
    assert contents(replay) == ["1", "2", "3"]
    assert [frame["type"] for frame in replay] == ["message"] * 3 + ["read_receipt"]
    assert (replay[3]["user"], replay[3]["state"], replay[3]["up_to_seq"]) == ("ann", "delivered", 3)
    assert caught_up == {"type": "caught_up", "replayed": 3, "cursors": {conversation: 3}}


async def test_a_device_with_a_cursor_gets_what_is_above_it(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    conversation = await sent(path, ann, "ben", 3)
    async with path.dial(ben) as wire:
        _, replay, _ = await wire.hello("laptop", cursors={conversation: 2, "dunknown": 7})
    assert contents(replay) == ["3"]


async def test_a_cursor_above_the_head_is_reset_first(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    conversation = await sent(path, ann, "ben", 2)
    async with path.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("laptop", cursors={conversation: 9})
    assert replay[0] == {"type": "resync", "reason": "gap", "conversation_id": conversation}
    assert contents(replay) == ["1", "2"]
    assert caught_up["cursors"] == {conversation: 2}


async def test_cursors_of_another_epoch_are_ignored(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    conversation = await sent(path, ann, "ben", 2)
    async with path.dial(ben) as wire:
        welcome, replay, _ = await wire.hello("laptop", cursors={conversation: 2}, epoch="another")
        assert contents(replay) == ["1", "2"]
        _, replay, _ = await wire.hello("laptop", cursors={conversation: 2}, epoch=welcome["epoch"])
        assert contents(replay) == []


async def test_what_is_too_much_for_a_replay_is_fetched_by_sync(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    conversation = await sent(path, ann, "ben", 450)
    async with path.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("laptop")
        assert contents(replay) == [str(number) for number in range(1, 201)]
        assert caught_up["more"] == [conversation]
        after, fetched, complete = caught_up["cursors"][conversation], [], False
        assert after == 200
        while not complete:
            ask_for = {"type": "sync", "id": f"s{after}", "conversation_id": conversation, "limit": 200}
            page = await ask(wire, {**ask_for, "after_rev": after}, "sync_page")
            fetched += [each["content"] for each in page["messages"]]
            after, complete = page["rev"], page["complete"]
        assert fetched == [str(number) for number in range(201, 451)]
        assert after == 450
        page = await ask(wire, {**ask_for, "id": "older", "before_seq": 3, "limit": 50}, "sync_page")
    assert [each["seq"] for each in page["messages"]] == [1, 2]
    assert (page["complete"], page["rev"]) == (True, 450)
    assert "type" not in page["messages"][0]
    assert {member["username"] for member in page["members"]} == {"ann", "ben"}


async def test_an_own_message_comes_with_its_id_in_a_replay(path: Path) -> None:
    ann = await path.token_of("ann")
    await path.token_of("ben")
    async with path.socket(ann, "phone") as phone:
        first = message("ben")
        conversation = (await ask(phone, first, "ack"))["conversation_id"]
    async with path.dial(ann) as wire:
        _, replay, _ = await wire.hello("laptop", cursors={conversation: 0})
    assert replay[0]["id"] == first["id"]


async def test_nothing_is_lost_or_doubled_where_replay_and_live_meet(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    await sent(path, ann, "ben", 100)
    async with path.socket(ann, "phone") as phone:
        for number in range(101, 301):
            await phone.send(message("ben", str(number)))
        async with path.dial(ben) as wire:
            _, replay, caught_up = await wire.hello("laptop")
            seen = contents(replay)
            after = next(iter(caught_up["cursors"].values()))
            while seen[-1] != "300" and "more" not in caught_up:
                frame = await wire.receive()
                seen += contents([frame])
                if frame["type"] == "message":
                    assert frame["rev"] > after
    expected = [str(number) for number in range(1, 301)]
    assert seen == expected[: len(seen)]
    assert len(seen) == 300 or caught_up["more"]


async def test_while_the_store_is_away_hello_is_welcomed_tried_and_at_last_sent_away(path: Path) -> None:
    token = await path.token_of("ann")
    async with path.socket(token):
        pass
    await path.stop("history")
    async with path.dial(token) as wire:
        await wire.send({"type": "hello", "v": 1, "device_id": "laptop"})
        closed = await wire.closing()
    assert closed.code == 1011
    assert [frame["type"] for frame in wire.passed] == ["welcome", "goodbye"]
    assert wire.passed[-1]["code"] == "unavailable"
    async with path.dial(token) as wire:
        await wire.send({"type": "hello", "v": 1, "device_id": "laptop"})
        await wire.expect("welcome")
        await path.start("history")
        await wire.expect("caught_up")


async def test_messages_pass_while_history_is_away(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = (await ask(ann, message("ben"), "ack"))["conversation_id"]
        await path.stop("history")
        there = {**message(""), "to": None, "conversation_id": conversation}
        assert (await ask(ben, there, "ack"))["seq"] == 2
        sync = {"type": "sync", "id": "s1", "conversation_id": conversation, "after_rev": 0, "limit": 10}
        error = await ask(ben, sync, "error")
        assert (error["code"], error["retryable"]) == ("unavailable", True)
