"""The ops CLI against a real broker and both databases."""

import asyncio
import io
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from deploy.cli.main import main
from services.delivery.store import Place, Store
from services.gateway.store import Accounts, hash_secret
from shared.broker import dead_letters
from shared.broker.connection import Connection
from shared.broker.streams import LogState, log_state
from shared.contracts.ids import LogId
from shared.database import tables
from shared.database.engine import open_engine
from tests.support.ports import free_port

T = TypeVar("T")


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch, nats_url: str, database_url: str, tmp_path: Path) -> None:
    """The settings that lead the CLI to the test's broker and database, migrated."""
    monkeypatch.setenv("PARLEY_NATS_URL", nats_url)
    monkeypatch.setenv("PARLEY_DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate", "--json"]) == 0


def at_broker(url: str, ask: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = Connection(url, "tests")
        await connection.open()
        try:
            return await ask(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def printed(capsys: pytest.CaptureFixture[str], argv: list[str]) -> object:
    capsys.readouterr()
    assert main(argv) == 0
    return json.loads(capsys.readouterr().out)


def test_migrate_may_be_repeated_and_keeps_the_log(nats_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = at_broker(nats_url, log_state)
    report = printed(capsys, ["migrate", "--json"])
    assert isinstance(report, dict)
    assert report["revision"]
    assert at_broker(nats_url, log_state).log_id == before.log_id


def test_a_dead_letter_is_listed_shown_retried_and_dropped(nats_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def bury(connection: Connection) -> None:
        before = await dead_letters.dead_letters(connection)
        for letter in before:  # left by the same test on the other database
            await dead_letters.drop_dead_letter(connection, letter)
        state = await log_state(connection)
        for index in range(2):
            await dead_letters.bury(
                connection,
                log_id=LogId(f"{state.log_id}-{len(before)}-{state.last_seq}"),
                seq=7,
                index=index,
                partition=1,
                reason="no such kind",
                item=b"\x81\xa4kind\xa3odd",
            )

    at_broker(nats_url, bury)
    rows = printed(capsys, ["dead-letters", "list", "--json"])
    assert isinstance(rows, list)
    assert [(row["partition"], row["reason"]) for row in rows] == [(1, "no such kind")] * 2
    first, second = (str(row["number"]) for row in rows)

    shown = printed(capsys, ["dead-letters", "show", first, "--json"])
    assert isinstance(shown, dict)
    assert shown["command"] == {"kind": "odd"}

    head = at_broker(nats_url, log_state).last_seq
    assert main(["dead-letters", "retry", first]) == 0
    assert at_broker(nats_url, log_state).last_seq == head + 1

    assert main(["dead-letters", "drop", second]) == 1, "nobody is there to ask"
    assert main(["dead-letters", "drop", second, "--yes"]) == 0
    assert printed(capsys, ["dead-letters", "list", "--json"]) == []
    assert main(["dead-letters", "show", first]) == 1


def test_accounts_with_tokens_are_made_one_or_many(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = printed(capsys, ["user", "create", "ann", "--json"])
    assert isinstance(one, dict)
    file = tmp_path / "tokens"
    assert main(["user", "create", "--count", "1200", "--prefix", "load", "--tokens", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pairs = [line.split() for line in file.read_text().splitlines()]
    assert len(pairs) == 1200

    async def who(token: str) -> str:
        async with Accounts(database_url) as accounts:
            proof = await accounts.proof_of(hash_secret(token))
        assert proof is not None
        return proof.principal.username

    assert asyncio.run(who(one["token"])) == "ann"
    assert asyncio.run(who(pairs[-1][1])) == pairs[-1][0] == "load-1200"
    assert main(["user", "create", "ann"]) == 1
    assert "taken" in capsys.readouterr().err


def test_an_account_for_a_person_has_the_password_that_was_given(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert main(["user", "create", "ann", "--password"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["user", "create", "ben", "--password"]) == 1
    assert "8" in capsys.readouterr().err

    async def hash_of(name: str) -> str | None:
        engine = open_engine(database_url, "reader", pool_size=1)
        async with engine.connect() as reading:
            table = tables.account
            found = await reading.scalar(sa.select(table.c.password_hash).where(table.c.username == name))
        await engine.dispose()
        return found

    assert (asyncio.run(hash_of("ann")) or "").startswith("$argon2id$")
    assert asyncio.run(hash_of("ben")) is None


def test_accepting_a_gap_moves_the_positions_and_draws_a_new_epoch(
    nats_url: str, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def places() -> dict[int, Place]:
        store = Store(database_url)
        try:
            return await store.places()
        finally:
            await store.close()

    assert main(["restore", "--accept-gap"]) == 1, "nobody is there to ask"
    first = printed(capsys, ["restore", "--accept-gap", "--yes", "--json"])
    second = printed(capsys, ["restore", "--accept-gap", "--yes", "--json"])
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["epoch"] != second["epoch"]
    state: LogState = at_broker(nats_url, log_state)
    behind = state.first_seq - 1
    assert asyncio.run(places()) == {
        partition: Place(state.log_id, behind, behind) for partition in range(state.partitions)
    }


def test_a_broker_that_is_away_is_told_with_the_setting_to_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    assert main(["dead-letters", "list"]) == 1
    assert "PARLEY_NATS_URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["dead-letters"],
        ["user", "create"],
        ["user", "create", "ann", "--count", "3", "--tokens", "x"],
        ["user", "create", "--count", "0", "--tokens", "x"],
        ["restore"],
    ],
)
def test_wrong_use_exits_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
