"""History as a service: what its questions cost, and what it says when a part it stands on is away."""

import asyncio
import os
import signal
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from services.history import store as history_store
from shared.broker.rpc import FAILED_HEADER
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId
from shared.database import tables
from shared.database.migrate import upgrade
from shared.database.snapshot import Statement
from tests.support.children import spawn, stop, wait_until
from tests.support.history import (
    ANN,
    BEN,
    DIRECT,
    NOON,
    insert,
    member_row,
    message_row,
    receipt_row,
    running,
    started,
    store_conversation,
)
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Collect every statement that reaches a driver, but for the frame of the transactions."""
    seen: list[str] = []

    def on_statement(statement: Any) -> None:
        text = statement if isinstance(statement, str) else statement.query
        if not text.startswith(("BEGIN", "ROLLBACK", "PRAGMA")):
            seen.append(text)

    def on_connect(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(on_statement)
        elif isinstance(connection.driver_connection, asyncpg.Connection):
            connection.driver_connection.add_query_logger(on_statement)

    sa.event.listen(sa.pool.Pool, "connect", on_connect)
    yield seen
    sa.event.remove(sa.pool.Pool, "connect", on_connect)


async def many_conversations(url: str, count: int, messages: int) -> None:
    for number in range(count):
        name = ConversationId(f"c{number:03}")
        await store_conversation(
            url,
            name,
            [member_row(name, ANN), member_row(name, BEN, messages, messages)],
            [message_row(name, seq, (ANN, BEN)[seq % 2]) for seq in range(1, messages + 1)],
            [receipt_row(name, BEN, "read", seq, seq) for seq in range(1, messages + 1)],
        )


async def test_a_page_costs_three_statements_whatever_its_size(
    migrated_url: str, nats_url: str, statements: list[str]
) -> None:
    await many_conversations(migrated_url, 1, 300)
    name = ConversationId("c000")
    known = MessageId(message_row(name, 150, ANN)["message_id"])
    async with running(migrated_url, nats_url) as history:
        await history.page(ANN, name)  # the first question of a connection learns types
        for place, expected in (
            ({}, 3),
            ({"before_seq": 250}, 3),
            ({"after_seq": 20}, 3),
            ({"before_id": known}, 4),
            ({"around": known}, 4),
            ({"at_ms": NOON}, 4),
        ):
            for limit in (1, 200):
                statements.clear()
                await history.page(ANN, name, limit=limit, **place)
                assert len(statements) == expected, place


async def test_a_resume_costs_the_same_statements_for_3_conversations_as_for_60(
    migrated_url: str, nats_url: str, statements: list[str]
) -> None:
    await many_conversations(migrated_url, 60, 3)
    cursors = {ConversationId(f"c{number:03}"): 1 for number in range(0, 60, 2)}
    async with running(migrated_url, nats_url) as history:
        await history.resume(ANN, cursors)
        costs = []
        for after, conversations in (("", 60), ("c056", 3)):
            statements.clear()
            part = await history.resume(ANN, cursors, after=after)
            assert len(part.conversations) == conversations
            costs.append(len(statements))
        assert costs == [6, 6]


async def test_the_list_costs_the_same_statements_for_3_conversations_as_for_60(
    migrated_url: str, nats_url: str, statements: list[str]
) -> None:
    await many_conversations(migrated_url, 60, 2)
    async with running(migrated_url, nats_url) as history:
        await history.conversations(ANN)
        for more in ({}, {"archived": False}):
            for limit in (3, 60):
                statements.clear()
                page = await history.conversations(ANN, limit=limit, **more)
                assert (len(page.items), len(statements)) == (limit, 7)
        statements.clear()
        await history.conversation(ANN, ConversationId("c000"))
        assert len(statements) == 7


async def test_all_that_is_read_in_a_snapshot_agrees(migrated_url: str) -> None:
    await many_conversations(migrated_url, 1, 3)
    name = ConversationId("c000")
    store = history_store.Store(migrated_url)

    def write() -> None:
        asyncio.run(insert(migrated_url, tables.message, [message_row(name, 4, ANN)]))
        asyncio.run(insert(migrated_url, tables.epoch, [{"id": 1, "value": "later"}]))

    def reading() -> history_store.Read[None]:
        before = yield from history_store.conversation(name)
        with ThreadPoolExecutor(1) as writer:
            writer.submit(write).result()
        assert (yield from history_store.epoch()) == ""
        assert (yield from history_store.conversation(name)) == before

    try:
        await store.read(reading())
        assert await store.read(history_store.epoch()) == "later"
    finally:
        await store.close()


async def test_what_cannot_be_read_as_a_question_is_invalid(migrated_url: str, nats_url: str) -> None:
    async with running(migrated_url, nats_url) as history:
        for payload in (b"", b"no json", b"[]", b"{}", b'{"user_id":1,"conversation_id":"c"}'):
            reply = await history.connection.request(subjects.PAGE, payload)
            assert reply.headers[FAILED_HEADER] == "1"
            assert b'"code":"invalid"' in reply.payload
        assert 'history_query_failures_total{code="invalid",query="page"} 5.0' in (await history.get("/metrics"))[1]


async def test_more_questions_than_connections_are_all_answered(migrated_url: str, nats_url: str) -> None:
    await many_conversations(migrated_url, 1, 50)
    async with running(migrated_url, nats_url) as history, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(history.page(ANN, ConversationId("c000"))) for _ in range(200)]
    assert {len(page.result().messages) for page in asked} == {50}


async def test_health_names_what_it_looked_at(migrated_url: str, nats_url: str) -> None:
    async with running(migrated_url, nats_url) as history:
        assert (await history.get("/health/live"))[0] == 200
        assert set(await history.until_ready()) == {"broker", "database", "schema", "last_read"}
        assert "history_query_seconds" in (await history.get("/metrics"))[1]


async def test_a_database_that_comes_later_is_found(database_url: str, nats_url: str) -> None:
    async with started(database_url, nats_url) as history:
        checks = await history.until_ready(is_ready=False, failing={"database", "schema", "last_read"})
        assert "DatabaseAway" in checks["database"]["detail"]
        with pytest.raises(Refusal) as refused:
            await history.page(ANN, DIRECT)
        assert refused.value.code == Code.UNAVAILABLE
        await asyncio.to_thread(upgrade, database_url)
        await history.until_ready()
        assert (await history.page(ANN, DIRECT)).messages == []


async def test_a_database_that_went_away_is_unavailable_until_it_is_back(
    postgres: PostgresServer, postgres_url: str, nats_url: str
) -> None:
    await asyncio.to_thread(upgrade, postgres_url)
    name = sa.make_url(postgres_url).database
    async with running(postgres_url, nats_url) as history:
        await history.page(ANN, DIRECT)
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
        with pytest.raises(Refusal) as refused:
            await history.page(ANN, DIRECT)
        assert refused.value.code == Code.UNAVAILABLE
        assert (await history.get("/health/ready"))[0] == 503
        assert (await history.get("/health/live"))[0] == 200
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await history.until_ready()
        assert (await history.page(ANN, DIRECT)).messages == []


async def test_a_statement_that_takes_too_long_is_given_up_and_the_next_one_works(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_store, "PATIENCE_S", 0.3)
    endless = Statement("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n")
    store = history_store.Store(migrated_url)
    try:
        for _ in range(history_store.CONNECTIONS + 1):
            with pytest.raises(history_store.DatabaseAway):
                await store.read(endless.rows())
        assert store.last_read is None
        await store.read(history_store.epoch())
        assert store.last_read is not None
    finally:
        await store.close()


async def test_a_broker_that_went_away_is_seen_and_found_again(migrated_url: str, nats_server: NatsServer) -> None:
    async with running(migrated_url, nats_server.url) as history:
        nats_server.kill()
        await history.until_ready(is_ready=False, failing={"broker"})
        nats_server.start()
        await history.until_ready()
        await history.until_connected()
        assert (await history.page(ANN, DIRECT)).messages == []


def test_the_process_waits_for_its_broker_and_ends_with_0_on_sigterm(
    sqlite_url: str, nats_server: NatsServer, tmp_path: Path
) -> None:
    upgrade(sqlite_url)
    port, log = free_port(), tmp_path / "history.log"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
        "PARLEY_DATABASE_URL": sqlite_url,
        "PARLEY_NATS_URL": nats_server.url,
        "PARLEY_HTTP_PORT": str(port),
    }
    nats_server.stop()
    child = spawn([sys.executable, "-m", "services.history.app"], log=log, env=environ, cwd=ROOT)
    try:
        wait_until(lambda: _status(port, "live") == 200, child=child, log=log, what="history")
        assert _status(port, "ready") == 503
        nats_server.start()
        wait_until(lambda: _status(port, "ready") == 200, child=child, log=log, what="history")
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0, log.read_text()
    finally:
        stop(child, how=signal.SIGKILL)
        nats_server.restart()


def _status(port: int, what: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/{what}", timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0
