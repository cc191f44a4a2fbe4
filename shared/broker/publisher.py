"""Appends commands to the log in bundles: one publish in flight per partition, the next is what came meanwhile."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

import msgspec
import nats.js.errors
import structlog

from shared.broker.along import NOTHING, Along, headers_of
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal

E = TypeVar("E")

MAX_COMMANDS: Final = 128
MAX_BYTES: Final = 256 * 1024
MAX_WAITING: Final = 20_000
PATIENCE_S: Final = 15.0
ATTEMPT_S: Final = 5.0

log = structlog.get_logger("log")
_encode = msgspec.msgpack.Encoder().encode


class _Waiting(NamedTuple, Generic[E]):
    item: msgspec.Raw
    entry: E
    along: Along


class BundleWriter(Generic[E]):
    """The gateway's end of the log; `async with` it. `E` is what its user keeps about a command.

    `on_durable` is called with the entries of a bundle that the broker has on disk; `on_failed` with those of a
    bundle without an answer for 15 s *and of all queued behind it in that partition*: none of these may overtake.
    Both run in the event loop and must not block.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: int,
        *,
        on_durable: Callable[[list[E]], None],
        on_failed: Callable[[list[E]], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._connection = connection
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._patience_s = patience_s
        self._queues: list[deque[_Waiting[E]]] = [deque() for _ in range(partitions)]
        self._arrived = [asyncio.Event() for _ in range(partitions)]
        self._attempts: list[asyncio.Timeout | None] = [None] * partitions
        self._in_flight = 0
        self.refused = 0
        """How many commands `append` has refused."""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def partitions(self) -> int:
        """How many partitions the log has."""
        return len(self._queues)

    @property
    def waiting(self) -> int:
        """How many commands are queued or in flight."""
        return self._in_flight + sum(map(len, self._queues))

    async def __aenter__(self) -> Self:
        """Start the senders."""
        self._connection.on_disconnect.append(self._interrupt)
        self._tasks = [asyncio.ensure_future(self._send(partition)) for partition in range(self.partitions)]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop the senders; what still waits is failed."""
        self._connection.on_disconnect.remove(self._interrupt)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for queue in self._queues:
            self._fail_all(queue)

    def append(self, partition: int, item: bytes, entry: E, along: Along = NOTHING) -> None:
        """Queue a command (MessagePack of `(kind, origin, command)`) behind the others of its partition.

        `along`: what its readers learn of it besides; it costs a header.

        Raises:
            Refusal: `unavailable`, when the broker is away or 20,000 commands wait in this partition.
        """
        queue = self._queues[partition]
        if not self._connection.is_connected:
            self.refused += 1
            raise Refusal(Code.UNAVAILABLE, "The message log cannot be reached right now. Try again with the same id.")
        if len(queue) >= MAX_WAITING:
            self.refused += 1
            raise Refusal(Code.UNAVAILABLE, "Too much is waiting to be stored. Try again with the same id.")
        queue.append(_Waiting(msgspec.Raw(item), entry, along))
        self._arrived[partition].set()

    async def drained(self, timeout_s: float) -> bool:
        """Wait until nothing is queued or in flight; tells whether that was reached."""
        deadline = time.monotonic() + timeout_s
        while self.waiting:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def _send(self, partition: int) -> None:
        queue, arrived = self._queues[partition], self._arrived[partition]
        subject = subjects.log(partition)
        while True:
            await arrived.wait()
            arrived.clear()
            while queue:
                bundle = _take(queue)
                entries = [waiting.entry for waiting in bundle]
                self._in_flight += len(bundle)
                try:
                    is_durable = await self._publish(partition, subject, bundle)
                except asyncio.CancelledError:
                    self._on_failed(entries)
                    raise
                finally:
                    self._in_flight -= len(bundle)
                if is_durable:
                    self._on_durable(entries)
                else:
                    self._on_failed(entries)
                    self._fail_all(queue)

    async def _publish(self, partition: int, subject: str, bundle: list[_Waiting[E]]) -> bool:
        payload = _encode([waiting.item for waiting in bundle])
        jetstream = self._connection.jetstream(ATTEMPT_S)
        # The id is kept over all attempts: a repeat is stored once.
        headers = {"Nats-Msg-Id": self._connection.client.new_inbox()}
        accompanied = [(place, waiting.along) for place, waiting in enumerate(bundle) if waiting.along is not NOTHING]
        if accompanied:
            headers |= headers_of(accompanied)
        give_up, pause = time.monotonic() + self._patience_s, 0.02
        while True:
            try:
                await self._attempt(partition, jetstream.publish(subject, payload, ATTEMPT_S + 1, headers=headers))
            except BROKER_ERRORS as error:
                if time.monotonic() > give_up:
                    log.warning("bundle_given_up", partition=partition, error=repr(error))
                    return False
                if not _is_expected(error):
                    log.warning("bundle_retried", partition=partition, error=repr(error))
                await asyncio.sleep(pause)
                pause = min(0.5, pause * 2)
            else:
                return True

    async def _attempt(self, partition: int, publish: Awaitable[object]) -> None:
        async with asyncio.timeout(ATTEMPT_S) as attempt:
            self._attempts[partition] = attempt
            try:
                await publish
            finally:
                self._attempts[partition] = None  # a timeout that was left may not be moved any more

    def _interrupt(self) -> None:
        """End the waits for answers that went down with the connection."""
        now = asyncio.get_running_loop().time()
        for attempt in self._attempts:
            if attempt is not None and not attempt.expired():
                attempt.reschedule(now)

    def _fail_all(self, queue: deque[_Waiting[E]]) -> None:
        entries = [waiting.entry for waiting in queue]
        queue.clear()
        if entries:
            self._on_failed(entries)


def _take(queue: deque[_Waiting[E]]) -> list[_Waiting[E]]:
    bundle = [queue.popleft()]
    size = len(bundle[0].item)
    while queue and len(bundle) < MAX_COMMANDS and size + len(queue[0].item) <= MAX_BYTES:
        size += len(queue[0].item)
        bundle.append(queue.popleft())
    return bundle


def _is_expected(error: BaseException) -> bool:
    """Tell whether an attempt failed for a reason that passes by itself: the broker restarts or elects a leader."""
    return isinstance(error, TimeoutError | nats.errors.OutboundBufferLimitError | nats.js.errors.NoStreamResponseError)
