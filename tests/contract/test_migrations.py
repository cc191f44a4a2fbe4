"""Migrations expand the schema, so that programs of before go on working with it; only one that says so contracts."""

import importlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from shared.database import migrate, schema
from shared.database.schema import HEAD, MIGRATIONS, REVISIONS
from shared.database.tables import metadata
from tests.support.upgrade import in_database, run_sql
from tests.support.upgrade_schema import (
    ColumnShape,
    Shape,
    TableShape,
    contractions,
    fill,
    new_indexes,
    rows_of,
    shape_of,
)

CONTRACTS = re.compile(r"^Contracts: nothing reads or writes it since revision (\d{4})\.$", re.MULTILINE)
"""The line in the docstring of a migration that takes something away."""
STEPS = list(pairwise(REVISIONS))
FILES = sorted(MIGRATIONS.glob("versions/[0-9]*.py"))


def migration(revision: str) -> ModuleType:
    (file,) = (file for file in FILES if file.name.startswith(revision))
    return importlib.import_module(f"shared.database.migrations.versions.{file.stem}")


def columns_of(shape: Shape) -> dict[str, list[str]]:
    return {name: list(table.columns) for name, table in shape.items()}


def test_migrations_are_one_chain_and_each_file_is_named_after_its_revision() -> None:
    assert len(FILES) == len(REVISIONS)
    before = None
    for revision in REVISIONS:
        module = migration(revision)
        assert (module.revision, module.down_revision) == (revision, before)
        before = revision


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_a_step_only_expands_or_says_since_when_nothing_needs_what_it_takes_away(
    before: str, after: str, database_url: str
) -> None:
    migrate.upgrade(database_url, before)
    old = in_database(database_url, shape_of)
    migrate.upgrade(database_url, after)
    new = in_database(database_url, shape_of)
    module = migration(after)
    marker = CONTRACTS.search(module.__doc__ or "")
    if marker is None:
        assert contractions(old, new) == [], f"{after} contracts: see CONTRIBUTING.md, section Migrations"
    else:
        assert marker[1] in REVISIONS[: REVISIONS.index(after)], (
            f"{after} must come after {marker[1]}, in a later release"
        )
    source = Path(str(module.__file__)).read_text()
    assert not new_indexes(old, new) or "build_index(" in source, "use build_index: a big table is written meanwhile"


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_a_step_keeps_all_rows_and_takes_those_that_a_program_of_before_writes(
    before: str, after: str, database_url: str
) -> None:
    known: dict[str, list[str]] = {}
    for revision in REVISIONS[: REVISIONS.index(before) + 1]:
        migrate.upgrade(database_url, revision)
        shape = in_database(database_url, shape_of)
        added = {name: list(table.columns) for name, table in shape.items() if name not in known}
        in_database(database_url, partial(fill, salt="old", columns=added))
        known = columns_of(shape)
    rows = in_database(database_url, rows_of)
    assert all(rows.values()), "every table has rows"
    migrate.upgrade(database_url, after)
    present = columns_of(in_database(database_url, shape_of))
    if CONTRACTS.search(migration(after).__doc__ or ""):
        return
    assert in_database(database_url, lambda connection: rows_of(connection, known)) == rows
    in_database(database_url, lambda connection: fill(connection, "newer", known))
    now = in_database(database_url, lambda connection: rows_of(connection, known))
    assert {name: len(each) for name, each in now.items()} == {name: len(each) + 3 for name, each in rows.items()}
    assert present.keys() >= known.keys()


def is_another_default(context: MigrationContext, *found: object) -> bool | None:
    """Leave it to Alembic, but for SQLite, where it stumbles over an empty text."""
    _inspected_column, _column, inspected, _default, rendered = found
    if context.dialect.name != "sqlite":
        return None
    return (inspected is None) != (rendered is None) or str(inspected).strip("()'") != str(rendered).strip("'")


def test_the_tables_of_the_program_are_those_of_a_migrated_database(database_url: str) -> None:
    def compare(connection: sa.Connection) -> object:
        options = {"compare_type": True, "compare_server_default": is_another_default}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    migrate.upgrade(database_url)
    assert in_database(database_url, compare) == []
    assert in_database(database_url, schema.state_of) == schema.SchemaState(HEAD, ())


PLAIN = ColumnShape("TEXT", is_nullable=False, has_default=False)
OLD: Shape = {"note": TableShape({"id": PLAIN}, frozenset({("id",)}), frozenset(), {})}


@pytest.mark.parametrize(
    ("columns", "unique", "expected"),
    [
        ({"id": PLAIN, "more": PLAIN._replace(is_nullable=True)}, {("id",)}, []),
        ({"id": PLAIN, "more": PLAIN._replace(has_default=True)}, {("id",)}, []),
        ({"id": PLAIN._replace(is_nullable=True)}, {("id",)}, []),
        ({"id": PLAIN, "more": PLAIN}, {("id",)}, ["column note.more is new, neither nullable nor with a default"]),
        ({"id": PLAIN._replace(type="BIGINT")}, {("id",)}, ["column note.id was TEXT and is BIGINT"]),
        ({}, {("id",)}, ["column note.id is gone"]),
        ({"id": PLAIN}, {("id",), ("id", "id")}, ["note is to be unique by ('id', 'id')"]),
    ],
)
def test_what_expands_is_told_from_what_contracts(
    columns: dict[str, ColumnShape], unique: set[tuple[str | None, ...]], expected: list[str]
) -> None:
    new = {"note": TableShape(columns, frozenset(unique), frozenset(), {}), "other": OLD["note"]}
    assert contractions(OLD, new) == expected


def test_a_table_that_is_dropped_contracts() -> None:
    assert contractions(OLD, {}) == ["table note is gone"]


INDEX = '''\
"""Build an index."""
from shared.database.migrations.indexes import build_index
revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None
def upgrade() -> None:
    """Build it."""
    build_index("ix_message_sent_at_ms", "message", ["sent_at_ms"])
'''


@pytest.fixture
def with_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration more, that builds an index."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_index.py").write_text(INDEX.format(head=HEAD))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)


def indexes_of(url: str) -> list[str | None]:
    return in_database(url, lambda connection: [each["name"] for each in sa.inspect(connection).get_indexes("message")])


@pytest.mark.usefixtures("with_an_index")
def test_an_index_is_built_beside_the_traffic_also_by_two_at_once_and_after_a_build_that_failed(
    database_url: str,
) -> None:
    migrate.upgrade(database_url)
    in_database(database_url, lambda connection: fill(connection, "old"))
    if database_url.startswith("postgresql"):  # what failed there stays, and is no good
        run_sql(database_url, "CREATE INDEX ix_message_sent_at_ms ON message (content)")
    with ThreadPoolExecutor(2) as hosts:
        for done in [hosts.submit(migrate.upgrade, database_url, "9999") for _ in range(2)]:
            done.result(timeout=60)
    assert "ix_message_sent_at_ms" in indexes_of(database_url)
    assert run_sql(database_url, "SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.usefixtures("with_an_index")
def test_within_a_transaction_an_index_is_a_part_of_it(database_url: str) -> None:
    migrate.upgrade(database_url)

    def build_and_fail(connection: sa.Connection) -> None:
        migrate.upgrade_within(connection, "9999")
        raise LookupError

    with pytest.raises(LookupError):
        in_database(database_url, build_and_fail)
    assert "ix_message_sent_at_ms" not in indexes_of(database_url)
