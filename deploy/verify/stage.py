"""The users and sockets of one lane of checks."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from deploy.verify.deployment import Account, Deployment
from deploy.verify.guests import Guests
from deploy.verify.wire import Wire, dial


class Stage:
    """Users of the lane's own by their short name, made when they are first asked for; and guests."""

    def __init__(self, deployment: Deployment, guests: Guests) -> None:
        self.deployment = deployment
        self._accounts: dict[str, Account] = {}
        self.deadline: asyncio.Timeout | None = None
        self._guests = guests
        self._taken: list[Account] = []

    @property
    def http(self) -> httpx.AsyncClient:
        """The client without cookies."""
        return self.deployment.http

    def allow(self, seconds: float) -> None:
        """Give the running check more time: it waits for a rate limit on registrations."""
        if self.deadline is not None and (when := self.deadline.when()) is not None:
            self.deadline.reschedule(when + seconds)

    async def new_account(self, word: str) -> Account:
        """Make a user who does nothing else."""
        return await self.deployment.new_account(word, self.allow)

    async def user(self, word: str) -> Account:
        """Return the user of this lane called `word`."""
        if word not in self._accounts:
            self._accounts[word] = await self.new_account(word)
        return self._accounts[word]

    async def guest(self) -> Account:
        """Return somebody for this check, who may have other conversations."""
        account = await self._guests.one(self.allow)
        self._taken.append(account)
        return account

    async def pair(self) -> tuple[Account, Account]:
        """Return two users for this check who never met; they may have other conversations."""
        pair = await self._guests.pair(self.allow)
        self._taken += pair
        return pair

    @property
    def stranger(self) -> Account:
        """Somebody who has no conversation and must not get one: other checks use it right now."""
        return self._guests.stranger

    def leave(self) -> None:
        """End a check: others may have its guests."""
        self._guests.give_back(self._taken)
        self._taken = []

    def dial(self, account: Account) -> AbstractAsyncContextManager[Wire]:
        """Open a socket without a hello."""
        return dial(self.deployment.socket_url, token=account.token)

    @asynccontextmanager
    async def live(self, account: Account, *, device_id: str | None = None) -> AsyncIterator[Wire]:
        """Open a socket, say hello, and wait for caught_up."""
        async with dial(self.deployment.socket_url, token=account.token) as wire:
            await wire.hello(device_id or new_id())
            yield wire

    @asynccontextmanager
    async def live_pair(self) -> AsyncIterator[tuple[Account, Wire, Account, Wire]]:
        """Make two users who never met, both live."""
        ann, ben = await self.pair()
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(self.live(ann))
            two = await stack.enter_async_context(self.live(ben))
            yield ann, one, ben, two

    async def get(self, account: Account, path: str, **query: str | int) -> httpx.Response:
        """GET as `account`."""
        return await self.http.get(path, params=query, headers=account.headers)

    async def post(self, account: Account, path: str, body: object, **headers: str) -> httpx.Response:
        """POST JSON as `account`; headers with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json=body, headers=account.headers | named)

    async def put(self, account: Account, path: str, body: object) -> httpx.Response:
        """PUT JSON as `account`."""
        return await self.http.put(path, json=body, headers=account.headers)

    async def patch(self, account: Account, path: str, body: object) -> httpx.Response:
        """PATCH JSON as `account`."""
        return await self.http.patch(path, json=body, headers=account.headers)

    async def delete(self, account: Account, path: str) -> httpx.Response:
        """DELETE as `account`."""
        return await self.http.delete(path, headers=account.headers)

    async def talk(self, ann: Account, ben: Account, count: int = 1) -> dict[str, Any]:
        """Have one write to the other by HTTP; the last answer."""
        for number in range(count):
            response = await self.post(ann, f"/messages/send/{ben.username}/", {"content": f"{number + 1}"})
            response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    async def friends(self) -> tuple[Account, Account]:
        """Return two users who have just met: there is one message between them."""
        ann, ben = await self.pair()
        await self.talk(ann, ben)
        return ann, ben

    async def say(self, wire: Wire, to: Account, content: str, **fields: Any) -> dict[str, Any]:
        """Send a message over a socket and return its ack."""
        message_id = new_id()
        await wire.send({"type": "message", "id": message_id, "to": to.username, "content": content} | fields)
        return await wire.expect("ack", lambda frame: frame["re"] == message_id)


def new_id() -> str:
    """Make up a client's id."""
    return secrets.token_hex(12)
