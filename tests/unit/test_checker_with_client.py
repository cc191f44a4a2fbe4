"""The client survives what the page allows to happen, and what it may not survive is caught."""

import asyncio
import random
import time
from itertools import permutations

import pytest

from deploy.verify.checker import Violation, check
from deploy.verify.client import Client
from deploy.verify.deployment import Account, Deployment
from deploy.verify.history import History, Quiesced
from tests.support.fake_gateway import Bugs, FakeGateway, Faults

PEOPLE = ("ann", "ben", "cas")
MESSAGES = 25
REST_S = 3.0


async def judged(gateway: FakeGateway) -> list[Violation]:
    """Let everybody write to everybody, come to rest, and judge what was observed."""
    history = History()
    async with gateway.serving() as url, Deployment(url) as deployment:
        clients = {
            name: Client(deployment, Account(name, "", name, name), history, dice=_Impatient()) for name in PEOPLE
        }
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(client.run()) for client in clients.values()]
            async with asyncio.TaskGroup() as writing:
                for name, peer in permutations(PEOPLE, 2):
                    writing.create_task(write(clients[name], peer))
            await gateway.resync_all()  # nothing comes after the last announcement to show that it was lost
            violations = await at_rest(gateway, history)
            for task in running:
                task.cancel()
    return violations


async def at_rest(gateway: FakeGateway, history: History) -> list[Violation]:
    """Judge until nothing is wrong any more, or for as long as a right gateway would need."""
    deadline = time.monotonic() + REST_S
    while True:
        finals = [gateway.final(name, peer) for name, peer in permutations(PEOPLE, 2)]
        rest = [Quiesced(user=name) for name in PEOPLE]
        violations = check([*history, *finals, *rest])
        if not violations or time.monotonic() > deadline:
            return violations
        await asyncio.sleep(0.1)


async def write(client: Client, peer: str) -> None:
    for number in range(MESSAGES):
        await client.send(peer, f"{client.account.username} to {peer}: {number}")


class _Impatient(random.Random):
    """Reconnects at once: these tests are about what comes back, not when."""

    def random(self) -> float:
        return 0.001


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.verify.session.UNANSWERED_S", 0.3)


async def test_a_quiet_run_is_judged_right() -> None:
    assert await judged(FakeGateway()) == []


async def test_drops_and_lost_announcements_do_no_harm() -> None:
    faults = Faults(drop_before_store=0.05, drop_after_store=0.05, lose_announcement=0.1, lose_ack=0.05)
    gateway = FakeGateway(faults=faults)
    assert await judged(gateway) == []


@pytest.mark.parametrize(
    ("invariant", "bugs", "faults"),
    [
        pytest.param("I1", Bugs(ack_without_store=0.05), Faults(), id="acked but not stored"),
        pytest.param("I2", Bugs(ignore_ids=1.0), Faults(lose_ack=0.05), id="a repeat stored again"),
        pytest.param("I6", Bugs(skip_in_replay=0.5), Faults(drop_before_store=0.1), id="replay with holes"),
    ],
)
async def test_a_broken_gateway_is_caught(invariant: str, bugs: Bugs, faults: Faults) -> None:
    gateway = FakeGateway(bugs=bugs, faults=faults)
    violations = await judged(gateway)
    assert invariant in {violation.invariant for violation in violations}, violations
