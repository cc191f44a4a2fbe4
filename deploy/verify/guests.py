"""People who serve one check after the other, so that a run registers few: a deployment limits registrations."""

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import combinations

from deploy.verify.deployment import Account, Deployment

MOST = 44
REST_S = 3.0
AGAIN_S = 0.2

OnWait = Callable[[float], None]


class Guests:
    """Users of all lanes; a check has those it takes for itself until it gives them back.

    They may have conversations of earlier checks. Who was given back rests for a while and then waits for its turn:
    nobody sees it online any more, and no rate limit is felt. (Who polls by HTTP stays online for longer, and is no
    guest.)
    """

    def __init__(self, deployment: Deployment, stranger: Account) -> None:
        """Begin with the one who never has a conversation; everybody may use it at once."""
        self.stranger = stranger
        self._deployment = deployment
        self._free: list[tuple[float, Account]] = []  # with the time at which each was given back
        self._made = 0
        self._met: set[frozenset[str]] = set()

    async def one(self, on_wait: OnWait) -> Account:
        """Take anybody."""
        while True:
            for account in self._rested():
                return self._take(account)
            if self._made < MOST:
                return await self._new(on_wait)
            await _wait(on_wait)

    async def pair(self, on_wait: OnWait) -> tuple[Account, Account]:
        """Take two who never met."""
        while True:
            for one, other in combinations(self._rested(), 2):
                if _meeting(one, other) not in self._met:
                    self._met.add(_meeting(one, other))
                    return self._take(one), self._take(other)
            if self._made < MOST - 1:
                one, other = await asyncio.gather(self._new(on_wait), self._new(on_wait))
                self._met.add(_meeting(one, other))
                return one, other
            await _wait(on_wait)

    def give_back(self, accounts: Iterable[Account]) -> None:
        """Let others have them."""
        self._free += [(time.monotonic(), account) for account in accounts]

    async def _new(self, on_wait: OnWait) -> Account:
        self._made += 1
        return await self._deployment.new_account("guest", on_wait)

    def _rested(self) -> list[Account]:
        return [account for since, account in self._free if time.monotonic() - since > REST_S]

    def _take(self, account: Account) -> Account:
        self._free = [each for each in self._free if each[1] != account]
        return account


async def _wait(on_wait: OnWait) -> None:
    on_wait(AGAIN_S)
    await asyncio.sleep(AGAIN_S)


def _meeting(one: Account, other: Account) -> frozenset[str]:
    return frozenset({one.username, other.username})
