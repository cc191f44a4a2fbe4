"""Snapshots of a database whose connections are killed at any moment."""

import asyncio
import contextlib

import asyncpg
import sqlalchemy as sa

from shared.database.snapshot import DatabaseAway, Snapshots, Statement

ROUNDS = 150


async def test_connections_killed_at_any_moment_are_a_database_that_is_away(postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    others = f"pid <> pg_backend_pid() AND datname = '{url.database}'"
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # noqa: S608
    killer = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    snapshots = Snapshots(postgres_url, size=4, patience_s=5)
    one = Statement("SELECT 1")
    read = 0

    async def reader(delay_s: float) -> None:
        nonlocal read
        await asyncio.sleep(delay_s)
        with contextlib.suppress(DatabaseAway):
            assert (await snapshots.read(one.rows()))[0][0] == 1
            read += 1

    try:
        for _ in range(ROUNDS):
            await asyncio.gather(*(reader(0) for _ in range(4)))
            await asyncio.gather(killer.execute(kill), *(reader(0.0003 * i) for i in range(16)))
    finally:
        await killer.close()
        await snapshots.close()
    assert read > ROUNDS
