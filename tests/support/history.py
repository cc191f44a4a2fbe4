"""History under test: rows put straight into the tables, the service in this process, questions over the broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from faststream.asgi import AsgiFastStream

from services.history.app import build
from services.history.settings import Settings
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import ids, queries, subjects
from shared.contracts.ids import ClientId, ConversationId, MessageId, UserId, Username
from shared.database import tables
from shared.database.engine import open_engine

R = TypeVar("R")

ANN, BEN, CAT, DAN = (UserId(f"u-{name}") for name in ("ann", "ben", "cat", "dan"))
DIRECT = ids.direct_conversation_id(ANN, BEN)
GROUP = ConversationId("g1")
NOON = 1_763_812_800_000
"""2025-11-22T12:00:00.000Z"""

PATIENCE_S = 20.0
"""How long an answer may take where a test is about the answer."""

Row = dict[str, Any]


def name_of(user: UserId) -> Username:
    """Name a user of the tests."""
    return Username(user.removeprefix("u-"))


def message_row(
    conversation: ConversationId, seq: int, sender: UserId, content: str = "hi", *, rev: int = 0, **more: Any
) -> Row:
    """Make a stored message; sent `seq` seconds after noon, `rev` as its `seq` where it is not given."""
    client_id = ClientId(f"{conversation}-{seq}")
    return {
        "conversation_id": conversation,
        "seq": seq,
        "rev": rev or seq,
        "first_rev": seq,
        "message_id": ids.message_id(sender, client_id),
        "sender_id": sender,
        "sender": name_of(sender),
        "client_id": client_id,
        "request": seq.to_bytes(16, "big"),
        "content": content,
        "content_type": "text/plain",
        "sent_at_ms": NOON + seq * 1000,
        "reply_to": None,
        "mentions": None,
        **more,
    }


def member_row(
    conversation: ConversationId,
    user: UserId,
    delivered: int = 0,
    read: int = 0,
    *,
    shown: int | None = None,
    left_rev: int | None = None,
) -> Row:
    """Make a member; its cursors moved 10 and 20 seconds after noon. `shown`: what of `read` others see, else all."""
    shown = read if shown is None else shown
    return {
        "conversation_id": conversation,
        "user_id": user,
        "username": name_of(user),
        "delivered_seq": delivered,
        "read_seq": read,
        "delivered_at_ms": NOON + 10_000 if delivered else 0,
        "read_at_ms": NOON + 20_000 if read else 0,
        "left_rev": left_rev,
        "shown_read_seq": shown,
        "shown_read_at_ms": (NOON + 20_000 if shown == read else NOON + 15_000) if shown else 0,
    }


def receipt_row(conversation: ConversationId, user: UserId, state: str, up_to_seq: int, at_s: int) -> Row:
    """Make a receipt, so many seconds after noon."""
    return {
        "conversation_id": conversation,
        "user_id": user,
        "state": state,
        "up_to_seq": up_to_seq,
        "at_ms": NOON + at_s * 1000,
    }


async def store_conversation(
    url: str,
    conversation: ConversationId,
    members: Iterable[Row],
    messages: Sequence[Row] = (),
    receipts: Sequence[Row] = (),
    *,
    kind: str = "direct",
    rev: int | None = None,
) -> None:
    """Put a conversation into the tables as delivery would have left it; `rev` is the greatest of its messages'."""
    head = {
        "id": conversation,
        "kind": kind,
        "last_seq": max((row["seq"] for row in messages), default=0),
        "rev": max((row["rev"] for row in messages), default=0) if rev is None else rev,
    }
    await write(
        url,
        {tables.conversation: [head], tables.member: list(members), tables.message: messages, tables.receipt: receipts},
    )


async def insert(url: str, table: sa.Table, rows: Sequence[Row]) -> None:
    """Write rows of one table as its owner would."""
    await write(url, {table: rows})


async def write(url: str, content: Mapping[sa.Table, Sequence[Row]]) -> None:
    """Write rows in one transaction."""
    engine = open_engine(url, "writer", pool_size=1)
    try:
        async with engine.begin() as connection:
            for table, rows in content.items():
                for start in range(0, len(rows), 1000):
                    await connection.execute(sa.insert(table), rows[start : start + 1000])
    finally:
        await engine.dispose()


class Asker:
    """A gateway as history sees it."""

    def __init__(self, app: AsgiFastStream, connection: Connection) -> None:
        self.app = app
        self.connection = connection

    async def page(self, user: UserId, conversation: ConversationId, **more: Any) -> queries.Page[Any]:
        """Ask for a page."""
        question = queries.GetPage(user, conversation, **more)
        return await ask(self.connection, subjects.PAGE, question, queries.Page[Any], PATIENCE_S)

    async def resume(self, user: UserId, cursors: dict[ConversationId, int], **more: Any) -> queries.Resumed[Any]:
        """Ask for one part of what was missed."""
        question = queries.Resume(user, cursors, **more)
        return await ask(self.connection, subjects.RESUME, question, queries.Resumed[Any], PATIENCE_S)

    async def sync(self, user: UserId, conversation: ConversationId, limit: int, **more: Any) -> queries.Synced[Any]:
        """Ask for a sync page."""
        question = queries.Sync(user, conversation, limit, **more)
        return await ask(self.connection, subjects.SYNC, question, queries.Synced[Any], PATIENCE_S)

    async def members(self, conversation: ConversationId) -> queries.Members:
        """Ask who is in a conversation."""
        return await ask(
            self.connection, subjects.MEMBERS, queries.GetMembers(conversation), queries.Members, PATIENCE_S
        )

    async def message(self, user: UserId, message_id: MessageId) -> Any:
        """Ask for one message."""
        question = queries.GetMessage(user, message_id)
        return (await ask(self.connection, subjects.MESSAGE, question, queries.Found[Any], PATIENCE_S)).message

    async def outcomes(self, message_ids: list[MessageId]) -> list[queries.Outcome]:
        """Ask which messages are stored."""
        question = queries.FindOutcomes(message_ids)
        return (await ask(self.connection, subjects.OUTCOMES, question, queries.Outcomes, PATIENCE_S)).found

    async def conversations(self, user: UserId, **more: Any) -> queries.Conversations[Any]:
        """Ask for a page of a user's conversations."""
        question = queries.GetConversations(user, **more)
        return await ask(self.connection, subjects.CONVERSATIONS, question, queries.Conversations[Any], PATIENCE_S)

    async def conversation(self, user: UserId, conversation: ConversationId) -> Any:
        """Ask for one of a user's conversations."""
        question = queries.GetConversation(user, conversation)
        return (await ask(self.connection, subjects.CONVERSATION, question, queries.Found[Any], PATIENCE_S)).message

    async def undelivered(self, user: UserId, **more: Any) -> queries.UndeliveredPage:
        """Ask for a page of a user's messages that wait for somebody."""
        question = queries.GetUndelivered(user, **more)
        return await ask(self.connection, subjects.UNDELIVERED, question, queries.UndeliveredPage, PATIENCE_S)

    async def timeline(self, user: UserId, message_id: MessageId) -> queries.Timeline:
        """Ask for the way of a message."""
        question = queries.GetTimeline(user, message_id)
        return await ask(self.connection, subjects.TIMELINE, question, queries.Timeline, PATIENCE_S)

    async def receipts(self, user: UserId, message_id: MessageId) -> queries.MessageReceipts:
        """Ask who has, and has read, a message."""
        question = queries.GetReceipts(user, message_id)
        return await ask(self.connection, subjects.RECEIPTS, question, queries.MessageReceipts, PATIENCE_S)

    async def acquainted(self, user: UserId, *others: UserId) -> list[UserId]:
        """Ask whom of some users one may watch."""
        question = queries.FindAcquainted(user, list(others))
        return (await ask(self.connection, subjects.ACQUAINTED, question, queries.Acquainted, PATIENCE_S)).user_ids

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask the service's HTTP side; returns the status and the body."""
        sent: list[Any] = []

        async def send(event: Any) -> None:
            sent.append(event)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        await self.app(scope, receive, send)
        body = sent[1]["body"]
        return sent[0]["status"], json.loads(body) if path.startswith("/health") else body.decode()

    async def until_ready(self, *, is_ready: bool = True, failing: AbstractSet[str] = frozenset()) -> Any:
        """Wait until the service says that it is ready, or that just these parts fail; returns its checks."""
        async with asyncio.timeout(20):
            while True:
                status, body = await self.get("/health/ready")
                checks = body["checks"]
                if (status == 200) is is_ready and failing == {
                    name for name, check in checks.items() if check["status"] == "failing"
                }:
                    return checks
                await asyncio.sleep(0.05)

    async def until_connected(self) -> None:
        """Wait until the gateway's own connection is back."""
        async with asyncio.timeout(20):
            while True:
                if self.connection.is_connected:
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def started(database_url: str, nats_url: str) -> AsyncIterator[Asker]:
    """Run the service in this loop, ready or not."""
    app = build(Settings(database_url=database_url, nats_url=nats_url))
    connection = Connection(nats_url, "test")
    async with _lifespan(app):
        await connection.open()
        try:
            yield Asker(app, connection)
        finally:
            await connection.close()


@asynccontextmanager
async def _lifespan(app: AsgiFastStream) -> AsyncIterator[None]:
    """Begin and end an app as an ASGI server does: its lifespan is one task."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.ensure_future(app({"type": "lifespan"}, told.get, heard.put))
    await told.put({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await life


@asynccontextmanager
async def running(database_url: str, nats_url: str) -> AsyncIterator[Asker]:
    """Run the service in this loop until it is ready."""
    async with started(database_url, nats_url) as asker:
        await asker.until_ready()
        yield asker


def encoded(value: object) -> bytes:
    """Write JSON as the services do."""
    return msgspec.json.encode(value)
