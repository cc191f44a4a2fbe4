"""Two delivery processes that both believe they own every partition, killed in turn: the same result as with one."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import sqlalchemy as sa

from shared.database import migrate, tables
from shared.database.engine import open_engine
from tests.support.children import spawn, stop
from tests.support.delivery import Gateway, a_cursor, a_message, fresh_streams, gateway
from tests.support.ports import free_ports

SENDERS = 12
SECONDS = 15
KILL_EVERY_S = (0.6, 1.4)


def start(nats_url: str, database_url: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a delivery process of its own."""
    settings = {
        "PARLEY_NATS_URL": nats_url,
        "PARLEY_DATABASE_URL": database_url,
        "PARLEY_HTTP_PORT": str(free_ports(1)),
    }
    return spawn([sys.executable, "-m", "services.delivery.app"], log=log, env={**os.environ, **settings})


async def test_two_owners_of_every_partition_store_everything_once_and_in_order(
    nats_url: str, database_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrate.upgrade, database_url)
    await fresh_streams(nats_url)
    workers = [start(nats_url, database_url, tmp_path / f"delivery-{i}.log") for i in range(2)]
    acked: dict[str, tuple[str, int]] = {}
    kills = 0
    try:
        async with gateway(nats_url) as gate, asyncio.TaskGroup() as tasks:
            until = asyncio.get_running_loop().time() + SECONDS
            for number in range(SENDERS):
                tasks.create_task(send_until(gate, number, until, acked))
            for turn in itertools.count():
                await asyncio.sleep(random.uniform(*KILL_EVERY_S))  # noqa: S311 - any moment will do
                if asyncio.get_running_loop().time() > until:
                    break
                old = workers[turn % 2]
                await asyncio.to_thread(stop, old, how=signal.SIGKILL)
                workers[turn % 2] = start(nats_url, database_url, tmp_path / f"delivery-{turn % 2}.log")
                assert workers[turn % 2].pid != old.pid
                kills += 1
        assert kills >= 8
        announced = {(str(one.conversation_id), one.rev) for one in gate.announced if one.rev}
    finally:
        for worker in workers:
            await asyncio.to_thread(stop, worker, how=signal.SIGTERM)
    await check(database_url, acked, announced)


async def send_until(gate: Gateway, number: int, until: float, acked: dict[str, tuple[str, int]]) -> None:
    """Send one message after the other to a peer, the same again when no answer comes, like a client does."""
    sender, peer = f"s{number}", f"s{(number + 1) % SENDERS}"
    loop = asyncio.get_running_loop()
    for count in itertools.count():
        if loop.time() > until:
            return
        client_id = f"{sender}-{count}"
        while True:
            ref = gate.put(a_message(sender, peer, client_id, str(count)))
            try:
                answer = await gate.answer(ref, timeout_s=4)
            except AssertionError:
                assert loop.time() < until + 30, "delivery did not come back"
                continue
            assert answer.code == ""
            acked[client_id] = (answer.conversation_id, answer.seq)
            break
        if count % 5 == 0:
            gate.put(a_cursor(peer, sender, "read", answer.seq))


async def check(database_url: str, acked: dict[str, tuple[str, int]], announced: set[tuple[str, int]]) -> None:
    """Compare the store with what was acknowledged and announced."""
    engine = open_engine(database_url, "reader", pool_size=1)
    table = tables.message
    async with engine.connect() as reading:
        stored = (
            await reading.execute(
                sa.select(
                    table.c.conversation_id, table.c.seq, table.c.rev, table.c.sender, table.c.client_id
                ).order_by(table.c.conversation_id, table.c.seq)
            )
        ).all()
        heads = (await reading.execute(sa.select(tables.conversation))).all()
    await engine.dispose()
    where: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for row in stored:
        where[row.client_id].append((row.conversation_id, row.seq))
        seqs[row.conversation_id].append(row.seq)
    assert len(acked) > 200
    assert {client_id: [place] for client_id, place in acked.items()} == {c: where[c] for c in acked}, "lost or doubled"
    assert all(len(places) == 1 for places in where.values()), "doubled"
    for conversation_id, found in seqs.items():
        assert found == list(range(1, len(found) + 1)), f"{conversation_id} is not dense"
    assert {row.id: row.last_seq for row in heads} == {c: len(found) for c, found in seqs.items()}
    order: defaultdict[str, list[int]] = defaultdict(list)
    for row in stored:
        order[row.sender].append(int(row.client_id.partition("-")[2]))
    assert all(counts == sorted(counts) for counts in order.values()), "a sender's messages changed their order"
    assert {(row.conversation_id, row.rev) for row in stored} <= announced, "stored, but never announced"
