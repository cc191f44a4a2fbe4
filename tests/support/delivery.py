"""Delivery in the test's own process, and a stand-in gateway: appends commands, hears answers and announcements."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from faststream.asgi import AsgiFastStream

from services.delivery.announcer import Announcer
from services.delivery.app import build
from services.delivery.domain.values import Outcome
from services.delivery.handlers import BatchHandler
from services.delivery.keeper import Keeper
from services.delivery.legs import Legs
from services.delivery.reader import Worker
from services.delivery.settings import Settings
from services.delivery.store import Store
from shared.broker.connection import Connection
from shared.broker.publisher import BundleWriter
from shared.broker.streams import StreamSettings, log_state, provision
from shared.contracts import subjects
from shared.contracts.commands import (
    BLOCK,
    KINDS,
    Command,
    CursorState,
    MoveCursor,
    Origin,
    SendMessage,
    SetBlock,
    request_hash,
)
from shared.contracts.events import Announcement, Answer
from shared.contracts.ids import (
    ClientId,
    ConversationId,
    GatewayId,
    MessageId,
    SessionId,
    UserId,
    Username,
    direct_conversation_id,
    message_id,
    partition_of,
)
from shared.runtime.metrics import Metrics

GATEWAY = GatewayId("test-gateway")
PARTITIONS = 4


class Tally:
    """What delivery counts of its work."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.commands = 0
        self.again = 0
        self.dead = 0
        self.noted = 0

    def applied(self, commands: int) -> None:
        """Count commands applied."""
        self.commands += commands

    def recalled(self, commands: int) -> None:
        """Count commands announced again."""
        self.again += commands

    def buried(self) -> None:
        """Count a dead letter."""
        self.dead += 1

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of what was stored, as retries would."""
        self.noted += len(outcomes)


@dataclass
class Delivery:
    """A delivery at work in this process."""

    connection: Connection
    store: Store
    worker: Worker
    keeper: Keeper
    tally: Tally


@asynccontextmanager
async def delivery(nats_url: str, database_url: str) -> AsyncIterator[Delivery]:
    """Run delivery until the block ends; it stops between two batches, like a process told to."""
    connection = Connection(nats_url, "test-delivery")
    await connection.open()
    store, tally, legs = Store(database_url), Tally(), Legs(Metrics("delivery"))
    announcer = Announcer(connection, 1, legs)
    worker = Worker(connection, store, BatchHandler(connection, store, announcer, tally, tally, legs), announcer)
    keeper = Keeper(connection, worker)
    tasks = [asyncio.ensure_future(worker.run()), asyncio.ensure_future(keeper.run())]
    try:
        yield Delivery(connection, store, worker, keeper, tally)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await store.close()
        await connection.close()


@asynccontextmanager
async def delivery_service(nats_url: str, database_url: str, **settings: Any) -> AsyncIterator[AsgiFastStream]:
    """Run all of delivery in this loop, as its process does, until the block ends."""
    app = build(Settings(nats_url=nats_url, database_url=database_url, **settings))
    told: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.ensure_future(app({"type": "lifespan"}, told.get, heard.put))  # its lifespan is one task
    await told.put({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield app
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await life


@dataclass
class Gateway:
    """What a gateway does at the broker, without any socket."""

    connection: Connection
    writer: BundleWriter[int]
    answers: dict[int, Answer] = field(default_factory=dict)
    announced: list[Announcement] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    durable: list[int] = field(default_factory=list)
    _refs: int = 0

    def put(self, command: Command, *, session: str = "") -> int:
        """Append a command; returns the reference under which its answer comes."""
        self._refs += 1
        kind = next(kind for kind, of in KINDS.items() if isinstance(command, of))
        origin = Origin(GATEWAY, self._refs, SessionId(session))
        item = msgspec.msgpack.encode((kind, origin, command))
        self.writer.append(partition_of(command.conversation_id, PARTITIONS), item, self._refs)
        return self._refs

    async def put_raw(self, partition: int, payload: bytes) -> None:
        """Append a record as it is."""
        await self.connection.jetstream().publish(subjects.log(partition), payload)

    async def answer(self, ref: int, timeout_s: float = 10) -> Answer:
        """Wait for the (first) answer to a command."""
        await self.answered([ref], timeout_s)
        return self.answers[ref]

    async def answered(self, refs: Iterable[int], timeout_s: float = 20) -> None:
        """Wait until every one of these commands is answered."""
        wanted = set(refs)
        await eventually(lambda: wanted <= self.answers.keys(), timeout_s, f"answers to {wanted}")

    def on_answers(self, answers: Iterable[Answer]) -> None:
        """Keep the first answer to each command."""
        for answer in answers:
            self.answers.setdefault(answer.ref, answer)

    async def hears_all(self) -> None:
        """Wait until everything published before now has been heard."""
        await self.connection.flushed(5)
        await asyncio.sleep(0.05)


@asynccontextmanager
async def gateway(nats_url: str) -> AsyncIterator[Gateway]:
    """Connect a stand-in gateway."""
    connection = Connection(nats_url, "test-gateway")
    await connection.open()
    durable: list[int] = []
    failed: list[int] = []
    try:
        async with BundleWriter[int](
            connection, PARTITIONS, on_durable=durable.extend, on_failed=failed.extend
        ) as writer:
            stand_in = Gateway(connection, writer, failed=failed, durable=durable)
            answers = msgspec.msgpack.Decoder(list[Answer])
            announcements = msgspec.msgpack.Decoder(list[Announcement])
            await connection.subscribe(
                subjects.answers(GATEWAY), lambda payload: stand_in.on_answers(answers.decode(payload))
            )
            await connection.subscribe(
                subjects.announcements(0), lambda payload: stand_in.announced.extend(announcements.decode(payload))
            )
            await connection.flushed(5)
            yield stand_in
    finally:
        await connection.close()


async def fresh_streams(nats_url: str, *, log_max_bytes: int = 64 * 1024 * 1024) -> None:
    """Make the streams anew: a broker without a memory."""
    connection = Connection(nats_url, "test-provisioner")
    await connection.open()
    jetstream = connection.jetstream()
    for stream in (subjects.CHAT_STREAM, subjects.DLQ_STREAM, subjects.RETRY_STREAM):
        try:
            await jetstream.delete_stream(stream)
        except Exception as error:
            if "not found" not in str(error):
                raise
    await provision(connection, StreamSettings(log_partitions=PARTITIONS, log_max_bytes=log_max_bytes))
    await log_state(connection)
    await connection.close()


def user(name: str) -> UserId:
    """Name a user's id after the user."""
    return UserId(f"u-{name}")


def conversation(one: str, other: str) -> ConversationId:
    """Name the direct conversation of two users."""
    return direct_conversation_id(user(one), user(other))


def a_message(
    sender: str,
    to: str,
    client_id: str,
    content: str = "hello",
    *,
    reply_to: MessageId | None = None,
    seen_seq: int = 0,
    sent_at_ms: int = 1_760_000_000_000,
) -> SendMessage:
    """Write a message of a direct conversation."""
    conversation_id = conversation(sender, to)
    return SendMessage(
        message_id(user(sender), ClientId(client_id)),
        conversation_id,
        user(sender),
        Username(sender),
        ClientId(client_id),
        request_hash("message", conversation_id, content, reply_to, ()),
        content,
        sent_at_ms,
        user(to),
        Username(to),
        reply_to=reply_to,
        seen_seq=seen_seq,
    )


def a_cursor(
    name: str, other: str, state: CursorState, up_to_seq: int, at_ms: int = 1_760_000_001_000, *, discreet: bool = False
) -> MoveCursor:
    """Write a receipt of a direct conversation."""
    return MoveCursor(conversation(name, other), user(name), Username(name), state, up_to_seq, at_ms, discreet)


def a_block(name: str, other: str, client_id: str, *, is_blocked: bool = True) -> SetBlock:
    """Write a block of one by the other, or the end of it."""
    conversation_id = conversation(name, other)
    return SetBlock(
        message_id(user(name), ClientId(client_id)),
        conversation_id,
        user(name),
        Username(name),
        user(other),
        Username(other),
        request_hash(BLOCK, conversation_id, str(is_blocked), None, ()),
        is_blocked,
        1_760_000_002_000,
    )


async def eventually(condition: Callable[[], bool], timeout_s: float = 10, what: str = "it") -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}")
        await asyncio.sleep(0.01)
