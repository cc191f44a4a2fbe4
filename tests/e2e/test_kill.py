"""The kill test: people write, type, come and go while every part is killed; nothing is lost and nothing sticks."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from deploy.verify.checker import Violation, check
from deploy.verify.client import Client
from deploy.verify.deployment import Account, Deployment
from deploy.verify.history import Ack, Fault, History, Observation, Presence, Quiesced, Status, Typing
from deploy.verify.people import HEARD_S, TYPING_RIGHT_S
from deploy.verify.reader import read_page, read_queue, read_whole
from tests.support.processes import BROKER, PARTS, SERVICES, Product

USERS = 20
SECONDS = float(os.environ.get("PARLEY_KILL_SECONDS", "64"))
KILLS_OF_EACH = 2
BETWEEN_KILLS_S = (6.0, 7.0)
BETWEEN_MESSAGES_S = (0.3, 0.9)
BETWEEN_MOODS_S = (0.5, 2.0)
REST_S = 30.0
PRESENCE_RIGHT_S = 35.0
BACK_S = 10.0
SEED = int(os.environ.get("PARLEY_KILL_SEED", "1"))
# These leave with a gateway that is killed, and come back with a new device when all is over.
LOST = (4, 13)
# These close their socket and come back: when they leave and for how long, in parts of the run.
AWAY = {1: (0.05, 0.45), 7: (0.1, 0.5), 10: (0.5, 0.4), 16: (0.45, 0.5)}
MOODS = ("online", "away", "dnd", "invisible")


@dataclass
class Person:
    """Somebody with one device, who may leave and come back."""

    client: Client
    group: asyncio.TaskGroup
    online: asyncio.Task[None] | None = None
    busy: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The username."""
        return self.client.account.username

    def come(self) -> None:
        """Be connected from now on."""
        self.online = self.group.create_task(self.client.run())

    async def leave(self) -> None:
        """Be connected no more."""
        if self.online is not None:
            self.online.cancel()
            await asyncio.wait({self.online})

    async def get_lost(self) -> None:
        """Leave in the middle of whatever is being done, and do not come back to it."""
        for task in self.busy:
            task.cancel()
        await self.leave()


Pairs = Sequence[tuple[Person, Person]]


@pytest.mark.timeout(SECONDS + 300)
async def test_nothing_is_lost_doubled_reordered_or_stuck_while_every_part_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a plan to repeat, no secret
    history = History()
    with Product(tmp_path, database_url=database_url) as product:
        async with Deployment(product.url) as deployment, asyncio.TaskGroup() as group:
            people = [await person(deployment, group, number, history, dice) for number in range(USERS)]
            lost = [people[number] for number in LOST]
            pairs = friendships(people)
            async with connected(people, pairs):
                await live_while_killing(product, people, pairs, history, dice)
                await asyncio.to_thread(product.wait_ready)
                here = [each for each in people if each not in lost]
                violations = await come_to_rest(here, pairs, history, within_s=PRESENCE_RIGHT_S)
                if not violations:
                    for each in lost:
                        each.client = device(deployment, each.client.account, history, dice, "another")
                        each.come()
                    violations = await come_to_rest(people, pairs, history, within_s=REST_S)
    history.write(tmp_path / "history.jsonl")
    assert not violations, "\n".join(map(str, violations[:20]))
    check_load(history, [people[number] for number in (*LOST, *AWAY)], pairs)


def check_load(history: History, away: list[Person], pairs: Pairs) -> None:
    """What was judged right was not right for want of anything to judge."""
    acked_at = [event.t for event in history if isinstance(event, Ack)]
    assert len(acked_at) > SECONDS * USERS / 4, f"only {len(acked_at)} messages were acked"
    longest_s = max(later - earlier for earlier, later in pairwise(acked_at))
    assert longest_s < BACK_S, f"nobody got an ack for {longest_s:.1f} s"
    retried = {(event.observer, event.user) for event in history if isinstance(event, Status) and event.retry_count}
    # Not every time: what delivery was about to tell when it was killed is in the queue and the timeline alone.
    waited = [(one.name, each.name) for both in pairs for one, each in (both, both[::-1]) if each in away]
    told = [pair for pair in waited if pair in retried]
    assert len(told) * 2 >= len(waited), f"of {waited}, who wrote to somebody away, only {told} were told"
    for kind in (Typing, Presence):
        count = sum(isinstance(event, kind) for event in history)
        assert count > SECONDS, f"only {count} times {kind.__name__}"


async def person(
    deployment: Deployment, group: asyncio.TaskGroup, number: int, history: History, dice: random.Random
) -> Person:
    """Register somebody; every other one reads what arrives."""
    account = await deployment.new_account(f"user{number}")
    return Person(device(deployment, account, history, dice, "verify", reads=number % 2 == 0), group)


def device(
    deployment: Deployment,
    account: Account,
    history: History,
    dice: random.Random,
    device_id: str,
    *,
    reads: bool = False,
) -> Client:
    """Make a device that holds nothing."""
    jitter = random.Random(dice.random())  # noqa: S311 - no secret
    return Client(deployment, account, history, device_id=device_id, reads=reads, dice=jitter)


def friendships(people: list[Person]) -> Pairs:
    """Everybody talks with two others: with a partner, and with a neighbour in a ring."""
    partners = list(zip(people[::2], people[1::2], strict=True))
    ring = list(zip(people[1::2], [*people[2::2], people[0]], strict=True))
    return partners + ring


@asynccontextmanager
async def connected(people: list[Person], pairs: Pairs) -> AsyncIterator[None]:
    """Everybody is live, has met the own friends, and watches them and a stranger."""
    for each in people:
        each.come()
    async with asyncio.TaskGroup() as meetings:
        for one, other in pairs:
            meetings.create_task(meet(one, other))
    for each, stranger in zip(people, people[USERS // 2 :] + people[: USERS // 2], strict=True):
        each.client.watch(stranger.name)
    yield
    for each in people:
        await each.leave()


async def meet(one: Person, other: Person) -> None:
    """Have a conversation, and watch each other from then on."""
    await one.client.live()
    await one.client.send(other.name, f"{one.name} meets {other.name}")
    one.client.watch(other.name)
    other.client.watch(one.name)


async def live_while_killing(
    product: Product, people: list[Person], pairs: Pairs, history: History, dice: random.Random
) -> None:
    """Everybody is busy until the last part was killed for the last time."""
    enough, gateway_gone = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one, other in pairs:
            one.busy.append(group.create_task(write(one, other, enough, dice)))
            other.busy.append(group.create_task(write(other, one, enough, dice)))
        for number in LOST:
            group.create_task(get_lost_with(gateway_gone, people[number]))
        for number, (after, length) in AWAY.items():
            group.create_task(be_away(people[number], after * SECONDS, length * SECONDS))
        moody = [each for number, each in enumerate(people) if number not in LOST]
        group.create_task(change_moods(moody, enough, dice))
        group.create_task(read_along(pairs, history, enough, dice))
        await kill_everything(product, history, dice, gateway_gone)
        enough.set()


async def come_to_rest(people: list[Person], pairs: Pairs, history: History, *, within_s: float) -> list[Violation]:
    """Judge until nothing is wrong, or until the time is over in which all must be right again."""
    began = time.monotonic()
    healed = max(event.t for event in history if isinstance(event, Fault))
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_S):
            for each in people:
                await each.client.at_rest()
    # From now on everybody must be heard who types.
    await asyncio.sleep(max(HEARD_S, healed + TYPING_RIGHT_S - time.monotonic()) + HEARD_S / 10)
    for one, other in pairs:
        for typist, to in ((one, other), (other, one)):
            if typist in people:
                await typist.client.type(to.name)
    await asyncio.sleep(HEARD_S)
    while True:
        judged = await observed(people, pairs, history)
        violations = check(judged)
        if not violations or time.monotonic() > began + within_s:
            history.events = judged
            return violations
        await asyncio.sleep(0.5)


async def observed(people: list[Person], pairs: Pairs, history: History) -> list[Observation]:
    """Return the history with what can be read now: of each conversation, and of each queue."""
    rest = [Quiesced(user=each.name) for each in people]
    finals = History()
    for one, other in pairs:
        for reader, peer in ((one, other), (other, one)):
            assert await read_whole(reader.client.deployment, reader.client.account, peer.name, finals)
    for each in people:
        await read_queue(each.client.deployment, each.client.account, finals)
    return [*history, *finals, *rest]


async def write(sender: Person, to: Person, enough: asyncio.Event, dice: random.Random) -> None:
    """Send one message after the other, each with a content of its own, and type before some."""
    number = 0
    while not enough.is_set():
        number += 1
        if dice.random() < 0.5:
            await sender.client.type(to.name)
        padding = "x" * dice.randrange(200)
        await sender.client.send(to.name, f"{sender.name} {number} {padding}")
        if dice.random() < 0.3:
            await sender.client.type(to.name, "stop")
        await asyncio.sleep(dice.uniform(*BETWEEN_MESSAGES_S))


async def be_away(who: Person, after_s: float, for_s: float) -> None:
    """Close the socket after a while, and come back to where one was."""
    await asyncio.sleep(after_s)
    await who.leave()
    await asyncio.sleep(for_s)
    who.come()


async def get_lost_with(gateway_gone: asyncio.Event, who: Person) -> None:
    """Vanish together with the gateway: nobody is left to say that the socket was closed."""
    await gateway_gone.wait()
    await who.get_lost()


async def change_moods(people: list[Person], enough: asyncio.Event, dice: random.Random) -> None:
    """Now this one and now that one chooses another status."""
    while not enough.is_set():
        async with asyncio.timeout(REST_S):
            await dice.choice(people).client.choose(dice.choice(MOODS))
        await asyncio.sleep(dice.uniform(*BETWEEN_MOODS_S))


async def read_along(pairs: Pairs, history: History, enough: asyncio.Event, dice: random.Random) -> None:
    """Read newest pages all the while: what was acked must be on them."""
    while not enough.is_set():
        one, other = dice.choice(pairs)
        with suppress(httpx.HTTPError):
            await read_page(one.client.deployment, one.client.account, other.name, history, page_size=100)
        await asyncio.sleep(0.2)


async def kill_everything(product: Product, history: History, dice: random.Random, gateway_gone: asyncio.Event) -> None:
    """Kill part after part with SIGKILL, each twice at least, and see that each is a new process."""
    of_one_round_s = len(PARTS) * sum(BETWEEN_KILLS_S) / 2
    for turn in range(1, max(KILLS_OF_EACH, round(SECONDS / of_one_round_s)) + 1):
        for part in PARTS:
            await asyncio.sleep(dice.uniform(*BETWEEN_KILLS_S))
            history.record(Fault(what=f"kill {part}", phase="start"))
            killed = await asyncio.to_thread(product.kill, part)
            if part == "gateway" and turn == KILLS_OF_EACH:
                gateway_gone.set()
            again = await asyncio.to_thread(product.wait_pid, part, other_than=killed)
            history.record(Fault(what=f"kill {part}", phase="stop"))
            assert again != killed
    assert {*SERVICES, BROKER} == set(PARTS)
