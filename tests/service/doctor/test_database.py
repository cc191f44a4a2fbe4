"""`parley doctor` at a database: the way to it, its schema."""

import json
from pathlib import Path

import pytest

from shared.database.migrate import upgrade
from tests.support.doctor import Doctor, Row, in_database
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer


def test_a_database_that_cannot_be_used_is_told_with_the_reason(
    postgres: PostgresServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(url: str) -> Row:
        monkeypatch.setenv("PARLEY_DATABASE_URL", url)
        assert doctor.row("schema")["level"] == "skipped"
        row = doctor.row("database")
        assert row["level"] == "failure"
        assert "PARLEY_DATABASE_URL" in row["advice"]
        assert postgres.password not in json.dumps(row)
        return row

    good = postgres.url("postgres")
    assert "refuses user 'postgres'" in seen(good.replace(postgres.password, "wr0ng-0ne"))["seen"]
    assert "has no database 'nowhere'" in seen(postgres.url("nowhere"))["seen"]
    assert "nothing listens there" in seen(good.replace(str(postgres.port), str(free_port())))["seen"]
    assert "does not resolve" in seen(good.replace("127.0.0.1", "no-such-host.invalid"))["seen"]


def test_a_schema_that_is_behind_missing_or_ahead_is_told(
    database_url: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", database_url)
    upgrade(database_url, "0001")
    behind = doctor.row("schema")
    assert behind["level"] == "failure"
    assert "at revision 0001" in behind["seen"]
    assert behind["advice"] == "run `parley migrate`"
    upgrade(database_url)
    assert doctor.row("schema")["level"] == "ok", "the advice helps"
    in_database(database_url, "UPDATE alembic_version SET version_num = '9999'")
    ahead = doctor.row("schema")
    assert ahead["level"] == "ok"
    assert "newer than this program" in ahead["seen"]
    in_database(database_url, "ALTER TABLE account DROP COLUMN display_name")
    contracted = doctor.row("schema")
    assert contracted["level"] == "failure"
    assert "newer program" in contracted["advice"]


def test_an_empty_database_is_told(postgres_url: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", postgres_url)
    row = doctor.row("schema")
    assert row["level"] == "failure"
    assert row["advice"] == "run `parley migrate`"
    assert "PostgreSQL" in doctor.row("database")["seen"]


def test_a_file_that_is_no_database_is_told(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "parley.db").write_bytes(b"this is no database" * 100)
    row = doctor.row("database")
    assert row["level"] == "failure"
    assert "not a database" in row["seen"]
    assert "restore a backup" in row["advice"]
