"""The kill test: people write while every part is killed, and nothing is lost or doubled."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from deploy.verify.checker import Violation, check
from deploy.verify.client import Client
from deploy.verify.deployment import Account, Deployment
from deploy.verify.history import Ack, Fault, History, Quiesced
from deploy.verify.reader import read_page, read_whole
from tests.support.processes import BROKER, PARTS, SERVICES, Product

USERS = 20
SECONDS = float(os.environ.get("PARLEY_KILL_SECONDS", "64"))
KILLS_OF_EACH = 2
BETWEEN_KILLS_S = (6.0, 7.0)
BETWEEN_MESSAGES_S = (0.3, 0.9)
REST_S = 30.0
BACK_S = 10.0
SEED = int(os.environ.get("PARLEY_KILL_SEED", "1"))


@pytest.mark.timeout(SECONDS + 240)
async def test_nothing_is_lost_doubled_or_reordered_while_every_part_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a plan to repeat, no secret
    history = History()
    with Product(tmp_path, database_url=database_url) as product:
        async with Deployment(product.url) as deployment:
            accounts = [await deployment.new_account(f"user{n}") for n in range(USERS)]
            pairs = friendships(accounts)
            async with connected(deployment, accounts, history, dice) as clients:
                await write_while_killing(product, clients, pairs, history, dice)
                await asyncio.to_thread(product.wait_ready)
                violations = await come_to_rest(deployment, clients, pairs, history)
    history.write(tmp_path / "history.jsonl")
    assert not violations, "\n".join(map(str, violations[:20]))
    acked_at = [event.t for event in history if isinstance(event, Ack)]
    assert len(acked_at) > SECONDS * USERS / 4, f"only {len(acked_at)} messages were acked"
    longest_s = max(later - earlier for earlier, later in pairwise(acked_at))
    assert longest_s < BACK_S, f"nobody got an ack for {longest_s:.1f} s"


def friendships(accounts: list[Account]) -> list[tuple[Account, Account]]:
    """Everybody talks with two others: with a partner, and with a neighbour in a ring."""
    partners = list(zip(accounts[::2], accounts[1::2], strict=True))
    ring = list(zip(accounts[1::2], [*accounts[2::2], accounts[0]], strict=True))
    return partners + ring


@asynccontextmanager
async def connected(
    deployment: Deployment, accounts: list[Account], history: History, dice: random.Random
) -> AsyncIterator[dict[str, Client]]:
    """A client for every account, live; they stay connected until the end."""
    clients = {
        account.username: Client(
            deployment,
            account,
            history,
            reads=number % 2 == 0,
            dice=random.Random(dice.random()),  # noqa: S311 - jitter, no secret
        )
        for number, account in enumerate(accounts)
    }
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(client.run()) for client in clients.values()]
        for client in clients.values():
            await client.live()
        yield clients
        for task in running:
            task.cancel()


async def write_while_killing(
    product: Product,
    clients: dict[str, Client],
    pairs: list[tuple[Account, Account]],
    history: History,
    dice: random.Random,
) -> None:
    """Everybody writes until the last part was killed for the last time and `SECONDS` are over."""
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one, other in pairs:
            for sender, to in ((one, other), (other, one)):
                group.create_task(write(clients[sender.username], to, enough, dice))
        group.create_task(read_along(clients, pairs, history, enough, dice))
        began = time.monotonic()
        await kill_everything(product, history, dice, until=began + SECONDS)
        enough.set()


async def come_to_rest(
    deployment: Deployment,
    clients: dict[str, Client],
    pairs: list[tuple[Account, Account]],
    history: History,
) -> list[Violation]:
    """Judge until nothing is wrong, or until 30 s are over: so long may what was missed take."""
    deadline = time.monotonic() + REST_S
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_S):
            for client in clients.values():
                await client.at_rest()
    rest = [Quiesced(user=name) for name in clients]
    while True:
        finals = History()
        for one, other in pairs:
            assert await read_whole(deployment, one, other.username, finals)
            assert await read_whole(deployment, other, one.username, finals)
        judged = [*history, *finals, *rest]
        violations = check(judged)
        if not violations or time.monotonic() > deadline:
            history.events = judged
            return violations
        await asyncio.sleep(0.5)


async def write(client: Client, to: Account, enough: asyncio.Event, dice: random.Random) -> None:
    """Send one message after the other, each with a content of its own."""
    number = 0
    while not enough.is_set():
        number += 1
        padding = "x" * dice.randrange(200)
        await client.send(to.username, f"{client.account.username} {number} {padding}")
        await asyncio.sleep(dice.uniform(*BETWEEN_MESSAGES_S))


async def read_along(
    clients: dict[str, Client],
    pairs: list[tuple[Account, Account]],
    history: History,
    enough: asyncio.Event,
    dice: random.Random,
) -> None:
    """Read newest pages all the while: what was acked must be on them."""
    deployment = next(iter(clients.values())).deployment
    while not enough.is_set():
        one, other = dice.choice(pairs)
        with suppress(httpx.HTTPError):
            await read_page(deployment, one, other.username, history, page_size=100)
        await asyncio.sleep(0.2)


async def kill_everything(product: Product, history: History, dice: random.Random, *, until: float) -> None:
    """Kill part after part with SIGKILL, each twice at least, and see that each is a new process."""
    rounds = 0
    while rounds < KILLS_OF_EACH or time.monotonic() < until:
        rounds += 1
        for part in PARTS:
            await asyncio.sleep(dice.uniform(*BETWEEN_KILLS_S))
            history.record(Fault(what=f"kill {part}", phase="start"))
            killed = await asyncio.to_thread(product.kill, part)
            again = await asyncio.to_thread(product.wait_pid, part, other_than=killed)
            history.record(Fault(what=f"kill {part}", phase="stop"))
            assert again != killed
    assert {*SERVICES, BROKER} == set(PARTS)
