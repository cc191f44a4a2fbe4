"""A lease on a real broker: one replica has it, whatever happens to answers, replicas and the broker's memory."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.broker.buckets import BUCKET_GONE, put, stream_of
from shared.broker.connection import Connection
from shared.broker.lease import Lease
from shared.broker.streams import provision_memory
from shared.contracts import subjects


@pytest.fixture
async def connection(nats_url: str) -> AsyncIterator[Connection]:
    """A connection to a broker that has buckets."""
    connection = Connection(nats_url, "test-lease")
    await connection.open()
    await provision_memory(connection, 1)
    yield connection
    await connection.close()


async def until_claimed(lease: Lease, timeout_s: float = 5) -> float:
    begun = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while True:
            if await lease.claim():
                return time.monotonic() - begun
            await asyncio.sleep(0.05)


async def test_one_of_two_has_it_for_as_long_as_it_refreshes_it(connection: Connection) -> None:
    one, other = Lease(connection, "refreshed", "one", 1), Lease(connection, "refreshed", "other", 1)
    assert await one.claim()
    begun = time.monotonic()
    while time.monotonic() - begun < 1.5:
        assert await one.claim()
        assert not await other.claim()
        await asyncio.sleep(0.1)
    assert (one.is_held, other.is_held, other.other) == (True, False, "one")


async def test_whoever_died_has_it_no_longer_than_its_life(connection: Connection) -> None:
    one, other = Lease(connection, "dead", "one", 1), Lease(connection, "dead", "other", 1)
    assert await one.claim()
    assert 0.5 < await until_claimed(other) < 2
    assert not one.is_held
    assert not await one.claim()


async def test_it_is_given_up_at_once(connection: Connection) -> None:
    one, other = Lease(connection, "given-up", "one"), Lease(connection, "given-up", "other")
    assert await one.claim()
    await one.release()
    assert not one.is_held
    assert await other.claim()
    await one.release()
    assert await other.claim()


async def test_of_many_who_claim_at_once_one_has_it(connection: Connection) -> None:
    leases = [Lease(connection, "wanted", f"owner-{number}") for number in range(20)]
    assert sum(await asyncio.gather(*(lease.claim() for lease in leases))) == 1
    assert sum(lease.is_held for lease in leases) == 1


async def test_a_claim_whose_answer_was_lost_is_recognised(connection: Connection) -> None:
    lease = Lease(connection, "lost", "one")
    assert await lease.claim()
    assert await put(connection, subjects.LEASES_BUCKET, "lost", b"one", life_s=3) is not None
    assert await lease.claim()
    lease.doubt()
    assert not lease.is_held
    assert await lease.claim()


async def test_a_broker_without_its_memory_has_no_leases(connection: Connection) -> None:
    lease = Lease(connection, "forgotten", "one")
    assert await lease.claim()
    await connection.jetstream().delete_stream(stream_of(subjects.LEASES_BUCKET))
    with pytest.raises(BUCKET_GONE):
        await lease.claim()
    await provision_memory(connection, 1)
    assert await lease.claim()
