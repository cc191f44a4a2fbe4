"""Every statement of history goes by the index that is meant, whether planned on empty tables or on full ones."""

import asyncio
import importlib
import json
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import asyncpg
import pytest

from services.history import store
from shared.database import tables
from shared.database.engine import KEY_LOOKUPS
from shared.database.migrate import upgrade
from shared.database.snapshot import Statement
from tests.support.postgres import PostgresServer


def statements() -> Iterator[tuple[str, Statement]]:
    for module in pkgutil.iter_modules(store.__path__):
        for name, value in vars(importlib.import_module(f"{store.__name__}.{module.name}")).items():
            for key, one in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(one, Statement):
                    yield f"{module.name}.{name}{key}", one


STATEMENTS = [pytest.param(one, id=name) for name, one in statements()]
TABLE = re.compile(rf"(?:FROM|JOIN)\s+(?:{'|'.join(tables.metadata.tables)})\s+(?:AS\s+)?(\w+)")


# One user is in every conversation, everybody else in one: to the planner, the index by user finds one row. What is
# asked of one conversation must not walk through all of that user's.
FILL = """
    INSERT INTO conversation (id, kind, last_seq, rev) SELECT 'c' || n, 'direct', 5, 5 FROM generate_series(1, 3000) n;
    INSERT INTO member (conversation_id, user_id, username, delivered_seq, read_seq, delivered_at_ms, read_at_ms)
        SELECT 'c' || n, u, u, 5, 5, 1, 1 FROM generate_series(1, 3000) n,
            LATERAL (VALUES ('ann'), ('u' || n), ('v' || n), ('w' || n), ('x' || n)) v(u);
    INSERT INTO message (conversation_id, seq, rev, first_rev, message_id, sender_id, sender, client_id, request,
            content, content_type, sent_at_ms)
        SELECT 'c' || n, s, s, s, n || '-' || s, 'ann', 'ann', '1', '', 'hi', 'text/plain', 1
        FROM generate_series(1, 3000) n, generate_series(1, 5) s;
    INSERT INTO receipt (conversation_id, user_id, state, up_to_seq, at_ms)
        SELECT 'c' || n, 'ann', state, 5, 1
        FROM generate_series(1, 3000) n, LATERAL (VALUES ('read'), ('delivered')) v(state);
    INSERT INTO block (conversation_id, blocker_id, blocked_id, blocked, at_ms)
        SELECT 'c' || n, 'ann', 'u' || n, 'u' || n, 1 FROM generate_series(1, 3000) n;
    INSERT INTO member_setting (conversation_id, user_id, changed_at_ms)
        SELECT 'c' || n, 'ann', 1 FROM generate_series(1, 3000) n;
    INSERT INTO retry (user_id, conversation_id, username, state, attempt, up_to_seq, opened_at_ms, next_at_ms)
        SELECT 'ann', 'c' || n, 'ann', 'waiting', 1, 5, 1, 1 FROM generate_series(1, 3000) n;
    INSERT INTO retry_attempt (conversation_id, user_id, up_to_seq, at_ms, after_seq, attempt, outcome)
        SELECT 'c' || n, 'ann', 5, 1, 1, 1, 'retrying' FROM generate_series(1, 3000) n;
    INSERT INTO account (id, username, display_name, password_hash, created_at_ms)
        SELECT 'u' || n, 'u' || n, 'u', '', 1 FROM generate_series(1, 3000) n;
    ANALYZE;
    """
KEY_FILTERED = re.compile(r"\b(conversation_id|user_id|blocker_id|id) = ")


@pytest.fixture(scope="module", params=["SELECT 1", FILL], ids=["empty", "filled"])
def planned_postgres(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    async def fill(url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            await connection.execute(request.param)
        finally:
            await connection.close()

    with postgres.fresh_database() as url:
        upgrade(url)
        asyncio.run(fill(url))
        yield url


@pytest.fixture(scope="module")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plans") / "parley.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return str(path)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_postgresql_looks_up_by_key(planned_postgres: str, statement: Statement) -> None:
    settings = {**KEY_LOOKUPS, "plan_cache_mode": "force_generic_plan"}
    connection = await asyncpg.connect(planned_postgres.replace("+asyncpg", ""), server_settings=settings)
    try:
        await connection.execute(f"PREPARE asked AS {statement.postgresql}")
        count = len((await connection.prepare(statement.postgresql)).get_parameters())
        values = [
            "'[]'" if f"json_array_elements(${place}" in statement.postgresql else "'1'"
            for place in range(1, count + 1)
        ]
        execute = f"EXECUTE asked({', '.join(values)})" if values else "EXECUTE asked"
        plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {execute}"))[0]["Plan"]
    finally:
        await connection.close()
    for node in nodes(plan):
        assert node["Node Type"] != "Seq Scan", plan
        if node["Node Type"] in {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}:
            assert "Index Cond" in node, plan
            is_found = "message_id" in node["Index Cond"]
            assert is_found or not KEY_FILTERED.search(node.get("Filter", "")), plan


@pytest.mark.parametrize("statement", STATEMENTS)
def test_sqlite_looks_up_by_key(empty_sqlite: str, statement: Statement) -> None:
    values = ["[]" if f"json_each(?{place})" in statement.sqlite else 1 for place in range(1, 10)]
    with closing(sqlite3.connect(empty_sqlite)) as connection:
        count = max((int(place) for place in re.findall(r"\?(\d)", statement.sqlite)), default=0)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sqlite}", values[:count])]
    scanned = {line.split()[1] for line in plan if line.startswith("SCAN")}
    assert not scanned & set(TABLE.findall(statement.sqlite)), plan


def test_none_of_the_statements_is_overlooked() -> None:
    assert len(STATEMENTS) > 20
