"""The presence service on a real broker: devices, choices, deaths of gateways, replicas and brokers."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.presence.settings import Timing
from shared.broker import buckets
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import SessionId, UserId
from shared.contracts.presence import PresenceState
from shared.runtime import clock
from tests.support.delivery import eventually
from tests.support.nats import NatsServer
from tests.support.presence import (
    Presence,
    StandIn,
    Watcher,
    fresh_buckets,
    presence_process,
    running_presence,
    started_presence,
    watching,
)

ANN, BEN, CAT = UserId("u-ann"), UserId("u-ben"), UserId("u-cat")
LIFE_S = 2
SHORT = Timing(gateway_life_s=LIFE_S)


@pytest.fixture
def broker_url(nats_server: NatsServer) -> str:
    """The URL of a broker that remembers nothing of the test before."""
    nats_server.stop()
    nats_server.wipe()
    nats_server.start()
    return nats_server.url


@pytest.fixture
async def presence(broker_url: str) -> AsyncIterator[Presence]:
    """The service, leading, with short lives."""
    async with running_presence(broker_url, SHORT) as presence:
        yield presence


@pytest.fixture
async def gateway(presence: Presence) -> StandIn:
    """A gateway that lives for longer than any test."""
    gateway = StandIn(presence.connection)
    assert not await gateway.live()
    assert await gateway.live()
    return gateway


async def status_of(presence: Watcher, user: UserId) -> str:
    return (await presence.states(user))[0].status


async def until_said(presence: Watcher, user: UserId, *statuses: str, timeout_s: float = 10) -> None:
    await eventually(
        lambda: presence.said_of(user) == list(statuses), timeout_s, f"{statuses}, not {presence.said_of(user)}"
    )


def last_said_of(presence: Watcher, user: UserId) -> PresenceState:
    return next(state for state in reversed(presence.said) if state.user_id == user)


async def session_keys(connection: Connection) -> list[str]:
    return [e.key for e in await buckets.read_presence(connection) if e.value is not None and e.key.startswith("s.")]


async def until_session_keys_are(connection: Connection, *keys: str) -> None:
    async with asyncio.timeout(10):
        while True:
            if await session_keys(connection) == list(keys):
                return
            await asyncio.sleep(0.05)


async def until_kept(connection: Connection, users: list[UserId]) -> None:
    async with asyncio.timeout(10):
        while True:
            if len(await buckets.last_seen_of(connection, users)) == len(users):
                return
            await asyncio.sleep(0.05)


# --- devices


async def test_several_devices_are_one_user_who_leaves_with_the_last_within_two_seconds(
    presence: Presence, gateway: StandIn
) -> None:
    other = StandIn(presence.connection, "g-two")
    await other.live()
    await gateway.put(ANN, "phone")
    await other.put(ANN, "laptop")
    await until_said(presence, ANN, "online")
    await gateway.drop(ANN, "phone")
    await presence.connection.flushed(5)
    assert await status_of(presence, ANN) == "online"
    before_ms = clock.now_ms()
    await other.drop(ANN, "laptop")
    left_ms = clock.now_ms()
    await until_said(presence, ANN, "online", "offline", timeout_s=2)
    state = last_said_of(presence, ANN)
    assert before_ms <= (state.last_seen_ms or 0) <= left_ms
    assert await presence.states(ANN, BEN) == [state, PresenceState(BEN, "offline")]


async def test_a_page_loaded_again_is_not_told(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN, "before")
    await gateway.put(BEN)
    await until_said(presence, ANN, "online")
    await until_said(presence, BEN, "online")
    await gateway.drop(ANN, "before")
    await gateway.put(ANN, "after")
    await gateway.drop(BEN)
    await until_said(presence, BEN, "online", "offline")
    assert presence.said_of(ANN) == ["online"]


async def test_a_session_put_before_its_gateway_counts_with_it(presence: Presence) -> None:
    gateway = StandIn(presence.connection)
    await gateway.put(ANN)
    assert await status_of(presence, ANN) == "offline"
    await gateway.live()
    await until_said(presence, ANN, "online")


# --- choices


async def test_a_chosen_status_is_told_and_outlives_the_devices(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    kept = await presence.choose(ANN, "away")
    assert (kept.chosen, kept.state) == ("away", PresenceState(ANN, "away"))
    await presence.choose(ANN, "dnd")
    await gateway.drop(ANN)
    await until_said(presence, ANN, "online", "away", "dnd", "offline")
    await gateway.put(ANN, "laptop")
    await until_said(presence, ANN, "online", "away", "dnd", "offline", "dnd")


async def test_whoever_is_invisible_comes_and_goes_unseen(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    set_ = await presence.choose(ANN, "invisible")
    disappeared_ms = set_.state.last_seen_ms
    assert set_.chosen == "invisible"
    assert disappeared_ms is not None
    await until_said(presence, ANN, "online", "offline")
    await gateway.drop(ANN)
    await gateway.put(ANN, "laptop")
    await gateway.put(BEN)
    await gateway.drop(ANN, "laptop")
    await until_said(presence, BEN, "online")
    await gateway.drop(BEN)
    await until_said(presence, BEN, "online", "offline")
    assert presence.said_of(ANN) == ["online", "offline"]
    assert await presence.states(ANN) == [PresenceState(ANN, "offline", disappeared_ms)]
    await gateway.put(ANN, "tablet")
    await presence.choose(ANN, "online")
    await until_said(presence, ANN, "online", "offline", "online")


async def test_hidden_last_seen_is_shown_to_nobody_however_it_was_said(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN, shows_last_seen=False)
    await gateway.put(BEN)
    await until_said(presence, ANN, "online")
    await until_said(presence, BEN, "online")
    await presence.choose(BEN, shows_last_seen=False)
    await gateway.drop(ANN)
    await gateway.drop(BEN)
    await until_said(presence, ANN, "online", "offline")
    await until_said(presence, BEN, "online", "offline")
    assert await presence.states(ANN, BEN) == [PresenceState(ANN, "offline"), PresenceState(BEN, "offline")]
    shown = await presence.choose(BEN, shows_last_seen=True)
    assert shown.state.last_seen_ms is not None
    await eventually(lambda: last_said_of(presence, BEN) == shown.state)


async def test_many_choices_at_once_end_with_the_last(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    await asyncio.gather(*(presence.choose(ANN, status) for status in ("away", "dnd", "online", "away")))
    chosen = await presence.choose(ANN)
    assert (await presence.states(ANN))[0] == chosen.state
    assert last_said_of(presence, ANN) == chosen.state


async def test_bad_questions_are_refused(presence: Presence) -> None:
    with pytest.raises(Refusal) as refused:
        await presence.states(*[UserId(f"u{number}") for number in range(501)])
    assert refused.value.code == Code.INVALID
    for wrong in (UserId("u.ann"), UserId("*"), UserId("")):
        with pytest.raises(Refusal, match="user id"):
            await presence.states(wrong)
        with pytest.raises(Refusal, match="user id"):
            await presence.choose(wrong, "away")
    with pytest.raises(Refusal) as refused:
        await presence.choose(ANN, "gone")  # type: ignore[arg-type]  # what a client may send
    assert refused.value.code == Code.INVALID


# --- deaths


async def test_a_dead_gateway_takes_its_sessions_with_it_and_their_keys_go(
    presence: Presence, gateway: StandIn
) -> None:
    dying = StandIn(presence.connection, "g-dying")
    await dying.live(LIFE_S)
    await dying.put(ANN)
    await dying.put(BEN, "phone")
    await gateway.put(BEN, "laptop")
    await until_said(presence, ANN, "online")
    died_ms = clock.now_ms()
    await until_said(presence, ANN, "online", "offline", timeout_s=LIFE_S + 3)
    assert abs((last_said_of(presence, ANN).last_seen_ms or 0) - died_ms) < 1000
    await until_session_keys_are(presence.connection, f"s.{BEN}.laptop")
    assert presence.said_of(BEN) == ["online"]
    await dying.live_again()
    await until_said(presence, ANN, "online", "offline", "online")


async def test_a_gateway_that_ends_in_good_order_is_not_waited_for(presence: Presence) -> None:
    leaving = StandIn(presence.connection, "g-leaving")
    await leaving.live()
    await leaving.put(ANN)
    await until_said(presence, ANN, "online")
    await buckets.drop_gateway(presence.connection, leaving.id)
    await until_said(presence, ANN, "online", "offline", timeout_s=2)
    await until_session_keys_are(presence.connection)


async def test_a_gateway_that_begins_anew_is_left_with_what_it_puts_again(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    await gateway.put(BEN)
    await until_said(presence, BEN, "online")
    await buckets.drop_gateway(presence.connection, gateway.id)
    assert not await gateway.live()
    await gateway.put(ANN)
    await until_said(presence, BEN, "online", "offline")
    await until_session_keys_are(presence.connection, f"s.{ANN}.phone")
    assert presence.said_of(ANN) == ["online"]


async def test_a_session_put_again_is_not_removed_with_the_old_one(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    before = await buckets.last(presence.connection, subjects.PRESENCE_BUCKET, f"s.{ANN}.phone")
    assert before is not None
    await gateway.put(ANN)
    assert not await buckets.drop_session(presence.connection, ANN, SessionId("phone"), only_seq=before.seq)
    assert await session_keys(presence.connection) == [f"s.{ANN}.phone"]


async def test_a_thousand_who_leave_at_once_hinder_nobody(presence: Presence, gateway: StandIn) -> None:
    crowd = [UserId(f"u-{number}") for number in range(1000)]
    doomed = StandIn(presence.connection, "g-doomed")
    await doomed.live()
    await asyncio.gather(*(doomed.put(user) for user in crowd))
    await gateway.put(ANN)
    await eventually(lambda: len(presence.said) == len(crowd) + 1)
    await buckets.drop_gateway(presence.connection, doomed.id)
    begun = time.monotonic()
    await presence.choose(ANN, "away")
    assert time.monotonic() - begun < 1
    await eventually(lambda: sum(state.status == "offline" for state in presence.said) == len(crowd), 5)
    await until_session_keys_are(presence.connection, f"s.{ANN}.phone")
    await until_kept(presence.connection, crowd)


# --- replicas


async def test_what_was_chosen_and_seen_outlives_the_service(broker_url: str) -> None:
    async with running_presence(broker_url, SHORT) as presence:
        gateway = StandIn(presence.connection)
        await gateway.live()
        await gateway.put(ANN)
        await gateway.put(BEN)
        await presence.choose(BEN, "dnd", shows_last_seen=False)
        await gateway.put(CAT)
        await until_said(presence, CAT, "online")
        await gateway.drop(ANN)  # the service ends before it has waited for a return
    async with running_presence(broker_url, SHORT) as presence:
        ann, ben = await presence.states(ANN, BEN)
        assert (ann.status, ben) == ("offline", PresenceState(BEN, "dnd"))
        assert ann.last_seen_ms is not None


async def test_who_left_while_nobody_led_was_seen_then(broker_url: str) -> None:
    async with running_presence(broker_url, SHORT) as presence:
        gateway = StandIn(presence.connection)
        await gateway.live()
        await gateway.put(ANN)
        await until_said(presence, ANN, "online")
    connection = Connection(broker_url, "test-gateway")
    await connection.open()
    await StandIn(connection).drop(ANN)
    left_ms = clock.now_ms()
    await connection.close()
    async with running_presence(broker_url, SHORT) as presence:
        ann = (await presence.states(ANN))[0]
        assert ann.status == "offline"
        assert abs((ann.last_seen_ms or 0) - left_ms) < 100


async def test_one_replica_leads_and_the_other_is_ready_to(presence: Presence, broker_url: str) -> None:
    async with started_presence(broker_url, SHORT) as other:
        checks = await other.until_ready()
        assert checks["presence"]["detail"] == "stands by"
        assert (await presence.until_ready())["presence"]["detail"].startswith("leads")
        assert "parley_presence_is_leader 0.0" in (await other.get("/metrics"))[1]
        assert "parley_presence_is_leader 1.0" in (await presence.get("/metrics"))[1]
        for _ in range(50):
            assert await status_of(presence, ANN) == "offline"


async def test_a_stand_by_leads_as_soon_as_the_leader_ends_in_good_order(broker_url: str) -> None:
    async with watching(broker_url) as watcher, AsyncExitStack() as ends_later:
        gateway = StandIn(watcher.connection)
        async with running_presence(broker_url, SHORT):
            await gateway.live()
            await gateway.put(ANN)
            await until_said(watcher, ANN, "online")
            second = await ends_later.enter_async_context(started_presence(broker_url, SHORT))
            await second.until_ready()
        begun = time.monotonic()
        await eventually(lambda: bool(second.resets), 2, "a new leader")
        assert await status_of(second, ANN) == "online"
        assert time.monotonic() - begun < 2
        assert watcher.said_of(ANN) == ["online"]


async def test_a_dead_leader_is_replaced_in_five_seconds(broker_url: str, tmp_path: Path) -> None:
    await fresh_buckets(broker_url)
    async with watching(broker_url) as watcher:
        gateway = StandIn(watcher.connection)
        await gateway.live()
        await gateway.put(ANN)
        with presence_process(broker_url, tmp_path / "presence.log") as first:
            await eventually(lambda: bool(watcher.resets), 30, "a leader")
            async with started_presence(broker_url) as second:
                await second.until_ready()
                await watcher.choose(ANN, "away")
                first.kill()
                begun = time.monotonic()
                await eventually(lambda: bool(second.resets), 6, "a new leader")
                assert time.monotonic() - begun < 5
                assert await watcher.states(ANN) == [PresenceState(ANN, "away")]


async def test_a_leader_that_was_frozen_finds_another_and_keeps_still(broker_url: str, tmp_path: Path) -> None:
    await fresh_buckets(broker_url)
    async with watching(broker_url) as watcher:
        gateway = StandIn(watcher.connection)
        await gateway.live()
        await gateway.put(ANN)
        with presence_process(broker_url, tmp_path / "presence.log") as first:
            await eventually(lambda: bool(watcher.resets), 30, "a leader")
            async with started_presence(broker_url) as second:
                await second.until_ready()
                first.send_signal(signal.SIGSTOP)
                await eventually(lambda: bool(second.resets), 6, "a new leader")
                for _ in range(20):  # the frozen one is subscribed still
                    assert await status_of(watcher, ANN) == "online"
                await watcher.choose(ANN, "dnd")
                first.send_signal(signal.SIGCONT)
                async with asyncio.timeout(10):
                    while "presence_deposed" not in (tmp_path / "presence.log").read_text():
                        assert await status_of(watcher, ANN) == "dnd"
                await watcher.choose(ANN, "away")
                assert watcher.said_of(ANN)[-2:] == ["dnd", "away"]
                assert len(watcher.resets) == 2


# --- the broker


async def test_a_broker_that_lost_its_memory_gets_it_back_and_nobody_blinks(
    presence: Presence, gateway: StandIn, nats_server: NatsServer
) -> None:
    await gateway.put(ANN)
    await gateway.put(BEN)
    await presence.choose(ANN, "away")
    await until_said(presence, ANN, "online", "away")
    await until_said(presence, BEN, "online")
    resets = len(presence.resets)
    nats_server.kill()
    nats_server.start()
    await eventually(lambda: len(presence.resets) > resets, 10, "a reset")
    assert [state.status for state in await presence.states(ANN, BEN)] == ["away", "online"]
    checks = await presence.until_ready()
    assert checks["presence"]["detail"].endswith("put their sessions again")
    gateway.sessions.pop((BEN, SessionId("phone")))
    await gateway.live_again()
    assert await session_keys(presence.connection) == [f"s.{ANN}.phone"]
    await until_said(presence, BEN, "online", "offline", timeout_s=LIFE_S + 3)
    assert presence.said_of(ANN) == ["online", "away"]
    assert await status_of(presence, ANN) == "away"


async def test_whoever_a_broker_forgot_and_no_gateway_puts_again_is_offline_after_a_life(
    presence: Presence, gateway: StandIn, nats_server: NatsServer
) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    nats_server.kill()
    nats_server.start()
    await until_said(presence, ANN, "online", "offline", timeout_s=LIFE_S + 10)
    assert await status_of(presence, ANN) == "offline"


async def test_a_bucket_that_is_deleted_under_the_leader_is_made_again(presence: Presence, gateway: StandIn) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    resets = len(presence.resets)
    await presence.connection.jetstream().delete_stream(buckets.stream_of(subjects.PRESENCE_BUCKET))
    await eventually(lambda: len(presence.resets) > resets, 10, "a reset")
    assert await status_of(presence, ANN) == "online"
    await gateway.live_again()
    assert await session_keys(presence.connection) == [f"s.{ANN}.phone"]
    await presence.until_ready()
    assert presence.said_of(ANN) == ["online"]


async def test_a_frozen_broker_is_waited_for(presence: Presence, gateway: StandIn, nats_server: NatsServer) -> None:
    await gateway.put(ANN)
    await until_said(presence, ANN, "online")
    nats_server.pause()
    try:
        await presence.until_ready(is_ready=False, failing={"broker", "presence"})
    finally:
        nats_server.resume()
    await presence.until_ready()
    assert await status_of(presence, ANN) == "online"
    assert presence.said_of(ANN) == ["online"]
