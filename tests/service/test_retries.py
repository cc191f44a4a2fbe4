"""Retries against a real broker and both databases: who is away is tried, and told of, and nobody is forgotten."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.delivery.domain.retry import Key
from services.delivery.retries import sweep as sweep_module
from services.delivery.store import RetryStore, Store
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.broker.streams import StreamSettings, provision
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ClientId, ConversationId, MessageId, UserId, Username, message_id
from shared.contracts.retries import (
    HellosSaid,
    ListRetries,
    ProcessRetries,
    Retried,
    RetryList,
    RetryMessage,
    RetrySettings,
)
from shared.contracts.subjects import Query
from shared.database import migrate, tables
from shared.database.engine import open_engine
from shared.runtime.clock import now_ms
from tests.support.children import spawn, stop
from tests.support.delivery import (
    Gateway,
    a_cursor,
    a_message,
    conversation,
    delivery,
    delivery_service,
    eventually,
    fresh_streams,
    gateway,
    user,
)
from tests.support.history import insert, member_row, message_row
from tests.support.nats import NatsServer
from tests.support.ports import free_ports

SOON = {"retry_after_s": 0.3, "retry_base_s": 0.3, "retry_cap_s": 2.0, "max_retries": 3}
SLOW = {"retry_after_s": 0.3, "retry_base_s": 60.0, "retry_cap_s": 60.0, "max_retries": 3}
"""The first attempt comes soon, the second one not within a test."""
ANN_TO_BEN = conversation("ann", "ben")


class Base:
    """A database that was just set up, to look into."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: AsyncEngine = open_engine(url, "reader", pool_size=1)

    async def close(self) -> None:
        await self._engine.dispose()

    async def read(self, statement: Any) -> Sequence[Any]:
        async with self._engine.connect() as reading:
            return (await reading.execute(statement)).all()

    async def entries(self) -> dict[str, Any]:
        """Read the entries by recipient."""
        return {row.username: row for row in await self.read(sa.select(tables.retry))}

    async def attempts(self) -> list[tuple[str, int, str]]:
        """Read what was tried: to whom, which attempt, how it went."""
        table = tables.retry_attempt
        rows = await self.read(sa.select(table).order_by(table.c.at_ms, table.c.attempt))
        return [(row.user_id, row.attempt, row.outcome) for row in rows]

    async def until(self, condition: Any, what: str, timeout_s: float = 15) -> Any:
        """Wait until a condition holds of the entries, by recipient; returns them."""
        deadline = time.monotonic() + timeout_s
        while not condition(found := await self.entries()):
            assert time.monotonic() < deadline, f"waited for {what}, found {found}"
            await asyncio.sleep(0.03)
        return found


@pytest.fixture
async def base(nats_url: str, database_url: str) -> AsyncIterator[Base]:
    await asyncio.to_thread(migrate.upgrade, database_url)
    await fresh_streams(nats_url)
    base = Base(database_url)
    yield base
    await base.close()


def entry_row(conversation_id: ConversationId, name: str, attempt: int = 0, state: str = "waiting") -> dict[str, Any]:
    """Make an entry for the first message, due long ago."""
    return {
        "user_id": user(name),
        "conversation_id": conversation_id,
        "username": name,
        "state": state,
        "attempt": attempt,
        "up_to_seq": 1,
        "opened_at_ms": 1,
        "next_at_ms": 1,
        "reason": "",
    }


def statuses(gate: Gateway, status: str) -> list[dict[str, Any]]:
    """Read the statuses that were announced to a sender, with whom they were for."""
    frames = [(one.to, json.loads(one.frame)) for one in gate.announced]
    return [frame | {"to": to} for to, frame in frames if frame.get("status") == status]


def resyncs(gate: Gateway) -> list[tuple[tuple[str, ...], int]]:
    """Read who was told to sync, and the revision it came with."""
    return [(one.to, one.rev) for one in gate.announced if json.loads(one.frame)["type"] == "resync"]


async def send(gate: Gateway, sender: str, to: str, client_id: str) -> MessageId:
    """Send a message, and wait until it is stored."""
    sent = a_message(sender, to, client_id, sent_at_ms=now_ms())
    assert (await gate.answer(gate.put(sent))).code == ""
    return sent.message_id


async def asked(gate: Gateway, query: Query[Any, Any], question: Any, reply: Any) -> Any:
    """Ask delivery, once it listens."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return await ask(gate.connection, query, question, reply, timeout_s=10)
        except Refusal as refusal:
            if refusal.code is not Code.UNAVAILABLE or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def test_who_does_not_take_a_message_in_time_is_tried_and_who_does_is_not(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        to_ben = await send(gate, "ann", "ben", "m1")
        await send(gate, "ann", "cat", "m2")
        begun = time.monotonic()
        gate.put(a_cursor("cat", "ann", "delivered", 1))
        await eventually(lambda: bool(statuses(gate, "retrying")))
        assert time.monotonic() - begun > 0.25, "tried before its time"
        entries = await base.entries()
        assert list(entries) == ["ben"]
        ben = entries["ben"]
        assert (ben.state, ben.attempt, ben.up_to_seq, ben.conversation_id) == ("waiting", 1, 1, ANN_TO_BEN)
        assert ben.next_at_ms - now_ms() > 50_000
        [status] = statuses(gate, "retrying")
        assert status.pop("to") == (user("ann"),)
        assert rfc3339(now_ms() - 10_000) < status.pop("at") <= rfc3339(now_ms())
        assert status == {
            "type": "message_status",
            "message_id": to_ben,
            "conversation_id": ANN_TO_BEN,
            "status": "retrying",
            "user": "ben",
            "up_to_seq": 1,
            "retry_count": 1,
            "max_retries": 3,
            "next_retry_at": rfc3339(ben.next_at_ms),
        }
        assert resyncs(gate) == [((user("ben"),), 0)]


async def test_attempts_are_counted_told_and_end_with_a_reason(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SOON), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        newer = await send(gate, "ann", "ben", "m2")
        found = await base.until(lambda found: found["ben"].state == "failed", "the end of all attempts")
        assert (found["ben"].reason, found["ben"].attempt, found["ben"].up_to_seq) == ("no_device", 3, 2)
        await eventually(lambda: bool(statuses(gate, "failed")))
        told = statuses(gate, "retrying")
        assert [frame["retry_count"] for frame in told] == [1, 2, 3]
        assert (told[-1]["up_to_seq"], told[-1]["message_id"]) == (2, newer)
        [failed] = statuses(gate, "failed")
        assert (failed["reason"], failed["user"], failed["up_to_seq"]) == ("no_device", "ben", 2)
        assert (failed["message_id"], failed["retry_count"], failed["to"]) == (newer, 3, (user("ann"),))
        assert "next_retry_at" not in failed
        assert len(resyncs(gate)) == 3
        ben = user("ben")
        assert await base.attempts() == [
            (ben, 1, "retrying"),
            (ben, 2, "retrying"),
            (ben, 3, "retrying"),
            (ben, 3, "failed"),
        ]
        gaps = [row.after_seq for row in await base.read(sa.select(tables.retry_attempt))]
        assert gaps == [0, 0, 0, 0]


async def test_a_message_after_the_end_of_all_attempts_has_attempts_of_its_own(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **(SOON | {"max_retries": 1})), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await base.until(lambda found: "ben" in found and found["ben"].state == "failed", "the end of all attempts")
        await send(gate, "ann", "ben", "m2")
        await eventually(lambda: len(statuses(gate, "failed")) == 2, what="the end of those of the second message")
        assert [(frame["retry_count"], frame["up_to_seq"]) for frame in statuses(gate, "retrying")] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("stage", ["tracked", "opened", "parked"])
async def test_a_delivered_receipt_closes_at_any_stage(nats_url: str, base: Base, stage: str) -> None:
    spans = {
        "tracked": SLOW | {"retry_after_s": 1.0},
        "opened": SLOW,
        "parked": SOON | {"max_retries": 1},
    }[stage]
    async with delivery_service(nats_url, base.url, **spans), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        if stage == "opened":
            await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        elif stage == "parked":
            await base.until(lambda found: "ben" in found and found["ben"].state == "failed", "the end of attempts")
        gate.put(a_cursor("ben", "ann", "read", 1))
        await base.until(lambda found: not found, "the end of the entry")
        heard = len(statuses(gate, "retrying"))
        await send(gate, "ann", "cat", "m2")
        await base.until(lambda found: "cat" in found and found["cat"].attempt == 1, "an entry opened later")
        assert "ben" not in await base.entries()
        assert [frame["user"] for frame in statuses(gate, "retrying")[heard:]] in ([], ["cat"])


async def test_a_part_delivered_starts_the_wait_anew_and_the_rest_is_tried(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        second = await send(gate, "ann", "ben", "m2")
        gate.put(a_cursor("ben", "ann", "delivered", 1))
        await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "an attempt")
        [row] = await base.read(sa.select(tables.retry_attempt))
        assert (row.after_seq, row.up_to_seq) == (1, 2)
        await eventually(lambda: bool(statuses(gate, "retrying")))
        assert statuses(gate, "retrying")[0]["message_id"] == second


async def test_ones_own_messages_are_not_waited_for(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SOON), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await send(gate, "ben", "ann", "b1")
        gate.put(a_cursor("ben", "ann", "delivered", 1))
        found = await base.until(lambda found: "ann" in found and found["ann"].attempt == 1, "an attempt to reach ann")
        assert list(found) == ["ann"]
        assert [frame["user"] for frame in statuses(gate, "retrying")] in ([], ["ann"])


async def test_a_hello_drives_anew_what_was_parked(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **(SOON | {"max_retries": 1})), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await base.until(lambda found: "ben" in found and found["ben"].state == "failed", "the end of all attempts")
        said = HellosSaid([user("ben"), user("nobody")])
        await gate.connection.publish(subjects.HELLOS_SAID, msgspec.json.encode(said))
        found = await base.until(lambda found: found["ben"].state == "waiting", "the entry to wait again", 5)
        assert (found["ben"].reason, found["ben"].attempt) in {("", 0), ("", 1)}
        await eventually(lambda: len(statuses(gate, "failed")) == 2, what="the end of the attempts after the hello")
        assert [frame["retry_count"] for frame in statuses(gate, "retrying")] == [1, 1]


async def test_a_sender_drives_its_message_anew_and_nobody_elses(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        mine = await send(gate, "ann", "ben", "m1")
        taken = await send(gate, "ann", "cat", "m2")
        gate.put(a_cursor("cat", "ann", "delivered", 1))
        await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        assert await asked(gate, subjects.RETRY_MESSAGE, RetryMessage(user("ann"), mine), Retried) == Retried(1)
        await eventually(lambda: len(statuses(gate, "retrying")) == 2, what="another first attempt")
        assert [frame["retry_count"] for frame in statuses(gate, "retrying")] == [1, 1]
        assert await asked(gate, subjects.RETRY_MESSAGE, RetryMessage(user("ann"), taken), Retried) == Retried(0)
        for sender, message in (("ben", mine), ("ann", message_id(user("ann"), ClientId("never")))):
            with pytest.raises(Refusal) as refused:
                await asked(gate, subjects.RETRY_MESSAGE, RetryMessage(user(sender), message), Retried)
            assert refused.value.code is Code.NOT_FOUND


async def test_a_sender_need_not_wait_for_the_first_attempt(nats_url: str, base: Base) -> None:
    spans = SLOW | {"retry_after_s": 60.0}
    async with delivery_service(nats_url, base.url, **spans), gateway(nats_url) as gate:
        mine = await send(gate, "ann", "ben", "m1")
        assert await asked(gate, subjects.RETRY_MESSAGE, RetryMessage(user("ann"), mine), Retried) == Retried(1)
        await eventually(lambda: len(statuses(gate, "retrying")) == 1, what="an attempt")


async def test_an_operator_lists_entries_page_by_page_and_drives_them_anew(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        for name in ("ben", "cat", "dan"):
            await send(gate, "ann", name, f"m-{name}")
        await send(gate, "ann", "ben", "m-again")
        await base.until(lambda found: [one.attempt for one in found.values()] == [1, 1, 1], "three attempts")

        async def page(**more: Any) -> RetryList:
            listed: RetryList = await asked(gate, subjects.LIST_RETRIES, ListRetries(**more), RetryList)
            return listed

        first = await page(limit=2)
        assert ([entry.username for entry in first.entries], first.total) == (["ben", "cat"], 3)
        rest = await page(limit=2, after=first.next)
        assert ([entry.username for entry in rest.entries], rest.next) == (["dan"], None)
        ben = (await page(username=Username("ben"))).entries[0]
        assert (ben.messages, ben.attempt, ben.max_attempts, ben.state) == (2, 1, 3, "waiting")
        assert (await page(state="failed")).total == 0
        for wrong in (0, 1001):
            with pytest.raises(Refusal) as refused:
                await page(limit=wrong)
            assert refused.value.code is Code.INVALID
        with pytest.raises(Refusal) as refused:
            await page(state="lost")
        assert refused.value.code is Code.INVALID

        question = ProcessRetries(username=Username("cat"), conversation_id=conversation("ann", "cat"))
        assert await asked(gate, subjects.PROCESS_RETRIES, question, Retried) == Retried(1)
        await eventually(lambda: len(statuses(gate, "retrying")) == 4, what="another attempt to reach cat")
        assert statuses(gate, "retrying")[-1]["user"] == "cat"
        assert await asked(gate, subjects.PROCESS_RETRIES, ProcessRetries(), Retried) == Retried(3)
        await eventually(lambda: len(statuses(gate, "retrying")) == 7, what="another attempt to reach everybody")
        assert await asked(gate, subjects.PROCESS_RETRIES, ProcessRetries(state="failed"), Retried) == Retried(0)


async def test_a_crash_between_commit_and_schedule_is_mended_by_the_wake_up_that_comes_again(
    nats_url: str, base: Base
) -> None:
    async with delivery(nats_url, base.url), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
    key = Key(user("ben"), ANN_TO_BEN)
    settings = RetrySettings(retry_base_s=1.0)
    store = Store(base.url)
    retries = RetryStore(store, base.url)
    [opened] = await retries.open([key], now_ms())
    woken = await retries.wake({key: opened}, now_ms(), lambda: 0.0, settings)  # and then it was killed
    assert [tried.attempt for tried in woken.tried] == [1]
    await retries.close()
    await store.close()
    async with delivery_service(nats_url, base.url, **SOON), gateway(nats_url) as gate:
        payload = json.dumps([opened.attempt, opened.next_at_ms]).encode()
        await gate.connection.jetstream().publish(subjects.due(*key), payload)
        await eventually(lambda: bool(statuses(gate, "retrying")), 4, "the second attempt")
        assert statuses(gate, "retrying")[0]["retry_count"] == 2
        assert (await base.attempts())[:2] == [(user("ben"), 1, "retrying"), (user("ben"), 2, "retrying")]


async def test_a_wake_up_that_comes_twice_is_one_attempt(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        found = await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        jetstream = gate.connection.jetstream()
        for payload in (b"[0,1]", b"not ours", json.dumps([0, found["ben"].opened_at_ms]).encode()):
            await jetstream.publish(subjects.due(user("ben"), ANN_TO_BEN), payload)
            await until_all_done(gate.connection)
        assert await base.attempts() == [(user("ben"), 1, "retrying")]
        left = await jetstream.get_last_msg(subjects.RETRY_STREAM, subjects.retry(user("ben"), ANN_TO_BEN))
        assert json.loads(left.data or b"") == [1, found["ben"].next_at_ms]


async def until_all_done(connection: Connection) -> None:
    """Wait until no wake-up is left at the broker."""
    deadline = time.monotonic() + 10
    while True:
        info = await connection.jetstream().consumer_info(subjects.RETRY_STREAM, "due")
        if not (info.num_pending or info.num_ack_pending):
            return
        assert time.monotonic() < deadline, "wake-ups are left"
        await asyncio.sleep(0.02)


async def test_schedules_that_the_broker_lost_are_made_again(
    nats_url: str, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "EVERY_S", 0.3)
    monkeypatch.setattr(sweep_module, "OVERDUE_S", 0.5)
    async with delivery_service(nats_url, base.url, **(SOON | {"retry_base_s": 1.0})), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        jetstream = gate.connection.jetstream()
        await eventually(lambda: bool(statuses(gate, "retrying")))
        await jetstream.delete_stream(subjects.RETRY_STREAM)
        await send(gate, "ann", "cat", "m2")  # its schedule waits for the stream
        await base.until(lambda found: "cat" in found, "an entry")
        await provision(gate.connection, StreamSettings(log_max_bytes=64 * 1024 * 1024))
        await eventually(lambda: len(statuses(gate, "retrying")) >= 4, 20, "more attempts")
        told = {(frame["user"], frame["retry_count"]) for frame in statuses(gate, "retrying")}
        assert {("ben", 1), ("ben", 2), ("cat", 1)} <= told


async def test_a_broker_that_was_killed_wakes_entries_when_it_is_back(
    nats_server: NatsServer, nats_url: str, base: Base
) -> None:
    async with delivery_service(nats_url, base.url, **(SOON | {"retry_base_s": 1.0})), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "the first attempt")
        await eventually(lambda: bool(statuses(gate, "retrying")))
        await asyncio.to_thread(nats_server.restart)
        await base.until(lambda found: found["ben"].state == "failed", "the end of all attempts", 30)
        assert [(attempt, how) for _, attempt, how in await base.attempts()] == [
            (1, "retrying"),
            (2, "retrying"),
            (3, "retrying"),
            (3, "failed"),
        ]


async def test_a_delivery_that_was_killed_finds_what_it_had_in_mind(nats_url: str, base: Base, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PARLEY_NATS_URL": nats_url,
        "PARLEY_DATABASE_URL": base.url,
        "PARLEY_HTTP_PORT": str(free_ports(1)),
        "PARLEY_RETRY_AFTER_S": "30",
    }
    program = [sys.executable, "-m", "services.delivery.app"]
    child = await asyncio.to_thread(lambda: spawn(program, log=tmp_path / "delivery.log", env=environ))
    try:
        async with gateway(nats_url) as gate:
            await send(gate, "ann", "ben", "m1")
            await send(gate, "ann", "cat", "m2")
            gate.put(a_cursor("cat", "ann", "delivered", 1))
            await eventually(lambda: len(gate.announced) == 3)
    finally:
        await asyncio.to_thread(stop, child, how=signal.SIGKILL)
    assert await base.entries() == {}
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        found = await base.until(lambda found: "ben" in found and found["ben"].attempt == 1, "an attempt", 20)
        assert list(found) == ["ben"]
        await eventually(lambda: [frame["user"] for frame in statuses(gate, "retrying")] == ["ben"])


async def test_two_deliveries_make_each_attempt_once(nats_url: str, base: Base) -> None:
    names = [f"away{number}" for number in range(40)]
    async with (
        delivery_service(nats_url, base.url, **SOON),
        delivery_service(nats_url, base.url, **SOON),
        gateway(nats_url) as gate,
    ):
        await gate.answered([gate.put(a_message("ann", name, f"m-{name}", sent_at_ms=now_ms())) for name in names])

        def are_all_parked(found: dict[str, Any]) -> bool:
            return len(found) == len(names) and all(entry.state == "failed" for entry in found.values())

        await base.until(are_all_parked, "the end of all attempts", 40)
        await eventually(lambda: len(statuses(gate, "failed")) == len(names))
        expected = [(user(name), number, "retrying") for name in names for number in (1, 2, 3)]
        expected += [(user(name), 3, "failed") for name in names]
        assert Counter(await base.attempts()) == Counter(expected)
        told = Counter((frame["user"], frame["retry_count"]) for frame in statuses(gate, "retrying"))
        assert told == Counter((name, number) for name in names for number in (1, 2, 3))


async def test_a_large_group_has_entries_but_nobody_is_told(nats_url: str, base: Base) -> None:
    large, small = ConversationId("large"), ConversationId("small")
    ann = UserId("u-ann")
    for group, count in ((large, 101), (small, 3)):
        others = [UserId(f"u-{group}{number}") for number in range(count - 1)]
        await insert(base.url, tables.conversation, [{"id": group, "kind": "group", "last_seq": 2, "rev": 2}])
        members = [member_row(group, ann, 2), *(member_row(group, one) for one in others)]
        await insert(base.url, tables.member, members)
        messages = [message_row(group, 1, ann), message_row(group, 2, others[0])]
        await insert(base.url, tables.message, messages)
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        found = await base.until(
            lambda found: len(found) == 102 and all(entry.attempt == 1 for entry in found.values()), "all attempts", 20
        )
        assert {entry.conversation_id for entry in found.values()} == {large, small}
        await eventually(lambda: len(statuses(gate, "retrying")) == 3)
        told = {(frame["to"], frame["user"]) for frame in statuses(gate, "retrying")}
        first, second = ("u-small0",), (ann,)
        assert told == {(second, "small0"), (second, "small1"), (first, "small1")}
        assert sorted(to for to, _ in resyncs(gate)) == [("u-small0",), ("u-small1",)]


async def test_many_due_at_once_are_all_tried_while_messages_flow(nats_url: str, base: Base) -> None:
    count = 3000
    names = [f"away{number}" for number in range(count)]
    pairs = [(conversation("ann", name), user(name)) for name in names]
    heads = [{"id": pair, "kind": "direct", "last_seq": 1, "rev": 1} for pair, _ in pairs]
    members = [member_row(pair, one, seq) for pair, other in pairs for one, seq in ((user("ann"), 1), (other, 0))]
    await insert(base.url, tables.conversation, heads)
    await insert(base.url, tables.member, members)
    await insert(base.url, tables.message, [message_row(pair, 1, user("ann")) for pair, _ in pairs])
    await insert(base.url, tables.retry, [entry_row(conversation("ann", name), name) for name in names])
    async with delivery_service(nats_url, base.url, **SLOW), gateway(nats_url) as gate:
        await gate.answer(gate.put(a_message("eve", "fay", "first")), 20)
        slowest, sent, attempts = 0.0, 0, 0
        started = time.monotonic()
        while attempts < count:
            begun = time.monotonic()
            assert begun < started + 60, f"{attempts} of {count} tried"
            sent += 1
            await gate.answer(gate.put(a_message("eve", "fay", f"m{sent}", sent_at_ms=now_ms())))
            slowest = max(slowest, time.monotonic() - begun)
            if sent % 20 == 0:
                [(attempts,)] = await base.read(sa.select(sa.func.count()).select_from(tables.retry_attempt))
        all_s = time.monotonic() - started
        assert slowest < all_s / 2, f"a message waited {slowest:.2f} s while all were tried in {all_s:.2f} s"
        await eventually(lambda: len({frame["user"] for frame in statuses(gate, "retrying")} - {"fay"}) == count, 20)


async def test_entries_of_former_members_and_old_attempts_are_swept_out(nats_url: str, base: Base) -> None:
    group = ConversationId("group")
    await insert(base.url, tables.conversation, [{"id": group, "kind": "group", "last_seq": 1, "rev": 2}])
    gone = member_row(group, user("ben"), left_rev=2)
    await insert(base.url, tables.member, [member_row(group, user("ann"), 1), gone])
    await insert(base.url, tables.message, [message_row(group, 1, user("ann"))])
    await insert(base.url, tables.retry, [entry_row(group, "ben", 3, "failed")])
    attempt = {"conversation_id": group, "user_id": user("ben"), "up_to_seq": 1, "after_seq": 0, "attempt": 1}
    days = [{"at_ms": now_ms() - age * 86_400_000, "outcome": "retrying"} for age in (29, 31, 32)]
    await insert(base.url, tables.retry_attempt, [attempt | day for day in days])
    async with delivery_service(nats_url, base.url, **SOON):
        await base.until(lambda found: not found, "the end of the entry")
        deadline = time.monotonic() + 10
        while len(await base.attempts()) > 1:
            assert time.monotonic() < deadline, "old attempts are kept"
            await asyncio.sleep(0.03)
        [left] = await base.read(sa.select(tables.retry_attempt))
        assert left.at_ms == days[0]["at_ms"]


async def test_a_database_that_is_away_is_waited_for(nats_url: str, base: Base) -> None:
    async with delivery_service(nats_url, base.url, **SOON), gateway(nats_url) as gate:
        await send(gate, "ann", "ben", "m1")
        async with away(base.url):
            await asyncio.sleep(1.5)  # the time of the first attempt passes
        await base.until(lambda found: "ben" in found and found["ben"].state == "failed", "all attempts", 30)
        assert [attempt for _, attempt, how in await base.attempts() if how == "retrying"] == [1, 2, 3]
        await eventually(lambda: bool(statuses(gate, "failed")))


@asynccontextmanager
async def away(url: str) -> AsyncIterator[None]:
    """Take a table away for a while: whoever wants it gets an error of the database."""
    engine = open_engine(url, "writer", pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("ALTER TABLE retry RENAME TO retry_away"))
        try:
            yield
        finally:
            async with engine.begin() as connection:
                await connection.execute(sa.text("ALTER TABLE retry_away RENAME TO retry"))
    finally:
        await engine.dispose()
