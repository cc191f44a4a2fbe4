"""Delivery beside other versions: at a schema that was not migrated yet, and behind a gateway that is newer."""

import asyncio

import msgspec

from shared.broker import dead_letters
from shared.contracts.commands import CURSOR, SEND, Origin
from shared.contracts.ids import partition_of
from shared.database import migrate
from shared.database.schema import REVISIONS
from tests.support.delivery import (
    GATEWAY,
    PARTITIONS,
    a_block,
    a_cursor,
    a_message,
    delivery,
    eventually,
    fresh_streams,
    gateway,
)


async def test_at_a_schema_that_is_too_old_commands_wait_in_the_log_and_none_is_lost(
    nats_url: str, database_url: str
) -> None:
    await asyncio.to_thread(migrate.upgrade, database_url, REVISIONS[0])
    await fresh_streams(nats_url)
    async with delivery(nats_url, database_url) as running, gateway(nats_url) as gate:
        sent = [gate.put(a_message("ann", "ben", f"m{number}")) for number in range(20)]
        block = gate.put(a_block("ann", "cat", "b1"))
        await eventually(lambda: running.worker.problem.startswith("waiting"), what="delivery to be stopped by it")
        assert not gate.answers
        for revision in REVISIONS[1:]:
            await asyncio.to_thread(migrate.upgrade, database_url, revision)
        await gate.answered([*sent, block])
        assert [gate.answers[ref].seq for ref in sent] == list(range(1, 21))
        assert {answer.code for answer in gate.answers.values()} == {""}
        await gate.hears_all()
        assert len(gate.announced) >= len(sent)
        assert (running.tally.dead, await dead_letters.dead_letters(gate.connection)) == (0, [])


async def test_what_a_newer_gateway_has_put_behind_the_known_fields_is_ignored(
    nats_url: str, database_url: str
) -> None:
    await asyncio.to_thread(migrate.upgrade, database_url)
    await fresh_streams(nats_url)
    message, cursor = a_message("ann", "ben", "m1"), a_cursor("ben", "ann", "read", 1)
    items = [
        (SEND, (*Origin(GATEWAY, 901), "new"), (*message, ["new"]), "new"),
        (CURSOR, Origin(GATEWAY, 902), (*cursor, {"new": 1})),
        (SEND, Origin(GATEWAY, 903), a_message("ann", "ben", "m2")),
    ]
    async with delivery(nats_url, database_url) as running, gateway(nats_url) as gate:
        await gate.put_raw(partition_of(message.conversation_id, PARTITIONS), msgspec.msgpack.encode(items))
        await gate.answered([901, 903])
        assert [gate.answers[ref].seq for ref in (901, 903)] == [1, 2]
        assert running.tally.dead == 0
