"""Two delivery processes that both believe they own every partition, killed in turn: the same result as with one."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from shared.contracts.commands import SendMessage
from shared.contracts.events import Answer
from shared.database import migrate, tables
from shared.database.engine import open_engine
from tests.support.children import spawn, stop, wait_until
from tests.support.delivery import Gateway, a_cursor, a_message, eventually, fresh_streams, gateway
from tests.support.ports import free_ports

SENDERS = 12
KILLS = 10
LIVES_S = (0.1, 0.8)
"""How long a process lives once it serves."""
PER_KILL = 25
"""How many more messages are acknowledged before each kill, however slow the machine: the kills are at work."""
PATIENCE_S = 60.0
"""How long a process may take to start, and how long too little may be acknowledged, on a busy machine."""
RETRY_S = 4.0
TRIES = 30


@dataclass
class Running:
    """A delivery process of its own."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @classmethod
    def start(cls, nats_url: str, database_url: str, log: Path) -> "Running":
        """Start one."""
        port = free_ports(1)
        settings = {
            "PARLEY_NATS_URL": nats_url,
            "PARLEY_DATABASE_URL": database_url,
            "PARLEY_HTTP_PORT": str(port),
        }
        command = [sys.executable, "-m", "services.delivery.app"]
        return cls(spawn(command, log=log, env={**os.environ, **settings}), port, log)

    async def serves(self) -> None:
        """Wait until it is there; how long that takes is the machine's affair."""
        await asyncio.to_thread(
            wait_until, self._is_alive, child=self.process, log=self.log, what="delivery", timeout_s=PATIENCE_S
        )

    async def end(self, how: signal.Signals) -> None:
        """Stop it."""
        await asyncio.to_thread(stop, self.process, how=how)

    def _is_alive(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/live", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@pytest.mark.timeout(400)
async def test_two_owners_of_every_partition_store_everything_once_and_in_order(
    nats_url: str, database_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrate.upgrade, database_url)
    await fresh_streams(nats_url)
    workers = [Running.start(nats_url, database_url, tmp_path / f"delivery-{i}.log") for i in range(2)]
    acked: dict[str, tuple[str, int]] = {}
    is_over = asyncio.Event()
    try:
        async with gateway(nats_url) as gate, asyncio.TaskGroup() as tasks:
            for number in range(SENDERS):
                tasks.create_task(send_until(gate, number, is_over, acked))
            for turn in range(KILLS):
                old = workers[turn % 2]
                await old.serves()
                await acknowledged(PER_KILL * (turn + 1), acked)
                await asyncio.sleep(random.uniform(*LIVES_S))  # noqa: S311 - any moment will do
                await old.end(signal.SIGKILL)
                workers[turn % 2] = Running.start(nats_url, database_url, old.log)
                assert workers[turn % 2].process.pid != old.process.pid
            is_over.set()
        announced = {(str(one.conversation_id), one.rev) for one in gate.announced if one.rev}
    finally:
        for worker in workers:
            await worker.end(signal.SIGTERM)
            sys.stdout.write(f"--- the end of {worker.log.name}:\n{worker.log.read_text()[-3000:]}\n")
    await check(database_url, acked, announced)


async def send_until(gate: Gateway, number: int, is_over: asyncio.Event, acked: dict[str, tuple[str, int]]) -> None:
    """Send one message after the other to a peer, the same again when no answer comes, like a client does."""
    sender, peer = f"s{number}", f"s{(number + 1) % SENDERS}"
    for count in itertools.count():
        if is_over.is_set():
            return
        client_id = f"{sender}-{count}"
        answer = await answered(gate, a_message(sender, peer, client_id, str(count)))
        assert answer.code == ""
        acked[client_id] = (answer.conversation_id, answer.seq)
        if count % 5 == 0:
            gate.put(a_cursor(peer, sender, "read", answer.seq))


async def acknowledged(count: int, acked: Sized) -> None:
    """Wait until so many messages are acknowledged."""
    await eventually(lambda: len(acked) >= count, PATIENCE_S, f"{count} messages to be acknowledged")


async def answered(gate: Gateway, message: SendMessage) -> Answer:
    """Send a message until an answer comes, to whichever try."""
    refs: list[int] = []
    for _try in range(TRIES):
        refs.append(gate.put(message))
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not gate.answers.keys().isdisjoint(refs), RETRY_S)
            return next(gate.answers[ref] for ref in refs if ref in gate.answers)
    raise AssertionError(f"no answer to {message.client_id} in {TRIES * RETRY_S} s: delivery did not come back")


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
