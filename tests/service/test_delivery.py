"""Delivery against a real broker and both databases: once, in order, answered and announced."""

import asyncio
import json
from collections.abc import Sequence

import msgspec
import pytest
import sqlalchemy as sa

from services.delivery import announcer as announcer_module
from services.delivery.domain.values import Outcome
from shared.broker import dead_letters
from shared.broker.connection import Connection
from shared.contracts.commands import SEND, Origin
from shared.contracts.errors import Code
from shared.contracts.events import Announcement
from shared.contracts.ids import MessageId, partition_of
from shared.database import migrate, tables
from shared.database.engine import open_engine
from tests.support.delivery import (
    GATEWAY,
    PARTITIONS,
    a_block,
    a_cursor,
    a_message,
    conversation,
    delivery,
    eventually,
    fresh_streams,
    gateway,
    user,
)


@pytest.fixture
async def parts(nats_url: str, database_url: str) -> tuple[str, str]:
    """A broker and a database that were just set up: their URLs."""
    await asyncio.to_thread(migrate.upgrade, database_url)
    await fresh_streams(nats_url)
    return nats_url, database_url


async def rows(database_url: str, table: sa.Table, *order: sa.Column[object]) -> Sequence[sa.Row[tuple[object, ...]]]:
    """Read what was decided of a table: all but the time at which it was written."""
    engine = open_engine(database_url, "reader", pool_size=1)
    columns = [column for column in table.columns if column is not tables.message.c.stored_at_ms]
    async with engine.connect() as reading:
        found = (await reading.execute(sa.select(*columns).order_by(*order))).all()
    await engine.dispose()
    return found


def frames(announced: Sequence[Announcement]) -> list[dict[str, object]]:
    """Decode the frames announced."""
    return [json.loads(one.frame) for one in announced]


async def test_a_message_is_stored_answered_and_announced(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        sent = a_message("ann", "ben", "m1", "hi")
        answer = await gate.answer(gate.put(sent, session="s1"))
        assert (answer.code, answer.message_id, answer.seq, answer.rev) == ("", sent.message_id, 1, 1)
        assert not answer.duplicate
        await eventually(lambda: len(gate.announced) == 1)
        announced = gate.announced[0]
        assert set(announced.to) == {user("ann"), user("ben")}
        assert (announced.skip, announced.author, announced.client_id, announced.rev) == ("s1", user("ann"), "m1", 1)
        assert json.loads(announced.frame) == {
            "type": "message",
            "message_id": sent.message_id,
            "conversation_id": conversation("ann", "ben"),
            "seq": 1,
            "rev": 1,
            "sender": "ann",
            "content": "hi",
            "content_type": "text/plain",
            "sent_at": "2025-10-09T08:53:20.000Z",
        }
    stored = await rows(parts[1], tables.message)
    assert [(row.seq, row.rev, row.content, row.sender) for row in stored] == [(1, 1, "hi", "ann")]


async def test_a_repeated_send_returns_the_first_answer_and_is_announced_to_nobody(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        first = await gate.answer(gate.put(a_message("ann", "ben", "m1", sent_at_ms=1_760_000_000_000)))
        again = await gate.answer(gate.put(a_message("ann", "ben", "m1", sent_at_ms=1_760_000_009_000)))
        assert again.duplicate
        assert again[3:8] == first[3:8]
        await gate.answer(gate.put(a_message("ann", "ben", "m2")))
        await eventually(lambda: len(gate.announced) == 2)
        assert [frame["seq"] for frame in frames(gate.announced)] == [1, 2]


async def test_the_same_id_with_another_request_is_a_conflict_also_in_one_bundle(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        refs = [gate.put(a_message("ann", "ben", "m1", text)) for text in ("one", "two")]
        elsewhere = gate.put(a_message("ann", "cat", "m1", "one"))
        await gate.answered([*refs, elsewhere])
        codes = sorted([(await gate.answer(ref)).code for ref in (*refs, elsewhere)])
        assert codes == ["", "id_conflict", "id_conflict"]
    assert len(await rows(parts[1], tables.message)) == 1


async def test_seq_and_rev_are_dense_and_keep_the_order_of_the_sender(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        refs = [gate.put(a_message("ann", f"peer{i % 7}", f"m{i}", str(i))) for i in range(700)]
        await gate.answered(refs)
        await eventually(lambda: len(gate.announced) == 700)
    stored = await rows(parts[1], tables.message, tables.message.c.conversation_id, tables.message.c.seq)
    by_conversation: dict[str, list[tuple[int, int, int]]] = {}
    for row in stored:
        by_conversation.setdefault(row.conversation_id, []).append((row.seq, row.rev, int(row.content)))
    assert len(by_conversation) == 7
    for found in by_conversation.values():
        assert [seq for seq, _, _ in found] == list(range(1, 101))
        assert [rev for _, rev, _ in found] == list(range(1, 101))
        assert [n for _, _, n in found] == sorted(n for _, _, n in found)


async def test_a_stranger_a_wrong_pair_and_an_unknown_reply_are_not_found(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        await gate.answer(gate.put(a_message("ann", "ben", "m1")))
        stranger = a_message("eve", "ben", "e1")._replace(conversation_id=conversation("ann", "ben"))
        wrong_pair = a_message("eve", "ben", "e2")._replace(peer_id=user("ann"))
        reply = a_message("ann", "ben", "m2", reply_to=MessageId("mnothing"))
        for refused in (stranger, wrong_pair, reply):
            assert (await gate.answer(gate.put(refused))).code == "not_found"
        first_refused = a_message("ann", "zoe", "z1", reply_to=MessageId("mnothing"))
        assert (await gate.answer(gate.put(first_refused))).code == "not_found"
    assert len(await rows(parts[1], tables.conversation)) == 1, "a refused first message leaves nothing behind"


async def test_a_reply_to_a_message_of_the_same_conversation_is_stored(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        first = a_message("ann", "ben", "m1")
        refs = [gate.put(first), gate.put(a_message("ben", "ann", "b1", reply_to=first.message_id))]
        await gate.answered(refs)
        await eventually(lambda: len(gate.announced) == 2)
        assert frames(gate.announced)[1]["reply_to"] == first.message_id


async def test_cursors_only_grow_are_cut_to_the_last_seq_and_tell_where_they_stand(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        await gate.answered([gate.put(a_message("ann", "ben", f"m{i}")) for i in range(3)])
        gate.put(a_cursor("ben", "ann", "delivered", 99))
        await eventually(lambda: len(gate.announced) == 4)
        moved = frames(gate.announced)[3]
        assert (moved["type"], moved["user"], moved["state"], moved["up_to_seq"]) == (
            "read_receipt",
            "ben",
            "delivered",
            3,
        )
        assert not (await gate.answer(gate.put(a_cursor("ben", "ann", "delivered", 2)))).code
        gate.put(a_cursor("ben", "ann", "delivered", 1), session="ben-1")
        gate.put(a_cursor("ben", "ann", "read", 2), session="ben-1")
        await eventually(lambda: len(gate.announced) == 6)
        assert [(kept["state"], kept["up_to_seq"]) for kept in frames(gate.announced)[4:]] == [
            ("delivered", 3),
            ("read", 2),
        ]
        assert [announced.only for announced in gate.announced[4:]] == ["ben-1", ""]
        assert (await gate.answer(gate.put(a_cursor("eve", "ann", "read", 1)))).code == "not_found"
    receipts = await rows(parts[1], tables.receipt, tables.receipt.c.state)
    assert [(row.state, row.up_to_seq) for row in receipts] == [("delivered", 3), ("read", 2)]


async def test_read_implies_delivered_and_seen_seq_reads_in_the_same_step(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        await gate.answered([gate.put(a_message("ann", "ben", f"m{i}")) for i in range(2)])
        await gate.answer(gate.put(a_message("ben", "ann", "b1", seen_seq=2)))
        await eventually(lambda: len(gate.announced) == 4)
    members = {row.user_id: row for row in await rows(parts[1], tables.member)}
    assert (members[user("ben")].delivered_seq, members[user("ben")].read_seq) == (3, 2)
    assert (members[user("ann")].delivered_seq, members[user("ann")].read_seq) == (2, 0)


async def test_what_was_stored_but_not_announced_is_announced_after_a_restart(
    parts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die_before_telling(_self: object, _outcomes: Sequence[Outcome]) -> None:
        await asyncio.sleep(3600)  # committed, and then never heard of again

    async with gateway(parts[0]) as gate:
        with monkeypatch.context() as broken:
            broken.setattr(announcer_module.Announcer, "announce", die_before_telling)
            async with delivery(*parts):
                ref = gate.put(a_message("ann", "ben", "m1"))
                await eventually(lambda: bool(gate.durable))
                for _ in range(200):
                    if await rows(parts[1], tables.message):
                        break
                    await asyncio.sleep(0.05)
        assert not gate.announced
        async with delivery(*parts) as again:
            answer = await gate.answer(ref)
            assert (answer.code, answer.seq, answer.duplicate) == ("", 1, False)
            await eventually(lambda: len(gate.announced) == 1)
            assert again.tally.again == 1
    assert len(await rows(parts[1], tables.message)) == 1


async def test_a_command_that_cannot_be_read_is_buried_and_its_neighbours_are_stored(parts: tuple[str, str]) -> None:
    good = [a_message("ann", "ben", f"m{i}") for i in range(2)]
    partition = partition_of(good[0].conversation_id, PARTITIONS)
    items = [
        (SEND, Origin(GATEWAY, 901), good[0]),
        (SEND, Origin(GATEWAY, 902), {"nonsense": 1}),
        ("unheard_of", Origin(GATEWAY, 903), good[0]),
        (SEND, Origin(GATEWAY, 904), good[1]),
    ]
    async with delivery(*parts) as running, gateway(parts[0]) as gate:
        await gate.put_raw(partition, msgspec.msgpack.encode(items))
        await gate.put_raw(partition, b"\xc1 not a bundle at all")
        await gate.answered([901, 902, 903, 904])
        assert [(await gate.answer(ref)).code for ref in (901, 902, 903, 904)] == ["", "internal", "internal", ""]
        after = await gate.answer(gate.put(a_message("ann", "ben", "m9")))
        assert after.seq == 3
        assert running.tally.dead == 3
        letters = await dead_letters.dead_letters(gate.connection)
        assert [letter.partition for letter in letters] == [partition] * 3
        await dead_letters.drop_dead_letter(gate.connection, letters[0])
        assert await dead_letters.dead_letter(gate.connection, letters[0].number) is None


async def test_a_command_that_the_database_refuses_is_buried_and_the_rest_is_stored(
    nats_url: str, postgres_url: str
) -> None:
    await asyncio.to_thread(migrate.upgrade, postgres_url)
    await fresh_streams(nats_url)
    async with delivery(nats_url, postgres_url) as running, gateway(nats_url) as gate:
        refs = [gate.put(a_message("ann", "ben", "m1")), gate.put(a_message("ann", "ben", "m2", "nul \0 byte"))]
        refs.append(gate.put(a_message("ann", "ben", "m3")))
        await gate.answered(refs)
        assert [(await gate.answer(ref)).code for ref in refs] == ["", "internal", ""]
        assert [(await gate.answer(ref)).seq for ref in (refs[0], refs[2])] == [1, 2]
        assert running.tally.dead == 1
        letter = (await dead_letters.dead_letters(gate.connection))[0]
        await dead_letters.retry_dead_letter(gate.connection, letter)
        await eventually(lambda: running.tally.dead == 2, what="the letter to fail once more")


async def test_a_wiped_broker_with_a_kept_database_goes_on(parts: tuple[str, str]) -> None:
    async with delivery(*parts), gateway(parts[0]) as gate:
        await gate.answered([gate.put(a_message("ann", "ben", f"m{i}")) for i in range(5)])
        await fresh_streams(parts[0])
        repeat = await gate.answer(gate.put(a_message("ann", "ben", "m4")))
        assert (repeat.seq, repeat.duplicate) == (5, True)
        assert (await gate.answer(gate.put(a_message("ann", "ben", "m5")))).seq == 6
    assert len(await rows(parts[1], tables.message)) == 6
    assert len(await rows(parts[1], tables.epoch)) == 1


async def test_a_kept_broker_with_an_emptied_database_is_replayed_to_the_same_history(
    parts: tuple[str, str],
) -> None:
    async def history() -> tuple[list[tuple[object, ...]], str]:
        stored = await rows(parts[1], tables.message, tables.message.c.conversation_id, tables.message.c.seq)
        (epoch,) = await rows(parts[1], tables.epoch)
        return [tuple(row) for row in stored], str(epoch.value)

    async with delivery(*parts), gateway(parts[0]) as gate:
        refs = [gate.put(a_message("ann", f"peer{i % 3}", f"m{i}")) for i in range(60)]
        gate.put(a_cursor("peer0", "ann", "read", 9))
        await gate.answered(refs)
        await eventually(lambda: len(gate.announced) == 61)
    before = await history()
    await empty(parts[1])
    async with delivery(*parts) as replayed:
        await eventually(lambda: replayed.tally.commands >= 61)
    assert await history() == before


async def test_a_trimmed_log_with_an_emptied_database_is_not_ready_and_says_what_to_do(
    parts: tuple[str, str],
) -> None:
    async with delivery(*parts) as first, gateway(parts[0]) as gate:
        await gate.answered([gate.put(a_message("ann", "ben", f"m{i}")) for i in range(5)])
        last = first.worker.positions[0].stream_seq
    connection = Connection(parts[0], "test-trim")
    await connection.open()
    await connection.jetstream().purge_stream("CHAT", seq=last + 1)
    await connection.close()
    await empty(parts[1])
    async with delivery(*parts) as second:
        await eventually(lambda: "accept-gap" in second.worker.problem)
    assert await rows(parts[1], tables.message) == []


async def test_a_log_filled_to_three_times_its_limit_refuses_nothing(nats_url: str, database_url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, database_url)
    limit = 2 * 1024 * 1024
    await fresh_streams(nats_url, log_max_bytes=limit)
    content = "x" * 7000
    async with delivery(nats_url, database_url) as running, gateway(nats_url) as gate:
        refs: list[int] = []
        for i in range(3 * limit // 7000):
            refs.append(gate.put(a_message("ann", f"peer{i % 5}", f"m{i}", content)))
            if i % 50 == 49:
                await gate.answered(refs[-50:-20])
        await gate.answered(refs, timeout_s=60)
        assert gate.failed == []
        assert running.keeper.trimmed_up_to > 0
    assert len(await rows(database_url, tables.message)) == len(refs)


async def empty(database_url: str) -> None:
    """Take everything out of a database but its tables."""
    engine = open_engine(database_url, "writer", pool_size=1)
    async with engine.begin() as writing:
        for table in tables.metadata.sorted_tables:
            await writing.execute(sa.delete(table))
    await engine.dispose()


async def test_a_block_outlives_delivery_and_stops_both_of_the_pair(parts: tuple[str, str]) -> None:
    async with gateway(parts[0]) as gate:
        async with delivery(*parts):
            assert (await gate.answer(gate.put(a_block("ann", "ben", "b1")))).code == ""
            assert (await gate.answer(gate.put(a_block("ann", "ben", "b1")))).duplicate
        async with delivery(*parts):
            assert (await gate.answer(gate.put(a_message("ben", "ann", "m1")))).code == Code.BLOCKED
            assert (await gate.answer(gate.put(a_message("ann", "ben", "m1")))).code == Code.BLOCKED
            assert (await gate.answer(gate.put(a_message("ann", "cat", "b1")))).code == Code.ID_CONFLICT
            assert (await gate.answer(gate.put(a_block("ann", "ben", "b2", is_blocked=False)))).code == ""
            assert (await gate.answer(gate.put(a_message("ben", "ann", "m1")))).seq == 1
    assert await rows(parts[1], tables.block) == []
    assert len(await rows(parts[1], tables.operation)) == 2


async def test_a_delivered_cursor_closes_the_entry_that_it_reaches_in_the_same_step(parts: tuple[str, str]) -> None:
    waiting = {
        "username": "ben", "state": "failed", "attempt": 3, "opened_at_ms": 1, "next_at_ms": 1, "reason": "no_device",
    }  # fmt: skip
    async with delivery(*parts), gateway(parts[0]) as gate:
        await gate.answered([gate.put(a_message("ann", "ben", f"m{n}")) for n in range(4)])
        await gate.answered([gate.put(a_message("cat", "ben", f"m{n}")) for n in range(4)])
        engine = open_engine(parts[1], "writer", pool_size=1)
        async with engine.begin() as writing:
            await writing.execute(
                sa.insert(tables.retry),
                [
                    {**waiting, "user_id": user("ben"), "conversation_id": conversation(other, "ben"), "up_to_seq": 3}
                    for other in ("ann", "cat")
                ],
            )
        await engine.dispose()
        await gate.answered([gate.put(a_cursor("ben", "ann", "delivered", 2))])
        assert len(await rows(parts[1], tables.retry)) == 2
        await gate.answered([gate.put(a_cursor("ben", "ann", "read", 3))])
        left = await rows(parts[1], tables.retry)
    assert [row.conversation_id for row in left] == [conversation("cat", "ben")]
