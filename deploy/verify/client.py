"""A client that keeps every rule of the protocol page and writes down all it observes."""

import asyncio
import itertools
import random
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta

import httpx
from websockets.exceptions import WebSocketException

from deploy.verify import sending
from deploy.verify.backoff import Backoff
from deploy.verify.deployment import Account, Deployment
from deploy.verify.history import (
    Accepted,
    Ack,
    Chose,
    Drop,
    History,
    Refused,
    Send,
    Typed,
    TypingState,
    digest,
)
from deploy.verify.receipts import Receipts
from deploy.verify.sending import Denied, Outgoing, Queued, RefusedError, Stored
from deploy.verify.session import Session
from deploy.verify.timeline import Timeline
from deploy.verify.wire import Closed, dial

QUEUED_AGAIN_S = 1.0
# The page allows a start every 3 s in a conversation; what comes sooner is dropped silently.
TYPING_EVERY_S = 3.5
CHOSEN_AGAIN_S = 0.5
LEFT = 1000
# Codes after which the page forbids a retry.
FINAL_CODES = frozenset({4400, 4401, 4403, 4409, 4413, 4426})
TOO_MANY = 4429

_connections = itertools.count(1)


class StoppedError(Exception):
    """The server closed the socket with a code after which a client may not come back."""


class Client:
    """One device of one user. `run` keeps it connected until it is cancelled."""

    def __init__(
        self,
        deployment: Deployment,
        account: Account,
        history: History,
        *,
        device_id: str = "verify",
        reads: bool = False,
        dice: random.Random | None = None,
    ) -> None:
        self.account = account
        self.history = history
        self.timeline = Timeline(account.username, history, Receipts(reads=reads))
        self.deployment = deployment
        self._device_id = device_id
        self._backoff = Backoff(dice or random.Random())  # noqa: S311 - jitter, no secret
        self._session: Session | None = None
        self._changed = asyncio.Event()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._typed_at: dict[str, float] = {}

    @property
    def is_live(self) -> bool:
        """Whether the client is connected and caught up."""
        return self._session is not None and self._session.is_live

    async def run(self) -> None:
        """Connect, stay connected, come back.

        Raises:
            StoppedError: the server said that this client must not come back.
        """
        while True:
            pause = await self._connection()
            await asyncio.sleep(self._backoff.wait(pause).total_seconds())

    async def live(self) -> None:
        """Wait until the client is connected and caught up."""
        while not self.is_live:
            await self._change()

    async def at_rest(self) -> None:
        """Wait until the client is live, has no hole, and all its receipts are confirmed."""
        while not (self.is_live and self.timeline.is_whole and not self.timeline.receipts.owes()):
            await self._change(at_most_s=0.1)

    async def send(self, to: str, content: str) -> Stored:
        """Send a message and wait until it is stored, however often that must be tried.

        Messages to one user go one after the other, in the order of the calls.

        Raises:
            RefusedError: the server refused it for good.
        """
        async with self._turns[to]:
            outgoing = Outgoing(to, content)
            user = self.account.username
            self.history.record(Send(user=user, to=to, id=outgoing.id, digest=digest(outgoing.content)))
            self.timeline.outgoing[outgoing.id] = outgoing
            try:
                return await self._deliver(outgoing)
            finally:
                del self.timeline.outgoing[outgoing.id]

    def watch(self, *usernames: str) -> None:
        """Be told how these users are, on this connection and on each that follows."""
        self.timeline.watched.update(usernames)

    async def type(self, to: str, state: TypingState = "start") -> bool:
        """Say that the user types or has stopped, where that can be said now; tell whether it was."""
        session, now = self._session, asyncio.get_running_loop().time()
        too_soon = state == "start" and now < self._typed_at.get(to, -TYPING_EVERY_S) + TYPING_EVERY_S
        if session is None or not session.is_live or too_soon:
            return False
        if state == "start":
            self._typed_at[to] = now
        self.history.record(Typed(user=self.account.username, to=to, state=state))
        await session.type(to, state)
        return True

    async def choose(self, status: str) -> None:
        """Choose how others see the user, and try until the server has taken it.

        Raises:
            httpx.HTTPStatusError: the server refused for good.
        """
        http, headers = self.deployment.http, self.account.headers
        while True:
            with suppress(httpx.TransportError):
                response = await http.put("/api/v1/me/presence", json={"status": status}, headers=headers)
                if response.is_success:
                    self.history.record(Chose(user=self.account.username, status=status))
                    return
                if not response.is_server_error:
                    response.raise_for_status()
            await asyncio.sleep(CHOSEN_AGAIN_S)

    async def _deliver(self, outgoing: Outgoing) -> Stored:
        user = self.account.username
        while True:
            match await self._ask(outgoing):
                case Stored() as stored:
                    self.history.record(
                        Ack(
                            user=user,
                            id=outgoing.id,
                            conversation_id=stored.conversation_id,
                            seq=stored.seq,
                            message_id=stored.message_id,
                        )
                    )
                    return stored
                case Queued(message_id):
                    self.history.record(Accepted(user=user, id=outgoing.id, message_id=message_id))
                    await asyncio.sleep(QUEUED_AGAIN_S)
                case Denied(retryable=True, retry_after_s=wait_s):
                    await asyncio.sleep(wait_s)
                case Denied() as denied:
                    self.history.record(Refused(user=user, id=outgoing.id, code=denied.code))
                    raise RefusedError(denied)

    async def _ask(self, outgoing: Outgoing) -> sending.Answer:
        """Try until something answers: over the socket, or by HTTP where that stays away."""
        while not outgoing.answer.done():
            session = self._session
            if session is not None and session.is_live:
                await session.ask(outgoing)
            elif self._backoff.uses_http:
                answer = await sending.send_by_http(self.deployment, self.account, outgoing)
                if isinstance(answer, Stored):
                    self.timeline.take_own(answer)
                outgoing.settle(answer)
            else:
                await self._change()
        return outgoing.take()

    async def _connection(self) -> timedelta:
        """One connection from dial to drop; returns how long the server asked us to stay away."""
        session: Session | None = None
        code = 1006
        try:
            async with dial(self.deployment.socket_url, token=self.account.token) as wire:
                session = Session(next(_connections), wire, self.timeline, self._device_id, self._notify)
                self._session = session
                await self._serve(session)
        except Closed as closed:
            code = closed.code
        except (OSError, TimeoutError, WebSocketException):
            pass
        except asyncio.CancelledError:
            code = LEFT
            raise
        finally:
            self._ended(session, code)
        if code in FINAL_CODES:
            raise StoppedError(f"{self.account.username} was told to stop: {code}")
        return timedelta(0) if session is None else session.stay_away

    def _ended(self, session: Session | None, code: int) -> None:
        loop = asyncio.get_running_loop()
        self._session = None
        live_at = None if session is None else session.live_at
        if session is not None:
            self.history.record(Drop(user=self.account.username, connection=session.number, code=code))
        self._backoff.ended(None if live_at is None else timedelta(seconds=loop.time() - live_at))
        self._notify()

    async def _serve(self, session: Session) -> None:
        """Read until the socket closes, with the chores of the connection beside it."""
        try:
            async with asyncio.TaskGroup() as chores:
                chores.create_task(session.tell_receipts())
                chores.create_task(session.keep_watch())
                chores.create_task(session.fill_holes())
                await session.read()
        except* Closed as closed:
            first: BaseException = closed
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    def _notify(self) -> None:
        if self.is_live:
            self._backoff.caught_up()
        self._changed.set()

    async def _change(self, at_most_s: float = 1.0) -> None:
        """Wait for the next change of the connection, or for `at_most_s`."""
        self._changed.clear()
        try:
            async with asyncio.timeout(at_most_s):
                await self._changed.wait()
        except TimeoutError:
            return
