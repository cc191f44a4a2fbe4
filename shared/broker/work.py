"""Work handed out by the broker: schedules that fire, and a pull from a durable consumer that survives everything."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import structlog
from nats.aio.msg import Msg
from nats.js.api import Header

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.frames import rfc3339

ROOM: Final = 256
"""How many pieces of work are held ahead at most."""
HEARTBEAT_S: Final = 1.0
SILENCE_S: Final = 2.5 * HEARTBEAT_S
CONFIRM_S: Final = 5.0
MAX_PAUSE_S: Final = 2.0
_ACK: Final = b"+ACK"
_STILL_PENDING: Final = "Nats-Pending-Messages"

log = structlog.get_logger("work")


class Schedule(NamedTuple):
    """A message to come: on `subject` it waits (one more there replaces it), on `target` it fires at `at_ms`."""

    subject: str
    target: str
    at_ms: int
    payload: bytes


class Work(NamedTuple):
    """A piece of work: handed out again, to anybody, when it is not done in the consumer's time."""

    subject: str
    payload: bytes
    receipt: str


async def schedule(connection: Connection, schedules: Sequence[Schedule]) -> None:
    """Make schedules, all at once; the broker has confirmed each of them.

    Raises:
        One of BROKER_ERRORS: some of them may not have been made.
    """
    jetstream = connection.jetstream(CONFIRM_S)
    confirmed = await asyncio.gather(
        *(
            jetstream.publish(
                one.subject,
                one.payload,
                CONFIRM_S + 1,
                headers={Header.SCHEDULE: f"@at {rfc3339(one.at_ms)}", Header.SCHEDULE_TARGET: one.target},
            )
            for one in schedules
        ),
        return_exceptions=True,
    )
    for outcome in confirmed:
        if isinstance(outcome, BaseException):
            raise outcome


class WorkQueue:
    """What a durable consumer hands out; `async with` it. Several processes may share the consumer.

    A consumer that is not there, silence or an error is waited out: `problem` says what it is, "" while all is well.
    """

    def __init__(self, connection: Connection, stream: str, consumer: str) -> None:
        self.problem = "not started yet"
        self._connection = connection
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._held: deque[Work] = deque()
        self._arrived = asyncio.Event()
        self._broken = asyncio.Event()
        self._inbox = ""
        self._credit = 0
        self._heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start asking for work."""
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop; what is held and not done will be handed out again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def held(self) -> int:
        """How much work is here and not taken."""
        return len(self._held)

    async def take(self, limit: int) -> list[Work]:
        """Wait for work, and return what there is, up to `limit`."""
        while not self._held:
            self._arrived.clear()
            await self._arrived.wait()
        taken = [self._held.popleft() for _ in range(min(limit, len(self._held)))]
        if not self._broken.is_set():
            with contextlib.suppress(*BROKER_ERRORS):  # the loop notices by itself
                await self._pull()
        return taken

    async def done(self, works: Iterable[Work]) -> None:
        """Have work not handed out any more. Where the broker does not hear of it, it is handed out again."""
        with contextlib.suppress(*BROKER_ERRORS):
            for work in works:
                await self._connection.publish(work.receipt, _ACK)

    async def _run(self) -> None:
        pause = 0.1
        await self._connection.opened()
        while True:
            started = time.monotonic()
            try:
                await self._listen()
            except BROKER_ERRORS as error:
                self._note(repr(error))
            if time.monotonic() - started > SILENCE_S:
                pause = 0.1
            await asyncio.sleep(pause)
            pause = min(MAX_PAUSE_S, pause * 2)

    def _note(self, problem: str) -> None:
        """Say what is waited for; once, however long it takes."""
        (log.debug if self.problem == problem else log.warning)("work_waits", reason=problem)
        self.problem = problem

    async def _listen(self) -> None:
        """Ask for work until something is wrong."""
        client = self._connection.client
        self._inbox = client.new_inbox()
        self._broken.clear()
        self._credit, self._heard_at = 0, time.monotonic()
        subscription = await client.subscribe(self._inbox, cb=self._on_message)
        self._connection.on_reconnect.append(self._broken.set)  # what was asked for went down with the broker
        try:
            while not self._broken.is_set() and time.monotonic() - self._heard_at < SILENCE_S:
                if not self._credit:
                    self._heard_at = time.monotonic()  # nothing is asked for: no wonder that nothing is heard
                await self._pull()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S / 4):
                        await self._broken.wait()
            if not self._broken.is_set():
                self._note("the broker is silent")
        finally:
            self._connection.on_reconnect.remove(self._broken.set)
            with contextlib.suppress(*BROKER_ERRORS):
                await subscription.unsubscribe()

    async def _pull(self) -> None:
        free = ROOM - len(self._held) - self._credit
        if free < ROOM // 2:
            return
        self._credit += free
        request = {"batch": free, "expires": 30 * 10**9, "idle_heartbeat": int(HEARTBEAT_S * 10**9)}
        await self._connection.client.publish(self._next, json.dumps(request).encode(), self._inbox)

    async def _on_message(self, message: Msg) -> None:
        if message.subject != self._inbox and message.reply:  # work comes under its own subject
            self._hold(message)
            return
        if self._broken.is_set():
            return
        headers = message.headers or {}
        status = headers.get("Status")
        self._heard_at = time.monotonic()
        if status == "100":  # a heartbeat
            self.problem = ""
        elif status in {"404", "408", "409"} and _STILL_PENDING in headers:
            self._credit = max(
                0, self._credit - int(headers[_STILL_PENDING])
            )  # the request ended with this much unused
            with contextlib.suppress(*BROKER_ERRORS):
                await self._pull()
        else:
            self._note(f"the consumer says {status} {headers.get('Description', '')}".rstrip())
            self._broken.set()

    def _hold(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        self.problem = ""
        self._credit = max(0, self._credit - 1)
        self._held.append(Work(message.subject, message.data, message.reply))
        self._arrived.set()
