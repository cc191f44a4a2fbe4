"""`parley migrate --check`, and what becomes of a database that is older or newer than the program."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli.main import main
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.database.migrate import upgrade
from shared.database.schema import HEAD, REVISIONS, Schema, SchemaUnfit
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.upgrade import run_sql


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> Iterator[NatsServer]:
    """A broker of the test's own, in which nothing is; the settings lead there and to the test's database."""
    server = NatsServer(tmp_path)
    server.start()
    monkeypatch.setenv("PARLEY_NATS_URL", server.url)
    monkeypatch.setenv("PARLEY_DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    yield server
    server.stop()


def check(capsys: pytest.CaptureFixture[str], code: int, *argv: str) -> list[str]:
    capsys.readouterr()
    assert main(["migrate", "--check", *argv]) == code
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("broker")
def test_check_tells_what_is_missing_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        told = check(capsys, 1)
        assert told[0] == (
            f"database: the database has no schema; this program needs revision {HEAD}: run `parley migrate`"
        )
        assert told[1] == "broker: stream CHAT: missing"
        assert told[-1] == "broker: consumer due of stream RETRY: missing"
    assert not list(tmp_path.glob("*.db")), "looking makes no file"
    assert not (tmp_path / "data").exists()
    assert main(["migrate"]) == 0
    assert check(capsys, 0) == [f"database: at revision {HEAD}", "broker: streams, buckets and consumers are as wanted"]


def test_check_tells_what_differs_as_json(
    database_url: str, broker: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 0

    async def change() -> None:
        connection = Connection(broker.url, "tests")
        await connection.open()
        config = (await connection.jetstream().stream_info(subjects.CHAT_STREAM)).config
        await connection.jetstream().update_stream(config.evolve(max_age=3600))
        await connection.close()

    asyncio.run(change())
    run_sql(database_url, f"UPDATE alembic_version SET version_num = '{REVISIONS[0]}'")  # noqa: S608 - our own name
    report = json.loads("\n".join(check(capsys, 1, "--json")))
    assert report == {
        "up_to_date": False,
        "database": {
            "revision": REVISIONS[0],
            "head": HEAD,
            "is_newer": False,
            "lacking": [],
            "problem": f"the schema is at revision {REVISIONS[0]}, this program needs {HEAD}: run `parley migrate`",
        },
        "broker": [{"stream": "CHAT", "consumer": None, "field": "max_age", "present": 3600.0, "wanted": 604800}],
    }


@pytest.mark.usefixtures("broker")
def test_a_database_that_a_newer_program_has_expanded_is_left_alone(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 0
    run_sql(
        database_url,
        "ALTER TABLE message ADD COLUMN of_tomorrow TEXT",
        "UPDATE alembic_version SET version_num = '9999'",
    )
    told = check(capsys, 1)[0]
    assert told.startswith(f"database: newer than this program (revision 9999, known is {HEAD})")
    assert main(["migrate"]) == 0
    assert "revision 9999, newer than this program's" in capsys.readouterr().out
    assert run_sql(database_url, "SELECT version_num FROM alembic_version") == [("9999",)]
    assert asyncio.run(Schema(database_url).ping()) == "revision 9999"


@pytest.mark.usefixtures("broker")
def test_a_program_refuses_a_database_in_which_a_newer_one_has_contracted_what_it_needs(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 0
    run_sql(
        database_url,
        "ALTER TABLE message DROP COLUMN stored_at_ms",
        "DROP TABLE receipt",
        "UPDATE alembic_version SET version_num = '9999'",
    )
    expected = "has no more column message.stored_at_ms, table receipt: run a newer program"
    assert expected in check(capsys, 1)[0]
    assert main(["migrate"]) == 1
    assert expected in capsys.readouterr().err
    with pytest.raises(SchemaUnfit, match="run a newer program"):
        asyncio.run(Schema(database_url).ping())


def test_a_service_waits_for_the_schema_it_needs_and_then_looks_no_more(database_url: str) -> None:
    async def live() -> None:
        schema = Schema(database_url)
        for revision in (None, *REVISIONS[:-1]):
            if revision is not None:
                await asyncio.to_thread(upgrade, database_url, revision)
            with pytest.raises(SchemaUnfit, match=f"needs (revision )?{HEAD}: run `parley migrate`"):
                await schema.ping()
        await asyncio.to_thread(upgrade, database_url)
        assert await schema.ping() == f"revision {HEAD}"
        await asyncio.to_thread(run_sql, database_url, "UPDATE alembic_version SET version_num = '9999'")
        assert await schema.ping() == f"revision {HEAD}"

    asyncio.run(live())


@pytest.mark.usefixtures("broker")
def test_check_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    assert main(["migrate", "--check", "--timeout", "0.5"]) == 1
    assert "is not ready after 0 s" in capsys.readouterr().err
