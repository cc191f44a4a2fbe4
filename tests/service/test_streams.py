"""The provisioner at a real broker: what differs from what is wanted is told, and brought up to date."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats.js.api import ConsumerConfig, PersistMode, StreamConfig

from shared.broker.buckets import stream_of
from shared.broker.connection import Connection
from shared.broker.streams import (
    DUE_CONSUMER,
    Difference,
    StreamSettings,
    differences,
    log_state,
    provision,
    provision_memory,
)
from shared.contracts import subjects
from tests.support.nats import NatsServer

MEGABYTES = 1024 * 1024
SETTINGS = StreamSettings(log_max_bytes=64 * MEGABYTES)
PRESENCE = stream_of(subjects.PRESENCE_BUCKET)
ALL = [
    subjects.CHAT_STREAM,
    subjects.DLQ_STREAM,
    subjects.RETRY_STREAM,
    PRESENCE,
    stream_of(subjects.LEASES_BUCKET),
    stream_of(subjects.LAST_SEEN_BUCKET),
]


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    """A connection to a broker in which nothing is."""
    server = NatsServer(tmp_path)
    server.start()
    connection = Connection(server.url, "test-streams")
    await connection.open()
    yield connection
    await connection.close()
    server.stop()


async def change(connection: Connection, stream: str, **fields: object) -> None:
    present = (await connection.jetstream().stream_info(stream)).config
    await connection.jetstream().update_stream(present.evolve(**fields))


async def created(connection: Connection, stream: str) -> str:
    return str((await connection.jetstream().stream_info(stream)).created)


async def test_everything_is_missing_from_an_empty_broker_until_it_is_provisioned(connection: Connection) -> None:
    missing = [Difference(name) for name in ALL]
    assert await differences(connection, SETTINGS) == [*missing, Difference(subjects.RETRY_STREAM, DUE_CONSUMER)]
    assert await differences(connection, SETTINGS), "looking made nothing"
    await provision(connection, SETTINGS)
    assert await differences(connection, SETTINGS) == []


async def test_each_setting_that_differs_is_told_and_mended_and_the_log_stays(connection: Connection) -> None:
    await provision(connection, SETTINGS)
    log = await log_state(connection)
    await change(connection, subjects.CHAT_STREAM, max_bytes=32 * MEGABYTES, allow_direct=False)
    await change(connection, subjects.DLQ_STREAM, subjects=["elsewhere.>"])
    await change(connection, PRESENCE, republish=None, max_msg_size=100)
    due = ConsumerConfig(durable_name=DUE_CONSUMER, filter_subject=subjects.ALL_DUE, ack_wait=7, max_ack_pending=1000)
    await connection.jetstream().add_consumer(subjects.RETRY_STREAM, due)
    found = await differences(connection, SETTINGS)
    assert [(each.stream, each.consumer, each.field) for each in found] == [
        (subjects.CHAT_STREAM, None, "max_bytes"),
        (subjects.CHAT_STREAM, None, "allow_direct"),
        (subjects.DLQ_STREAM, None, "subjects"),
        (PRESENCE, None, "max_msg_size"),
        (PRESENCE, None, "republish"),
        (subjects.RETRY_STREAM, DUE_CONSUMER, "ack_wait"),
    ]
    assert str(found[0]) == "stream CHAT: max_bytes is 33554432, wanted is 67108864"
    assert str(found[-1]) == "consumer due of stream RETRY: ack_wait is 7.0, wanted is 15"
    await provision(connection, SETTINGS)
    assert await differences(connection, SETTINGS) == []
    assert (await log_state(connection)).log_id == log.log_id


async def test_another_number_of_partitions_is_no_difference_to_a_log_that_runs(connection: Connection) -> None:
    await provision(connection, SETTINGS)
    assert await differences(connection, replace(SETTINGS, log_partitions=16)) == []


async def test_what_the_broker_can_not_turn_off_again_is_no_difference(connection: Connection) -> None:
    await provision(connection, SETTINGS)
    await change(connection, subjects.CHAT_STREAM, allow_msg_ttl=True)
    assert await differences(connection, SETTINGS) == []
    await provision(connection, replace(SETTINGS, log_max_bytes=128 * MEGABYTES))
    assert (await log_state(connection)).max_bytes == 128 * MEGABYTES


async def test_schedules_that_are_to_be_written_another_way_are_made_anew(connection: Connection) -> None:
    await provision(connection, SETTINGS)
    others = [name for name in ALL if name != subjects.RETRY_STREAM]
    before = {name: await created(connection, name) for name in others}
    present: StreamConfig = (await connection.jetstream().stream_info(subjects.RETRY_STREAM)).config
    await connection.jetstream().delete_stream(subjects.RETRY_STREAM)
    await connection.jetstream().add_stream(present.evolve(persist_mode=None))
    found = await differences(connection, SETTINGS)
    assert found == [
        Difference(subjects.RETRY_STREAM, None, "persist_mode", None, PersistMode.ASYNC),
        Difference(subjects.RETRY_STREAM, DUE_CONSUMER),
    ]
    assert str(found[0]) == "stream RETRY: persist_mode is unset, wanted is async"
    await provision(connection, SETTINGS)
    assert await differences(connection, SETTINGS) == []
    assert {name: await created(connection, name) for name in others} == before


async def test_a_service_makes_the_buckets_that_are_gone_and_leaves_the_others(connection: Connection) -> None:
    await provision(connection, SETTINGS)
    await change(connection, PRESENCE, max_msg_size=100)
    await connection.jetstream().delete_stream(stream_of(subjects.LEASES_BUCKET))
    await provision_memory(connection, 1)
    assert [each.field for each in await differences(connection, SETTINGS)] == ["max_msg_size"]
