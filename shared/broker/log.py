"""The ordered reader of the log: a pull consumer without acks, made anew whenever it may have missed something."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

import structlog
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from shared.broker.along import Headers
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import LogState, log_state
from shared.contracts import subjects
from shared.contracts.ids import LogId

ROOM: Final = 256
"""How many bundles are read ahead at most."""
ROOM_BYTES: Final = 32 * 1024 * 1024
HEARTBEAT_S: Final = 1.0
SILENCE_S: Final = 2.5 * HEARTBEAT_S

log = structlog.get_logger("reader")


class Bundle(NamedTuple):
    """One record of the log, undecoded; `headers`: what goes along with its commands (`shared.broker.along`)."""

    partition: int
    seq: int
    payload: bytes
    headers: Headers | None = None


class LogReplaced(Exception):
    """The log is another one than the position was counted in."""


class LogGap(Exception):
    """The log no longer, or not yet, holds what comes next: only a person can decide to go on."""


def check_log(state: LogState, log_id: LogId, next_seq: int) -> None:
    """Tell whether reading can go on at `next_seq`.

    Raises:
        LogReplaced: another log.
        LogGap: records were lost that nobody has read, or the log is older than the position.
    """
    if state.log_id != log_id:
        raise LogReplaced(f"position counted in log {log_id}, this is {state.log_id}")
    if next_seq < state.first_seq:
        raise LogGap(
            f"The log begins at {state.first_seq}, but {next_seq} was next: what lies between is lost to this "
            "database. Restore a newer database, or accept the gap with `parley restore --accept-gap`."
        )
    if next_seq > state.last_seq + 1:
        raise LogGap(
            f"The log ends at {state.last_seq}, but {next_seq} was next: the broker was restored to an older state. "
            "Restore a newer broker, or accept the gap with `parley restore --accept-gap`."
        )


class OrderedReader:
    """The bundles of some partitions from `next_seq` on, in log order; `async with` it.

    It asks for no more than it has room for, so that a slow taker slows the reading and nothing else. After a gap,
    an error or silence the consumer is made anew at `next_seq`, once the log has been checked to be the right one.
    `arrived` is set when there is something to take, or a failure to raise.
    """

    def __init__(self, connection: Connection, partitions: Iterable[int], log_id: LogId, next_seq: int) -> None:
        self.arrived = asyncio.Event()
        self.next_seq = next_seq
        self.last_read_at = time.monotonic()
        self.remakes = 0
        self._connection = connection
        self._filters = [subjects.log(partition) for partition in partitions]
        self._log_id = log_id
        self._buffer: deque[Bundle] = deque()
        self._failure: Exception | None = None
        self._consumer = ""
        self._inbox = ""
        self._broken = asyncio.Event()
        self._expected = 1
        self._credit = 0
        self._heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start reading."""
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop reading and let the consumer go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def waiting(self) -> int:
        """How many bundles are queued."""
        return len(self._buffer)

    @property
    def has_more(self) -> bool:
        """Whether something can be taken at once."""
        return bool(self._buffer)

    async def take(self, max_bytes: int) -> list[Bundle]:
        """Return what is queued, in order: at least one bundle if there is one, then up to `max_bytes`.

        Raises:
            LogReplaced, LogGap: reading cannot go on.
        """
        if self._failure is not None and not self._buffer:
            raise self._failure
        taken: list[Bundle] = []
        size = 0
        while self._buffer and (not taken or size + len(self._buffer[0].payload) <= max_bytes):
            bundle = self._buffer.popleft()
            size += len(bundle.payload)
            taken.append(bundle)
        if taken and not self._broken.is_set():
            with contextlib.suppress(*BROKER_ERRORS):  # the loop notices by itself
                await self._pull()
        return taken

    async def _run(self) -> None:
        pause = 0.05
        while True:
            try:
                check_log(await log_state(self._connection), self._log_id, self.next_seq)
                await self._read()
                pause = 0.05
            except (LogReplaced, LogGap, ValueError) as failure:
                self._failure = failure
                self.arrived.set()
                return
            except BROKER_ERRORS as error:
                log.warning("reader_waits", error=repr(error), next_seq=self.next_seq)
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
            self.remakes += 1

    async def _read(self) -> None:
        """Read over one consumer until it is broken or silent."""
        client = self._connection.client
        self._inbox = client.new_inbox()
        self._consumer = self._inbox.rpartition(".")[2]
        self._broken.clear()
        self._expected, self._credit, self._heard_at = 1, 0, time.monotonic()
        subscription = await client.subscribe(f"{self._inbox}.*", cb=partial(self._on_message, self._inbox))
        self._connection.on_reconnect.append(self._broken.set)  # a consumer in memory went down with the broker
        try:
            await self._connection.jetstream(3).add_consumer(
                subjects.CHAT_STREAM,
                ConsumerConfig(
                    name=self._consumer,
                    filter_subjects=self._filters,
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=self.next_seq,
                    ack_policy=AckPolicy.NONE,
                    mem_storage=True,
                    num_replicas=1,
                    inactive_threshold=30,
                ),
            )
            while not self._broken.is_set() and time.monotonic() - self._heard_at < SILENCE_S:
                await self._pull()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S / 4):
                        await self._broken.wait()
        finally:
            self._connection.on_reconnect.remove(self._broken.set)
            with contextlib.suppress(*BROKER_ERRORS):
                await subscription.unsubscribe()
                await client.publish(f"$JS.API.CONSUMER.DELETE.{subjects.CHAT_STREAM}.{self._consumer}", b"")

    async def _pull(self) -> None:
        free = ROOM - len(self._buffer) - self._credit
        if free < ROOM // 2:
            return
        self._credit += free
        request = {
            "batch": free,
            "max_bytes": ROOM_BYTES,
            "expires": 30 * 10**9,
            "idle_heartbeat": int(HEARTBEAT_S * 10**9),
        }
        await self._connection.client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{subjects.CHAT_STREAM}.{self._consumer}",
            json.dumps(request).encode(),
            f"{self._inbox}.{free}",
        )

    async def _on_message(self, inbox: str, message: Msg) -> None:
        if inbox != self._inbox or self._broken.is_set():
            return  # meant for an earlier consumer
        self._heard_at = self.last_read_at = time.monotonic()
        status = message.headers.get("Status") if message.headers else None
        if status == "100":  # a heartbeat
            return
        if status in {"408", "409"} and message.headers and "Nats-Pending-Messages" in message.headers:
            self._credit -= int(message.headers["Nats-Pending-Messages"])  # the request ended with this much unused
        elif status:
            log.info("consumer_ended", status=status, description=(message.headers or {}).get("Description"))
            self._broken.set()
            return
        else:
            stream_seq, consumer_seq = map(int, message.reply.split(".")[-4:-2])
            if consumer_seq != self._expected:
                self._broken.set()
                return
            self._expected = consumer_seq + 1
            self._credit -= 1
            self.next_seq = stream_seq + 1
            self._buffer.append(
                Bundle(subjects.partition_in(message.subject), stream_seq, message.data, message.headers)
            )
            self.arrived.set()
        with contextlib.suppress(*BROKER_ERRORS):
            await self._pull()
