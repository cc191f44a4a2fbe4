"""Presence over sockets: who may see whom, what is told of each change, and what is made up for after an outage."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import msgspec
import pytest
import pytest_asyncio

from deploy.verify.wire import Frame, Wire
from services.gateway.domain import User
from services.gateway.fanout import attendance, watching
from services.gateway.fanout.acquaintances import Acquaintances
from services.gateway.fanout.watcher import Shown
from shared.broker.buckets import drop_gateway, put_session, read_presence, refresh_gateway
from shared.broker.connection import Connection
from shared.contracts.ids import GatewayId, SessionId, UserId, Username
from shared.contracts.presence import SessionRecord
from shared.contracts.retries import HellosSaid
from shared.contracts.subjects import HELLOS_SAID
from shared.runtime.metrics import Metrics
from tests.support.delivery import eventually
from tests.support.nats import NatsServer
from tests.support.presence import running_presence
from tests.support.sockets import Path, ask, message, whole_path

OUTAGE_S = 35.0


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with running_presence(nats_url), whole_path(database_url, nats_url) as running:
        yield running


@pytest_asyncio.fixture
async def path_without_presence(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url) as running:
        yield running


async def say(wire: Wire, **what: object) -> None:
    await wire.send({"type": "user_status", **what})


async def seen(wire: Wire, user: str, status: str, *, within_s: float = 5.0) -> Frame:
    """Wait until a watcher is told that somebody is so."""
    return await wire.expect(
        "user_status", lambda frame: (frame["user"], frame["status"]) == (user, status), timeout_s=within_s
    )


async def watch(wire: Wire, user: str, status: str, *, within_s: float = 5.0) -> Frame:
    """Watch somebody, and wait until one is told that it is so."""
    await say(wire, watch=[user])
    return await seen(wire, user, status, within_s=within_s)


async def acquaint(path: Path, *usernames: str) -> list[str]:
    """Make two users who have a conversation; returns their tokens."""
    tokens = [await path.token_of(username) for username in usernames]
    async with path.socket(tokens[0], "first") as wire:
        await ask(wire, message(usernames[1]), "ack")
    return tokens


async def test_a_watcher_is_told_how_somebody_is_and_of_every_change(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as watching_ann:
        assert await watch(watching_ann, "ben", "offline") == {
            "type": "user_status",
            "user": "ben",
            "status": "offline",
        }
        async with path.socket(ben) as socket:
            for status in ("online", "away", "dnd"):
                await say(socket, status=status)
                frame = await seen(watching_ann, "ben", status)
                assert frame == {"type": "user_status", "user": "ben", "status": status}
            await say(socket, status="invisible")
            await seen(watching_ann, "ben", "offline")
            await say(socket, status="online")
            await seen(watching_ann, "ben", "online")
            assert await watching_ann.quiet() == []
        gone = await seen(watching_ann, "ben", "offline", within_s=2)
        assert gone["last_seen"].endswith("Z")


async def test_somebody_is_there_until_the_last_device_is_gone(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as watching_ann, path.socket(ben, "phone") as phone:
        await watch(watching_ann, "ben", "online")
        async with path.socket(ben, "laptop") as laptop:
            await say(laptop, status="dnd")
            await seen(watching_ann, "ben", "dnd")
        assert await watching_ann.quiet(1) == []
        await say(phone, status="online")
        await seen(watching_ann, "ben", "online")
        await phone.connection.close()
        await seen(watching_ann, "ben", "offline", within_s=2)


async def test_all_devices_of_a_user_may_watch_and_at_any_gateway(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    await path.start("second gateway")
    async with (
        path.socket(ann, "phone") as phone,
        path.socket(ann, "laptop", at="second gateway") as laptop,
        path.socket(ann, "tablet", at="second gateway") as tablet,
    ):
        for wire in (phone, laptop, tablet):
            await watch(wire, "ben", "offline")
        async with path.socket(ben):
            for wire in (phone, laptop, tablet):
                await seen(wire, "ben", "online")
        for wire in (phone, laptop, tablet):
            await seen(wire, "ben", "offline", within_s=2)


async def test_strangers_and_nobody_are_offline_alike_until_there_is_a_conversation(path: Path) -> None:
    ann, eve = await path.token_of("ann"), await path.token_of("eve")
    async with path.socket(ann, "phone") as phone, path.socket(eve) as watching_eve:
        await say(watching_eve, watch=["ann", "nobody_here"])
        told = [await watching_eve.expect("user_status") for _ in range(2)]
        assert sorted(told, key=lambda frame: frame["user"]) == [
            {"type": "user_status", "user": "ann", "status": "offline"},
            {"type": "user_status", "user": "nobody_here", "status": "offline"},
        ]
        await say(phone, status="away")
        assert await watching_eve.quiet(1) == []
        await ask(watching_eve, message("ann"), "ack")
        async with asyncio.timeout(6):
            await say(watching_eve, watch=["ann"])
            while (await watching_eve.expect("user_status"))["status"] != "away":
                await asyncio.sleep(0.2)
                await say(watching_eve, watch=["ann"])


async def test_one_may_watch_oneself(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann:
        await watch(ann, "ann", "online")
        await say(ann, status="away")
        await seen(ann, "ann", "away")


async def test_whoever_is_not_watched_any_more_is_not_told_of(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as watching_ann:
        await watch(watching_ann, "ben", "offline")
        await say(watching_ann, unwatch=["ben", "nobody_here"])
        async with path.socket(ben):
            assert await watching_ann.quiet(1) == []
            await watch(watching_ann, "ben", "online")


async def test_a_block_takes_the_right_to_watch_and_its_end_gives_it_back(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as of_ann, path.socket(ben) as of_ben, path.http(ben) as http:
        await watch(of_ann, "ben", "online")
        await watch(of_ben, "ann", "online")
        assert (await http.put("/api/v1/users/ann/block")).status_code == 204
        for wire, user in ((of_ann, "ben"), (of_ben, "ann")):
            assert await seen(wire, user, "offline") == {"type": "user_status", "user": user, "status": "offline"}
        for wire in (of_ann, of_ben):
            await say(wire, status="dnd")
        assert await of_ann.quiet() == []
        assert await of_ben.quiet() == []
        await watch(of_ann, "ben", "offline")
        assert (await http.delete("/api/v1/users/ann/block")).status_code == 204
        async with asyncio.timeout(5):
            await say(of_ann, watch=["ben"])
            while (await of_ann.expect("user_status"))["status"] != "dnd":
                await say(of_ann, watch=["ben"])


async def test_who_hides_when_it_was_last_there_is_offline_without_it(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as watching_ann, path.socket(ben) as socket, path.http(ben) as http:
        await watch(watching_ann, "ben", "online")
        changed = await http.patch("/api/v1/me", json={"settings": {"last_seen": False}})
        assert changed.status_code == 200
        await socket.connection.close()
        assert "last_seen" not in await seen(watching_ann, "ben", "offline")


async def test_what_was_asked_before_the_replay_is_told_after_it(path: Path) -> None:
    ann, _ = await acquaint(path, "ann", "ben")
    async with path.dial(ann) as wire:
        await wire.send({"type": "hello", "v": 1, "device_id": "phone"})
        await say(wire, watch=["ann", "ben"])
        came = [(await wire.receive())["type"] for _ in range(3)]
        while came[-1] != "caught_up":
            came.append((await wire.receive())["type"])
        assert "user_status" not in came
        assert {(await wire.expect("user_status"))["user"] for _ in range(2)} == {"ann", "ben"}


async def test_a_status_frame_that_makes_no_sense_is_refused_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_PER_WATCHER", 5)
    async with path.socket(await path.token_of("ann")) as ann:
        for wrong, field in (
            ({"status": "asleep"}, "status"),
            ({"watch": "ben"}, "watch"),
            ({"watch": ["b"]}, "watch"),
            ({"watch": [f"user-{number}" for number in range(201)]}, "watch"),
            ({"watch": [f"user-{number}" for number in range(6)]}, "watch"),
            ({"watch": ["ann"], "unwatch": ["not a name"]}, "unwatch"),
        ):
            await say(ann, **wrong)
            error = await ann.expect("error")
            assert (error["code"], list(error["fields"])) == ("invalid", [field])
            assert "re" not in error
        assert await ann.quiet() == []


async def test_without_presence_a_choice_is_refused_and_watches_are_answered_later(
    path_without_presence: Path, nats_url: str
) -> None:
    path = path_without_presence
    ann, ben = await acquaint(path, "ann", "ben")
    async with path.socket(ann) as watching_ann, path.socket(ben):
        await say(watching_ann, status="away")
        error = await watching_ann.expect("error")
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        assert "re" not in error
        await watch(watching_ann, "ben", "offline")
        async with running_presence(nats_url):
            await seen(watching_ann, "ben", "online", within_s=OUTAGE_S)


async def test_another_presence_service_takes_over_and_all_is_right_again(
    path_without_presence: Path, nats_url: str
) -> None:
    path = path_without_presence
    ann, ben = await acquaint(path, "ann", "ben")
    cat = await path.token_of("cat")
    async with AsyncExitStack() as first:
        await first.enter_async_context(running_presence(nats_url))
        async with path.socket(ann) as watching_ann, path.socket(cat) as of_cat:
            await ask(watching_ann, message("cat"), "ack")
            async with path.socket(ben):
                await watch(watching_ann, "ben", "online")
                await watch(watching_ann, "cat", "online")
                await say(of_cat, status="dnd")
                await seen(watching_ann, "cat", "dnd")
                await first.aclose()
            async with running_presence(nats_url):
                await seen(watching_ann, "ben", "offline", within_s=OUTAGE_S)
                await say(of_cat, status="away")
                await seen(watching_ann, "cat", "away")
                assert "offline" not in {frame["status"] for frame in watching_ann.passed if frame.get("user") == "cat"}


async def test_after_the_broker_came_back_all_is_right_again(sqlite_url: str, nats_server: NatsServer) -> None:
    async with running_presence(nats_server.url), whole_path(sqlite_url, nats_server.url) as path:
        ann, ben = await acquaint(path, "ann", "ben")
        cat = await path.token_of("cat")
        async with path.socket(ann) as watching_ann, path.socket(cat) as of_cat, path.socket(ben) as of_ben:
            await ask(watching_ann, message("cat"), "ack")
            await watch(watching_ann, "ben", "online")
            await watch(watching_ann, "cat", "online")
            await asyncio.to_thread(nats_server.kill)
            await of_ben.connection.close()
            await asyncio.to_thread(nats_server.start)
            await seen(watching_ann, "ben", "offline", within_s=OUTAGE_S)
            async with asyncio.timeout(OUTAGE_S):
                await say(of_cat, status="away")
                while not [
                    frame
                    for frame in [*watching_ann.passed, *await watching_ann.quiet()]
                    if (frame.get("user"), frame.get("status")) == ("cat", "away")
                ]:
                    await say(of_cat, status="away")


async def test_a_gateway_that_drains_takes_its_people_with_it(path: Path) -> None:
    ann, ben = await acquaint(path, "ann", "ben")
    await path.start("second gateway")
    async with path.socket(ann) as watching_ann, path.socket(ben, at="second gateway"):
        await watch(watching_ann, "ben", "online")
        await path.gateways["second gateway"].drain()
        await path.stop("second gateway")
        await seen(watching_ann, "ben", "offline", within_s=2)


async def test_delivery_is_told_who_said_hello_together(path: Path, nats_url: str) -> None:
    heard: list[HellosSaid] = []
    connection = Connection(nats_url, "test")
    await connection.open()
    decode = msgspec.json.Decoder(HellosSaid).decode
    await connection.subscribe(HELLOS_SAID, lambda payload: heard.append(decode(payload)))
    await connection.flushed(5)
    async with path.dial(await path.token_of("ann")) as ann, path.dial(await path.token_of("ben")) as ben:
        welcomes = [(await wire.hello("phone"))[0] for wire in (ann, ben, ann)]
        users = {welcome["user"]["id"] for welcome in welcomes}
        await eventually(lambda: users <= {user for said in heard for user in said.user_ids}, what="hellos")
    assert len(heard) < 3
    await connection.close()


async def sessions_in_bucket(nats_url: str) -> set[str]:
    """Read whose sessions presence is told of."""
    connection = Connection(nats_url, "test")
    await connection.open()
    try:
        entries = await read_presence(connection)
        return {entry.key.split(".")[1] for entry in entries if entry.key.startswith("s.") and entry.value}
    finally:
        await connection.close()


async def until_in_bucket(nats_url: str, users: set[str], *, among: set[str]) -> None:
    async with asyncio.timeout(5):
        while await sessions_in_bucket(nats_url) & among != users:  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.05)


async def test_a_session_is_told_of_from_its_hello_until_its_end(path: Path, nats_url: str) -> None:
    async with path.dial(await path.token_of("ann")) as wire:
        assert not await sessions_in_bucket(nats_url)
        user = (await wire.hello("phone"))[0]["user"]["id"]
        await until_in_bucket(nats_url, {user}, among={user})
    await until_in_bucket(nats_url, set(), among={user})


async def test_a_gateway_that_could_not_take_back_too_many_begins_anew(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "MAX_LEFT", 3)
    everybody = {f"u{number}" for number in range(10)}
    async with running_presence(nats_url) as presence:
        connection = Connection(nats_url, "test")
        await connection.open()
        metrics = Metrics("test")
        async with attendance.running(connection, GatewayId("g-anew"), metrics) as here:
            for user in sorted(everybody):
                here.come(UserId(user), SessionId("s"), shows_last_seen=True)
            await until_in_bucket(nats_url, everybody, among=everybody)
            for user in sorted(everybody - {"u0"}):
                here.go(UserId(user), SessionId("s"))
            async with asyncio.timeout(5):
                while b'begun_anew_total{reason="too_many_left"} 1.0' not in metrics.render():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await until_in_bucket(nats_url, {"u0"}, among=everybody)
            async with asyncio.timeout(5):
                while (await presence.states(UserId("u1")))[0].status != "offline":  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(0.05)
            assert (await presence.states(UserId("u0")))[0].status == "online"
        await until_in_bucket(nats_url, set(), among=everybody)
        await connection.close()


async def test_whoever_can_not_be_told_now_is_told_later_what_is_true_then(nats_url: str) -> None:
    ann = UserId("watched-ann")
    told: list[Shown] = []
    is_open = False

    def tell(_username: Username, shown: Shown) -> bool:
        if is_open:
            told.append(shown)
        return is_open

    async def find_users(_names: Sequence[Username]) -> dict[Username, User]:
        return {Username("ann"): User(ann, Username("ann"), "Ann")}

    async with running_presence(nats_url) as presence:
        connection = Connection(nats_url, "test")
        await connection.open()
        metrics = Metrics("test")
        async with watching.running(connection, find_users, Acquaintances(connection, metrics), metrics) as watches:
            watcher = watches.open(ann, tell)
            watches.watch(watcher, [Username("ann")])
            await eventually(lambda: watcher.is_behind, what="a watcher that is behind")
            await put_session(connection, ann, SessionId("s"), SessionRecord(GatewayId("g-watched")))
            await refresh_gateway(connection, GatewayId("g-watched"))
            await presence.choose(ann, "away")
            await presence.choose(ann, "dnd")
            await eventually(lambda: "dnd" in presence.said_of(ann), what="the last choice")
            assert told == []
            is_open = True
            await eventually(lambda: bool(told), what="what is true")
            assert told == [Shown("dnd")]
            watches.close(watcher)
            await presence.choose(ann, "online")
            await eventually(lambda: presence.said_of(ann)[-1] == "online", what="another change")
            assert told == [Shown("dnd")]
        await drop_gateway(connection, GatewayId("g-watched"))
        await connection.close()
