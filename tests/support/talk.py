"""Two people who write to each other all the while, and the judgement of what they hold in the end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx

from deploy.verify.checker import Violation, check
from deploy.verify.client import Client
from deploy.verify.deployment import Deployment
from deploy.verify.history import Ack, History, Quiesced
from deploy.verify.reader import read_queue, read_whole

BETWEEN_MESSAGES_S = (0.2, 0.4)
REST_S = 60.0


class Talk:
    """What the two have observed so far."""

    def __init__(self) -> None:
        self.history = History()

    @property
    def acked(self) -> int:
        """How many messages were confirmed."""
        return sum(isinstance(event, Ack) for event in self.history)

    @property
    def longest_s(self) -> float:
        """How long nobody was given a confirmation at most."""
        acked_at = [event.t for event in self.history if isinstance(event, Ack)]
        return max((later - earlier for earlier, later in pairwise(acked_at)), default=0.0)

    async def goes_on(self, messages: int = 4, timeout_s: float = 60.0) -> None:
        """Wait until some more messages were confirmed.

        Raises:
            TimeoutError: they are not.
        """
        before = self.acked
        async with asyncio.timeout(timeout_s):
            while self.acked < before + messages:  # noqa: ASYNC110 - a history tells nobody when it grows
                await asyncio.sleep(0.05)


@asynccontextmanager
async def talk(*urls: str) -> AsyncIterator[Talk]:
    """Have two people talk as long as the block lasts, each by one of the gateways.

    In the end it fails the test where anything that was confirmed is lost, doubled or out of order, or where something
    does not come to rest.
    """
    heard = Talk()
    async with Deployment(urls[0]) as first, Deployment(urls[-1]) as last, asyncio.TaskGroup() as group:
        ann = Client(first, await first.new_account("ann"), heard.history, reads=True)
        ben = Client(last, await last.new_account("ben"), heard.history)
        people = (ann, ben)
        online = [group.create_task(each.run()) for each in people]
        enough = asyncio.Event()
        writers = [group.create_task(_write(one, to, enough)) for one, to in (people, people[::-1])]
        await heard.goes_on()
        yield heard
        enough.set()
        async with asyncio.timeout(REST_S):
            await asyncio.wait(writers)
        violations = await _judged(people, heard.history)
        for task in online:
            task.cancel()
    assert not violations, "\n".join(map(str, violations[:20]))


async def _write(sender: Client, to: Client, enough: asyncio.Event) -> None:
    number = 0
    while not enough.is_set():
        number += 1
        await sender.send(to.account.username, f"{sender.account.username} {number}")
        await asyncio.sleep(random.uniform(*BETWEEN_MESSAGES_S))  # noqa: S311 - a pause, no secret


async def _judged(people: Sequence[Client], history: History) -> list[Violation]:
    """Judge until nothing is wrong, or until all should long be right."""
    began = time.monotonic()
    while True:
        async with asyncio.timeout(REST_S):
            for each in people:
                await each.at_rest()
        is_late = time.monotonic() > began + REST_S
        try:
            finals = await _read(people)
        except httpx.HTTPError:  # the first question after the database was gone may be answered 503
            if is_late:
                raise
        else:
            rest = [Quiesced(user=each.account.username) for each in people]
            violations = check([*history, *finals, *rest])
            if not violations or is_late:
                return violations
        await asyncio.sleep(0.5)


async def _read(people: Sequence[Client]) -> History:
    finals = History()
    for reader, peer in (people, people[::-1]):
        await read_whole(reader.deployment, reader.account, peer.account.username, finals)
        await read_queue(reader.deployment, reader.account, finals)
    return finals
