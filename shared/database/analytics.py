"""Figures about messages: how many, how fast they arrive and are read, what waits; counts alone, never a content.

All of it is read in one snapshot within a time limit. No index knows when a message was sent, so `message` is read
from end to end a few times; the ways of single messages are looked up by key, for the latest ones only.
"""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.engine import open_engine
from shared.database.tables import account, conversation, member, message, metadata, receipt, retry, sign_in

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_WAYS: Final = 1_000_000
"""At most so many pairs of a message and a recipient are followed, however large the groups are."""


class TooSlow(Exception):
    """The figures could not be read within the time limit."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: since when (Unix milliseconds), in steps of what length, the ways of how many messages."""

    since_ms: int
    step_ms: int
    ways: int


@dataclass(slots=True)
class Step:
    """An hour or a day: what was sent in it; and what of that has arrived, or was read, recipient by recipient."""

    begins_ms: int
    sent: int = 0
    looked_at: int = 0
    delivered: int = 0
    read: int = 0


@dataclass(slots=True)
class Size:
    """A table: its rows (an estimate where `is_about`) and, where the database tells, its bytes with its indexes."""

    rows: int
    bytes: int | None
    is_about: bool = False


@dataclass(slots=True)
class Analytics:
    """The figures. `looked_at`, `delivered` and `read` count pairs of a message and one of its recipients."""

    sent: int = 0
    senders: int = 0
    active_users: int = 0
    active_conversations: int = 0
    looked_at: int = 0
    delivered: int = 0
    read: int = 0
    ways_of_messages: int = 0
    to_delivered_ms: list[int] = field(default_factory=list)
    to_read_ms: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    undelivered: int = 0
    undelivered_to: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    accounts: int = 0
    disabled_accounts: int = 0
    conversations: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    bytes: int = 0


async def analyse(url: str, window: Window, timeout_s: float) -> Analytics:
    """Read the figures.

    Raises:
        TooSlow: they take longer than `timeout_s`.
        What a database raises that is away.
    """
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return await _read_in_time(connection, window, timeout_s)
    finally:
        await engine.dispose()


async def _read_in_time(connection: AsyncConnection, window: Window, timeout_s: float) -> Analytics:
    is_over = threading.Event()
    if connection.dialect.name == "sqlite":
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.set_progress_handler(is_over.is_set, _STEPS)
    reading = asyncio.ensure_future(connection.run_sync(_read, window))
    done, _ = await asyncio.wait({reading}, timeout=timeout_s)
    if not done:
        is_over.set()
        if connection.dialect.name == "postgresql":
            reading.cancel()  # asyncpg has the server cancel the statement
        await asyncio.wait({reading})
        if reading.cancelled() or reading.exception() is not None:
            raise TooSlow
    return reading.result()


_STEPS: Final = 1000
"""So many steps of SQLite's machine are made between two looks at the clock."""


def _read(connection: sa.Connection, window: Window) -> Analytics:
    found = Analytics()
    _read_sent(connection, window, found)
    _read_ways(connection, window, found)
    _read_waiting(connection, found)
    _read_sizes(connection, found)
    return found


def _read_sent(connection: sa.Connection, window: Window, found: Analytics) -> None:
    is_in = message.c.sent_at_ms >= window.since_ms
    begins = (message.c.sent_at_ms // sa.literal(window.step_ms, sa.BigInteger)).label("begins")
    steps = sa.select(begins, sa.func.count()).where(is_in).group_by(begins).order_by(begins)
    found.steps = [Step(row[0] * window.step_ms, row[1]) for row in connection.execute(steps)]
    found.sent = sum(step.sent for step in found.steps)
    distinct = (sa.func.count(message.c.sender_id.distinct()), sa.func.count(message.c.conversation_id.distinct()))
    found.senders, found.active_conversations = connection.execute(sa.select(*distinct).where(is_in)).one()
    active = sa.union(
        sa.select(message.c.sender_id).where(is_in),
        sa.select(receipt.c.user_id).where(receipt.c.at_ms >= window.since_ms),
        sa.select(sign_in.c.user_id).where(sign_in.c.last_used_at_ms >= window.since_ms),
    ).subquery()
    found.active_users = connection.scalar(sa.select(sa.func.count()).select_from(active)) or 0


def _read_ways(connection: sa.Connection, window: Window, found: Analytics) -> None:
    """Look up when the latest messages arrived with each recipient, and were read, as far as others may see that."""
    latest = (
        sa.select(message.c.conversation_id, message.c.seq, message.c.sender_id, message.c.sent_at_ms)
        .where(message.c.sent_at_ms >= window.since_ms)
        .order_by(message.c.sent_at_ms.desc())
        .limit(window.ways)
        .subquery()
    )

    def passed(state: str) -> sa.ScalarSelect[int]:
        return (
            sa.select(receipt.c.at_ms)
            .where(
                receipt.c.conversation_id == latest.c.conversation_id,
                receipt.c.user_id == member.c.user_id,
                receipt.c.state == state,
                receipt.c.up_to_seq >= latest.c.seq,
            )
            .order_by(receipt.c.up_to_seq)
            .limit(1)
            .scalar_subquery()
        )

    question = (
        sa.select(
            latest.c.sent_at_ms,
            sa.or_(member.c.delivered_seq >= latest.c.seq, member.c.read_seq >= latest.c.seq),
            member.c.shown_read_seq >= latest.c.seq,
            passed("delivered"),
            passed("read"),
        )
        .join(member, member.c.conversation_id == latest.c.conversation_id)
        .where(member.c.user_id != latest.c.sender_id, member.c.left_rev.is_(None))
        .limit(MAX_WAYS)
        .execution_options(yield_per=1000)
    )
    steps = {step.begins_ms: step for step in found.steps}
    for sent_ms, is_delivered, is_read, delivered_ms, read_ms in connection.execute(question):
        step = steps[sent_ms // window.step_ms * window.step_ms]
        step.looked_at += 1
        step.delivered += bool(is_delivered)
        step.read += bool(is_read)
        got_ms = min((ms for ms in (delivered_ms, read_ms) if ms is not None), default=None)
        if is_delivered and got_ms is not None:
            found.to_delivered_ms.append(max(0, got_ms - sent_ms))
        if is_read and read_ms is not None:
            found.to_read_ms.append(max(0, read_ms - sent_ms))
    found.ways_of_messages = min(found.sent, window.ways)
    found.looked_at = sum(step.looked_at for step in found.steps)
    found.delivered = sum(step.delivered for step in found.steps)
    found.read = sum(step.read for step in found.steps)


def _read_waiting(connection: sa.Connection, found: Analytics) -> None:
    reached = sa.case((member.c.read_seq > member.c.delivered_seq, member.c.read_seq), else_=member.c.delivered_seq)
    lacking = (
        sa.select(sa.func.count(), sa.func.count(member.c.user_id.distinct()))
        .select_from(member)
        .join(conversation, conversation.c.id == member.c.conversation_id)
        .join(message, sa.and_(message.c.conversation_id == member.c.conversation_id, message.c.seq > reached))
        .where(member.c.left_rev.is_(None), conversation.c.last_seq > reached, message.c.sender_id != member.c.user_id)
    )
    found.undelivered, found.undelivered_to = connection.execute(lacking).one()
    found.retries = _counts(connection, retry.c.state)


def _read_sizes(connection: sa.Connection, found: Analytics) -> None:
    is_disabled = account.c.disabled_at_ms.is_not(None)
    disabled = sa.select(sa.func.count()).select_from(account).where(is_disabled)
    found.disabled_accounts = connection.scalar(disabled) or 0
    found.conversations = _counts(connection, conversation.c.kind)
    if connection.dialect.name == "postgresql":
        rows = connection.execute(
            sa.text(
                "SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            )
        )
        known = {row[0]: (row[1], row[2]) for row in rows}
        found.bytes = connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0
    else:
        known = {}
        pages = connection.execute(sa.text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
        found.bytes = pages.scalar_one()
    for table in metadata.sorted_tables:
        about, size = known.get(table.name, (0, None))
        is_about = about > _COUNTED
        rows_of = about if is_about else connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        found.sizes[table.name] = Size(rows_of, size, is_about)
    found.accounts = found.sizes["account"].rows


_COUNTED: Final = 1_000_000
"""Tables that PostgreSQL takes to have more rows are not counted: its estimate will do."""


def _counts(connection: sa.Connection, column: sa.Column[str]) -> dict[str, int]:
    counted = sa.select(column, sa.func.count()).group_by(column).order_by(column)
    return {value: count for value, count in connection.execute(counted)}  # noqa: C416 - rows are no tuples
