"""Every statement of history goes by an index, also when it was planned while the tables were empty."""

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


@pytest.fixture(scope="module")
def empty_postgres(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_database() as url:
        upgrade(url)
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
async def test_postgresql_looks_up_by_key(empty_postgres: str, statement: Statement) -> None:
    settings = {**KEY_LOOKUPS, "plan_cache_mode": "force_generic_plan"}
    connection = await asyncpg.connect(empty_postgres.replace("+asyncpg", ""), server_settings=settings)
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
