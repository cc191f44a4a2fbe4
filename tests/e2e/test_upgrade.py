"""The upgrade test: while people write, every service is replaced by that of another version, and replaced back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.local.preparation import prepare_broker
from deploy.verify.checker import check
from deploy.verify.client import Client
from deploy.verify.deployment import Deployment
from deploy.verify.history import Ack, Fault, History, Quiesced
from deploy.verify.reader import read_whole
from shared.broker.access import Access
from shared.broker.connection import Connection
from shared.broker.dead_letters import dead_letters
from shared.broker.streams import StreamSettings
from shared.database.migrate import upgrade
from shared.database.schema import HEAD, REVISIONS
from tests.support.nats import NatsServer
from tests.support.processes import ROOT, SERVICES
from tests.support.upgrade import Services, commit_before_the_last_migration, previous_commit, unpack

PEOPLE = 4
BETWEEN_MESSAGES_S = (0.05, 0.3)
ACKS_EACH = 3
"""How often everybody is answered in each state of the system, before the next service is replaced."""
MIXED_S = 60.0
REST_S = 40.0
STEPS = (("delivery",), ("history", "presence"), ("gateway",))
"""The order of docs/operations.md for the way forward. Taken for the way back too, it makes the other mixture: the
newer gateway in front of the older delivery."""
PREPARED_S = 60.0


class Eager(random.Random):
    """Dice of somebody who soon tries again: how long people stay away is not what this is about."""

    def random(self) -> float:
        """Roll low."""
        return super().random() / 10


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[NatsServer]:
    """A broker of the test's own."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("find", "database"),
    [(previous_commit, "sqlite_url"), (commit_before_the_last_migration, "postgres_url")],
    ids=["previous-commit", "before-the-last-migration"],
)
async def test_nothing_is_lost_doubled_or_reordered_while_services_are_rolled_forward_and_back(
    find: Callable[[], str], database: str, broker: NatsServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old = unpack(find(), tmp_path / "old")
    database_url: str = await asyncio.to_thread(request.getfixturevalue, database)
    await prepare(broker.url, database_url)
    history = History()
    async with Services(tmp_path, nats_url=broker.url, database_url=database_url) as services:
        for service in SERVICES:
            services.start(service, old)
        for service in SERVICES:
            await services.ready(service)
        async with Deployment(services.url) as deployment:
            people = [await person(deployment, number, history) for number in range(PEOPLE)]
            async with writing(people):
                await everybody_is_answered(people, history)
                for tree in (ROOT, old):
                    for step in STEPS:
                        history.record(Fault(what=f"roll {step}", phase="start"))
                        await asyncio.gather(*(services.roll(service, tree) for service in step))
                        history.record(Fault(what=f"roll {step}", phase="stop"))
                        await everybody_is_answered(people, history)
            await check_all(people, history)
    history.write(tmp_path / "history.jsonl")
    assert await buried(broker.url) == 0


@pytest.mark.timeout(180)
async def test_new_services_wait_for_the_schema_and_then_work_without_a_restart(
    sqlite_url: str, broker: NatsServer, tmp_path: Path
) -> None:
    await prepare(broker.url, sqlite_url, REVISIONS[-2])
    history = History()
    async with Services(tmp_path, nats_url=broker.url, database_url=sqlite_url) as services:
        for service in SERVICES:
            services.start(service, ROOT)
        await services.ready("presence")
        expected = f"the schema is at revision {REVISIONS[-2]}, this program needs {HEAD}: run `parley migrate`"
        for service in ("gateway", "delivery", "history"):
            await until(partial(tells, services, service, expected), f"{service} to say what to do")
        await prepare(broker.url, sqlite_url)
        for service in SERVICES:
            await services.ready(service)
        async with Deployment(services.url) as deployment:
            people = [await person(deployment, number, history) for number in range(2)]
            async with writing(people):
                await everybody_is_answered(people, history)
            await check_all(people, history)
    assert await buried(broker.url) == 0


def tells(services: Services, service: str, expected: str) -> bool:
    """Whether a service is not ready, and says this of the schema."""
    status, failing = services.health(service)
    return status == httpx.codes.SERVICE_UNAVAILABLE and expected in failing.get("schema", "")


async def prepare(nats_url: str, database_url: str, revision: str = HEAD) -> None:
    """Do what `parley migrate` does."""
    await prepare_broker(Access((nats_url,)), StreamSettings(), PREPARED_S)
    await asyncio.to_thread(upgrade, database_url, revision)


async def person(deployment: Deployment, number: int, history: History) -> Client:
    """Register somebody; every other one reads what arrives."""
    account = await deployment.new_account(f"user{number}")
    return Client(deployment, account, history, reads=number % 2 == 0, dice=Eager(number))


def neighbours(people: list[Client]) -> list[tuple[Client, Client]]:
    """Everybody writes to the next one in a ring."""
    return list(zip(people, [*people[1:], people[0]], strict=True))


@asynccontextmanager
async def writing(people: list[Client]) -> AsyncIterator[None]:
    """Everybody is connected and writes; at the end all have written the last message, and rest."""
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        online = [group.create_task(each.run()) for each in people]
        async with asyncio.TaskGroup() as writers:
            for sender, to in neighbours(people):
                writers.create_task(write(sender, to, enough))
            try:
                yield
            finally:
                enough.set()
        async with asyncio.timeout(REST_S):
            for each in people:
                await each.at_rest()
        for task in online:
            task.cancel()


async def write(sender: Client, to: Client, enough: asyncio.Event) -> None:
    """Send one message after the other, each with a content of its own."""
    dice, number = random.Random(sender.account.username), 0  # noqa: S311 - pauses, no secret
    while not enough.is_set():
        number += 1
        await sender.send(to.account.username, f"{sender.account.username} {number}")
        await asyncio.sleep(dice.uniform(*BETWEEN_MESSAGES_S))


async def everybody_is_answered(people: list[Client], history: History) -> None:
    """Wait until everybody got some more acks: from the system as it is now."""
    seen = len(history.events)

    def are_answered() -> bool:
        users = [event.user for event in history.events[seen:] if isinstance(event, Ack)]
        return all(users.count(each.account.username) >= ACKS_EACH for each in people)

    await until(are_answered, f"{ACKS_EACH} acks for everybody")


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it does not in time.
    """
    deadline = time.monotonic() + MIXED_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"waited {MIXED_S} s for {what}"
        await asyncio.sleep(0.05)


async def check_all(people: list[Client], history: History) -> None:
    """Everything acknowledged is there once, in one order for all, and was received."""
    for sender, to in neighbours(people):
        for reader, peer in ((sender, to), (to, sender)):
            assert await read_whole(reader.deployment, reader.account, peer.account.username, history)
    for each in people:
        history.record(Quiesced(user=each.account.username))
    violations = check(history)
    assert not violations, "\n".join(map(str, violations[:20]))


async def buried(nats_url: str) -> int:
    """Count the commands that a delivery could not make anything of."""
    connection = Connection(nats_url, "tests")
    await connection.open()
    try:
        return len(await dead_letters(connection))
    finally:
        await connection.close()
