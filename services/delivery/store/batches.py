"""All of delivery's SQL: one transaction takes a batch of the log together with its position, or nothing of it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar, cast

import sqlalchemy as sa
import sqlalchemy.exc

from services.delivery.domain.commands import decide, recall
from services.delivery.domain.values import (
    BlockRow,
    Changes,
    Conversation,
    Item,
    Kind,
    MemberState,
    Operation,
    Outcome,
    StoredMessage,
    View,
)
from services.delivery.store.statements import Statements
from shared.contracts.commands import SendMessage, SetBlock
from shared.contracts.ids import ConversationId, LogId, MessageId, UserId, Username
from shared.database import tables
from shared.database.engine import KEY_LOOKUPS, is_sqlite, open_engine, open_sync_sqlite
from shared.database.pools import pool_in_use, pool_room

T = TypeVar("T")

STORE_ERRORS: Final = (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError, OSError)
"""What a call may raise when the database, or the way to it, is at fault."""
CACHED_CONVERSATIONS: Final = 50_000


class Overtaken(Exception):
    """Another worker has moved a position that this one started from: nothing was written."""


class Poisoned(Exception):
    """A command of the batch can never be applied: nothing was written."""


class Place(NamedTuple):
    """How far a partition is applied, and announced, in which log."""

    log_id: LogId
    stream_seq: int
    announced_seq: int


@dataclass(frozen=True, slots=True)
class Advance:
    """The positions before and after a batch: partition → (before, after, announced)."""

    log_id: LogId
    moves: Mapping[int, tuple[int, int, int]]


class Store:
    """Delivery's tables. What it remembers of conversations is true as long as its position is: see `forget`."""

    def __init__(self, url: str) -> None:
        self._sql = Statements("sqlite" if is_sqlite(url) else "postgresql")
        self._conversations: dict[ConversationId, Conversation] = {}
        self._blockers: dict[ConversationId, frozenset[UserId]] = {}
        self._thread = ThreadPoolExecutor(1, "delivery-writer") if is_sqlite(url) else None
        self._sqlite = open_sync_sqlite(url) if is_sqlite(url) else None
        self._postgres = None if is_sqlite(url) else open_engine(url, "writer", pool_size=2, planner=KEY_LOOKUPS)

    @property
    def remembered(self) -> int:
        """How many conversations are remembered."""
        return len(self._conversations)

    @property
    def room(self) -> int:
        """How many connections there may be."""
        return 1 if self._postgres is None else pool_room(self._postgres)

    @property
    def in_use(self) -> int:
        """How many connections are lent right now; on SQLite nobody knows."""
        return 0 if self._postgres is None else pool_in_use(self._postgres)

    async def close(self) -> None:
        """Close the connections."""
        if self._thread is not None and self._sqlite is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._sqlite.dispose)
            self._thread.shutdown()
        if self._postgres is not None:
            await self._postgres.dispose()

    def forget(self) -> None:
        """Drop what is remembered; after anything that shows that somebody else may have written."""
        self._conversations.clear()
        self._blockers.clear()

    async def ping(self) -> str:
        """Ask the database for anything; returns the kind of database."""

        def read(tx: sa.Connection) -> str:
            tx.execute(sa.text("SELECT 1"))
            return tx.dialect.name

        return await self.in_transaction(read)

    async def places(self) -> dict[int, Place]:
        """Return the position of every partition; empty for a new database."""

        def read(tx: sa.Connection) -> dict[int, Place]:
            table = tables.log_position
            rows = tx.execute(sa.select(table.c.partition, table.c.log_id, table.c.stream_seq, table.c.announced_seq))
            return {row.partition: Place(LogId(row.log_id), row.stream_seq, row.announced_seq) for row in rows}

        return await self.in_transaction(read)

    async def begin_log(self, log_id: LogId, partitions: int, *, after_seq: int, replaces: LogId | None) -> None:
        """Count positions in a log from now on, beginning behind `after_seq`.

        `replaces` names the log they were counted in until now (None: a new database, whose epoch is named after
        its first log). Where another worker was faster nothing is changed.
        """

        def write(tx: sa.Connection) -> None:
            table = tables.log_position
            if replaces is None:
                if tx.scalar(sa.select(tables.epoch.c.value)) is None:
                    tx.execute(sa.insert(tables.epoch).values(id=1, value=f"e-{log_id}"))
            elif not tx.execute(sa.delete(table).where(table.c.log_id == replaces)).rowcount:
                return
            _begin_positions(tx, log_id, partitions, after_seq)

        self.forget()
        try:
            await self.in_transaction(write)
        except sqlalchemy.exc.IntegrityError:  # another worker wrote the same rows in the meantime
            return

    async def accept_gap(self, log_id: LogId, partitions: int, *, after_seq: int, new_epoch: str) -> None:
        """Go on behind `after_seq` whatever was lost before it; clients see another epoch and drop their caches."""

        def write(tx: sa.Connection) -> None:
            tx.execute(sa.delete(tables.log_position))
            tx.execute(sa.delete(tables.epoch))
            tx.execute(sa.insert(tables.epoch).values(id=1, value=new_epoch))
            _begin_positions(tx, log_id, partitions, after_seq)

        self.forget()
        await self.in_transaction(write)

    async def apply(self, items: Sequence[Item], advance: Advance, now_ms: int) -> list[Outcome]:
        """Carry out commands and move the position, in one transaction; `now_ms` is noted, nothing depends on it.

        Raises:
            Overtaken: the position was not where `advance` starts.
            Poisoned: a command can never be applied; `find_poison` tells which.
            One of STORE_ERRORS.
        """

        def write(tx: sa.Connection) -> list[Outcome]:
            self._advance(tx, advance)  # first: its row locks make a second worker wait before it reads
            if not items:
                return []
            outcomes, changes = decide(items, self._view(tx, items))
            self._write(tx, changes, now_ms)
            return outcomes

        try:
            return await self.in_transaction(write)
        except BaseException as error:
            self.forget()
            if _is_poison(error):
                raise Poisoned from error
            raise

    async def recall(self, items: Sequence[Item]) -> list[Outcome]:
        """Find again what came of commands that are applied already."""
        return await self.in_transaction(lambda tx: recall(items, self._view(tx, items)))

    async def find_poison(self, items: Sequence[Item]) -> dict[tuple[int, int], str]:
        """Try commands one by one, write nothing, and return why those fail that never can be applied.

        The keys are (sequence, place).
        """
        poison: dict[tuple[int, int], str] = {}

        def attempt(tx: sa.Connection) -> None:
            for item in items:
                self.forget()
                try:
                    with tx.begin_nested():
                        _, changes = decide([item], self._view(tx, [item]))
                        self._write(tx, changes, 0)
                except Exception as error:
                    if not _is_poison(error):
                        raise
                    poison[item.seq, item.place] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise _DryRun

        try:
            await self.in_transaction(attempt)
        except _DryRun:
            pass
        finally:
            self.forget()
        return poison

    async def in_transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction: on SQLite as one call in one thread, on PostgreSQL over asyncpg."""
        if self._postgres is not None:
            async with self._postgres.begin() as connection:
                return await connection.run_sync(work)

        def transact() -> T:
            assert self._sqlite is not None  # noqa: S101 - one of the two engines is there
            with self._sqlite.begin() as tx:
                return work(tx)

        # A started transaction runs to its end in the thread, even when nobody waits for it any more.
        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)

    def _advance(self, tx: sa.Connection, advance: Advance) -> None:
        moves = [(partition, *move) for partition, move in sorted(advance.moves.items())]
        moved = tx.exec_driver_sql(self._sql.advance, (json.dumps(moves), advance.log_id)).rowcount
        if moved != len(moves):
            raise Overtaken

    def _view(self, tx: sa.Connection, items: Sequence[Item]) -> View:
        ids = _ids_in(items)
        messages = {row[4]: _stored(row) for row in self._find(tx, self._sql.find_messages, ids)}
        operations = {row[0]: Operation._make(row) for row in self._find(tx, self._sql.find_operations, ids)}
        wanted = {item.command.conversation_id for item in items}
        wanted.update(message.conversation_id for message in messages.values())
        remembered = self._conversations
        if len(remembered) > CACHED_CONVERSATIONS:
            self.forget()
        missing = [conversation_id for conversation_id in wanted if conversation_id not in remembered]
        if missing:
            self._read_conversations(tx, missing)
        # Conversations that come into being are put into what is remembered: it is the view's own dictionary.
        return View(remembered, messages, operations, self._blockers)

    @staticmethod
    def _find(tx: sa.Connection, statement: str, ids: Sequence[str]) -> Sequence[Sequence[Any]]:
        return tx.exec_driver_sql(statement, (json.dumps(ids),)).all() if ids else ()

    def _read_conversations(self, tx: sa.Connection, ids: Sequence[ConversationId]) -> None:
        keys = (json.dumps(ids),)
        for conversation_id, kind, last_seq, rev in tx.exec_driver_sql(self._sql.find_conversations, keys).all():
            self._conversations[conversation_id] = Conversation(cast("Kind", kind), last_seq, rev)
        for row in tx.exec_driver_sql(self._sql.find_members, keys).all():
            self._conversations[row[0]].members[UserId(row[1])] = MemberState(Username(row[2]), *row[3:])
        for conversation_id in ids:
            self._blockers.pop(conversation_id, None)
            if conversation_id in self._conversations:
                self._conversations[conversation_id].count_members()
        for conversation_id, blocker in tx.exec_driver_sql(self._sql.find_blockers, keys).all():
            self._blockers[conversation_id] = self._blockers.get(conversation_id, frozenset()) | {blocker}

    def _write(self, tx: sa.Connection, changes: Changes, now_ms: int) -> None:
        view = self._conversations
        if changes.messages:
            tx.exec_driver_sql(self._sql.insert_messages, [_row(message, now_ms) for message in changes.messages])
        if changes.heads:
            heads = [
                (conversation_id, head.kind, head.last_seq, head.rev)
                for conversation_id in sorted(changes.heads)
                for head in (view[conversation_id],)
            ]
            tx.exec_driver_sql(self._sql.upsert_conversations, heads)
        if changes.members:
            tx.exec_driver_sql(self._sql.upsert_members, _member_rows(view, sorted(changes.members)))
        if changes.receipts:
            tx.exec_driver_sql(self._sql.insert_receipts, changes.receipts)
        if changes.delivered:
            reached = [(user, c, view[c].members[user].delivered_seq) for c, user in sorted(changes.delivered)]
            tx.exec_driver_sql(self._sql.close_retries, (json.dumps(reached),))
        if changes.operations:
            tx.exec_driver_sql(self._sql.insert_operations, changes.operations)
        if changes.blocks:
            self._write_blocks(tx, changes.blocks)

    def _write_blocks(self, tx: sa.Connection, blocks: Mapping[tuple[ConversationId, UserId], BlockRow | None]) -> None:
        table = tables.block
        for conversation_id, blocker in blocks:
            tx.execute(
                sa.delete(table).where(table.c.conversation_id == conversation_id, table.c.blocker_id == blocker)
            )
        rows = [row._asdict() for row in blocks.values() if row is not None]
        if rows:
            tx.execute(sa.insert(table), rows)


def _is_poison(error: BaseException) -> bool:
    """Tell whether the same command would fail again for ever: its data is at fault, not the database."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, sqlalchemy.exc.DataError) or state.startswith(_DATA_EXCEPTION)
    return isinstance(error, ValueError | TypeError | OverflowError | LookupError)


_DATA_EXCEPTION: Final = "22"  # the class of SQLSTATE, https://www.postgresql.org/docs/15/errcodes-appendix.html


class _DryRun(Exception):
    """Ends a transaction that shall leave nothing behind."""


def _begin_positions(tx: sa.Connection, log_id: LogId, partitions: int, after_seq: int) -> None:
    rows = [
        {"partition": p, "log_id": log_id, "stream_seq": after_seq, "announced_seq": after_seq}
        for p in range(partitions)
    ]
    tx.execute(sa.insert(tables.log_position), rows)


def _ids_in(items: Iterable[Item]) -> list[MessageId]:
    """List the ids under which messages or operations of these commands may be known."""
    ids: list[MessageId] = []
    for item in items:
        command = item.command
        if isinstance(command, SendMessage):
            ids.append(command.message_id)
            if command.reply_to is not None:
                ids.append(command.reply_to)
        elif isinstance(command, SetBlock):
            ids.append(command.operation_id)
    return ids


def _row(message: StoredMessage, now_ms: int) -> tuple[Any, ...]:
    mentions = json.dumps(message.mentions) if message.mentions else None
    return (*message[:-1], mentions, now_ms)


def _stored(row: Sequence[Any]) -> StoredMessage:
    *columns, mentions, _stored_at_ms = row
    return StoredMessage._make((*columns, tuple(json.loads(mentions)) if mentions else ()))


def _member_rows(
    view: Mapping[ConversationId, Conversation], keys: Iterable[tuple[ConversationId, UserId]]
) -> list[tuple[Any, ...]]:
    rows = []
    for conversation_id, user_id in keys:
        member = view[conversation_id].members[user_id]
        rows.append(
            (
                conversation_id,
                user_id,
                member.username,
                member.delivered_seq,
                member.read_seq,
                member.delivered_at_ms,
                member.read_at_ms,
                member.left_rev,
                member.shown_read_seq,
                member.shown_read_at_ms,
            )
        )
    return rows
