"""Backups: of one moment under load, whole or refused, from either database into either, and what the log adds."""

import asyncio
import json
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from deploy.cli.main import main
from services.delivery.store import Store
from shared.broker.connection import Connection
from shared.broker.streams import log_state, trim_log
from shared.database import tables
from shared.database.archive import Archive, BrokenBackup, NewerBackup, NotWritten
from shared.database.backup import LEFT_OUT, NoBackup, back_up
from shared.database.engine import open_engine
from shared.database.migrate import upgrade
from shared.database.restore import NotRestored, look, restore
from shared.database.schema import HEAD
from tests.support.delivery import (
    Gateway,
    a_cursor,
    a_message,
    delivery,
    eventually,
    fresh_streams,
    gateway,
)
from tests.support.history import ANN, BEN, DIRECT, GROUP, NOON, Row, member_row, message_row, receipt_row, write
from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT
from tests.support.rows import account_row, attempt_row, block_row, retry_row, setting_row

MOMENT = "2026-11-22T10:15:00.000Z"
Databases = Callable[[str], str]


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Hand out the URL of another empty database of a kind, as often as it is called."""
    fresh: list[Any] = []

    def another(kind: str) -> str:
        if kind == "sqlite":
            fresh.append(None)
            return f"sqlite+aiosqlite:///{tmp_path}/{len(fresh)}.db"
        postgres: PostgresServer = request.getfixturevalue("postgres")
        fresh.append(postgres.fresh_database())
        url: str = fresh[-1].__enter__()
        return url

    yield another
    for database in fresh:
        if database is not None:
            database.__exit__(None, None, None)


def kind_of(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgres"


async def rows_of(url: str) -> dict[str, list[Any]]:
    """Read all rows of all tables, in an order that does not depend on the database."""
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as reading:
            return {
                table.name: sorted((tuple(row) for row in (await reading.execute(sa.select(table))).all()), key=repr)
                for table in tables.metadata.sorted_tables
            }
    finally:
        await engine.dispose()


def history_of(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Leave out what a restore changes, and what no backup has."""
    kept = {name: of for name, of in rows.items() if name not in {"epoch", *LEFT_OUT}}
    kept["log_position"] = [row[:3] for row in kept["log_position"]]
    return kept


async def fill(url: str, *, messages: int = 2500) -> None:
    """Write something into every table: NULLs, bytes, flags, texts of all scripts, more than a page."""
    odd = 'naïve "quoted"\\ \t\n  مرحبا 🦊' + "x" * 20_000
    sign_in: Row = {
        "id": "s1", "user_id": ANN, "kind": "token", "secret_hash": bytes(range(32)), "name": "",
        "created_at_ms": NOON, "last_used_at_ms": NOON, "expires_at_ms": NOON,
    }  # fmt: skip
    operation = {"id": "o1", "conversation_id": DIRECT, "user_id": ANN, "kind": "block", "request": b"\0\xff", "rev": 0}
    refused = {"message_id": "m1", "sender_id": ANN, "conversation_id": DIRECT, "to": "ben", "code": "c", "detail": "d"}
    await write(
        url,
        {
            tables.account: [
                account_row(ANN, odd[:30]) | {"typing": False},
                account_row(BEN, "Ben") | {"typing": True},
            ],
            tables.account_word: [{"word": "ann", "user_id": ANN}, {"word": "Ωmega", "user_id": BEN}],
            tables.member_setting: [setting_row(DIRECT, ANN, muted=True, draft=odd)],
            tables.refused_message: [refused | {"at_ms": NOON}],
            tables.sign_in: [sign_in],
            tables.ticket: [{"secret_hash": b"t", "sign_in_id": "s1", "expires_at_ms": NOON}],
            tables.conversation: [
                {"id": DIRECT, "kind": "direct", "last_seq": messages, "rev": messages},
                {"id": GROUP, "kind": "group", "last_seq": 0, "rev": 2**40},
            ],
            tables.member: [member_row(DIRECT, ANN, 3, 2), member_row(DIRECT, BEN, left_rev=7)],
            tables.message: [
                message_row(DIRECT, seq, ANN, odd if seq % 500 == 0 else f"{seq}") for seq in range(1, messages + 1)
            ],
            tables.receipt: [receipt_row(DIRECT, BEN, "read", seq, seq) for seq in range(1, 1500)],
            tables.operation: [operation | {"at_ms": NOON}],
            tables.block: [block_row(BEN, ANN)],
            tables.retry: [retry_row(DIRECT, BEN, 3)],
            tables.retry_attempt: [attempt_row(DIRECT, BEN, 0, 3, 1, 5)],
            tables.log_position: [
                {"partition": number, "log_id": "l1", "stream_seq": 40 + number, "announced_seq": 30}
                for number in range(4)
            ],
            tables.epoch: [{"id": 1, "value": "e-first"}],
        },
    )


async def restored(path: Path, url: str, *, replace: bool = False, epoch: str = "e-other") -> None:
    with Archive(path) as archive:
        await restore(url, archive, new_epoch=epoch, replace=replace)


@pytest.mark.parametrize("target", ["sqlite", "postgres"])
async def test_every_row_of_every_table_comes_back_in_either_database(
    migrated_url: str, databases: Databases, target: str, tmp_path: Path
) -> None:
    await fill(migrated_url)
    seen: list[tuple[str, int, int]] = []
    path = tmp_path / "backup.zip"
    manifest = await back_up(migrated_url, path, created_at=MOMENT, progress=lambda *told: seen.append(told))
    assert ("message", 2000, 2500) in seen
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (manifest.revision, manifest.epoch, manifest.created_at) == (HEAD, "e-first", MOMENT)
    assert {(place.partition, place.stream_seq) for place in manifest.positions} == {(n, 40 + n) for n in range(4)}

    url = databases(target)
    await restored(path, url)
    before, after = await rows_of(migrated_url), await rows_of(url)
    assert all(of for name, of in before.items()), "every table has rows"
    assert history_of(after) == history_of(before)
    assert after["epoch"] == [(1, "e-other")]
    assert after["ticket"] == []
    assert [row[2:] for row in after["log_position"]] == [(40 + n, 40 + n) for n in range(4)], "nothing to announce"

    there_and_back = tmp_path / "again.zip"
    await back_up(url, there_and_back, created_at=MOMENT)
    third = databases(kind_of(migrated_url))
    await restored(there_and_back, third)
    assert history_of(await rows_of(third)) == history_of(before)


async def chatter(stand_in: Gateway, stopped: asyncio.Event) -> dict[int, str]:
    """Write until told to stop: messages in several conversations, and receipts; returns what was asked for."""
    asked: dict[int, str] = {}
    number = 0
    while not stopped.is_set():
        refs = []
        for other in ("ben", "cat", "dan"):
            number += 1
            refs.append(stand_in.put(a_message("ann", other, f"c{number}", f"text {number}")))
            asked[refs[-1]] = f"c{number}"
            stand_in.put(a_cursor(other, "ann", "delivered", number // 3))
        await stand_in.answered(refs)
    return asked


@pytest.mark.timeout(240)
async def test_a_backup_under_load_is_of_one_moment_and_the_log_adds_what_came_since(
    migrated_url: str, databases: Databases, nats_url: str, tmp_path: Path
) -> None:
    await fresh_streams(nats_url)
    path = tmp_path / "backup.zip"
    stopped = asyncio.Event()
    async with gateway(nats_url) as stand_in:
        async with delivery(nats_url, migrated_url):
            writing = asyncio.ensure_future(chatter(stand_in, stopped))
            for attempt in range(5):
                await eventually(lambda: len(stand_in.answers) > 60 * (attempt + 1), 30)  # noqa: B023 - only here
                path.unlink(missing_ok=True)
                manifest = await back_up(migrated_url, path, created_at=MOMENT)
            at_backup = len(stand_in.answers)
            await eventually(lambda: len(stand_in.answers) > at_backup + 60, 30)
            stopped.set()
            asked = await writing
        whole = await rows_of(migrated_url)

        url = databases(kind_of(migrated_url))
        await restored(path, url)
        then = await rows_of(url)
        assert 0 < len(then["message"]) < len(whole["message"])
        heads = {row[0]: row[2] for row in then["conversation"]}
        for conversation_id, last_seq in heads.items():
            seqs = sorted(row[1] for row in then["message"] if row[0] == conversation_id)
            assert seqs == list(range(1, last_seq + 1)), "messages and their counts are of one moment"
        for row in (row for row in then["member"] if row[2] != "ann"):  # what one wrote oneself needs no receipt
            reached = max((r[3] for r in then["receipt"] if r[:3] == (*row[:2], "delivered")), default=0)
            assert row[3] == reached, "cursors and receipts are of one moment"
        assert {tuple(row) for row in then["message"]} <= {tuple(row) for row in whole["message"]}

        async with delivery(nats_url, url) as again:
            last = (await log_state(again.connection)).last_seq
            await eventually(lambda: again.worker.announced_seq >= last, 30, "the rest of the log")
            assert again.worker.problem == ""
        after = await rows_of(url)
    acked = {ref: stand_in.answers[ref] for ref in asked}
    assert {(answer.message_id, answer.seq) for answer in acked.values()} == {
        (row[4], row[1]) for row in after["message"]
    }
    assert [row[:-1] for row in after["message"]] == [row[:-1] for row in whole["message"]], "but for the time"
    for name in ("conversation", "member", "receipt"):
        assert after[name] == whole[name]
    assert manifest.epoch == whole["epoch"][0][1] != after["epoch"][0][1]


async def test_with_another_log_delivery_begins_at_its_first_entry_under_the_new_epoch(
    migrated_url: str, nats_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "backup.zip"
    await fresh_streams(nats_url)
    async with gateway(nats_url) as stand_in, delivery(nats_url, migrated_url):
        await stand_in.answered([stand_in.put(a_message("ann", "ben", f"{n}")) for n in range(5)])
        await back_up(migrated_url, path, created_at=MOMENT)
        await stand_in.answered([stand_in.put(a_message("ann", "ben", "lost with the log"))])
    await fresh_streams(nats_url)
    await restored(path, migrated_url, replace=True)
    async with gateway(nats_url) as stand_in, delivery(nats_url, migrated_url):
        assert (await stand_in.answer(stand_in.put(a_message("ann", "ben", "new")))).seq == 6
        assert (await stand_in.answer(stand_in.put(a_message("ann", "ben", "3")))).duplicate
    assert (await rows_of(migrated_url))["epoch"] == [(1, "e-other")], "another message has seq 6 than clients saw"


async def test_where_the_log_has_lost_what_came_since_delivery_waits_for_the_gap_to_be_accepted(
    sqlite_url: str, nats_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "backup.zip"
    await asyncio.to_thread(upgrade, sqlite_url)
    await fresh_streams(nats_url)
    async with gateway(nats_url) as stand_in, delivery(nats_url, sqlite_url) as running:
        await stand_in.answered([stand_in.put(a_message("ann", "ben", "kept"))])
        await back_up(sqlite_url, path, created_at=MOMENT)
        await stand_in.answered([stand_in.put(a_message("ann", "ben", "trimmed"))])
        await eventually(lambda: running.worker.announced_seq >= 2)
    connection = Connection(nats_url, "test-trim")
    await connection.open()
    await trim_log(connection, (await log_state(connection)).last_seq + 1)
    state = await log_state(connection)
    await connection.close()
    await restored(path, sqlite_url, replace=True)
    async with delivery(nats_url, sqlite_url) as running:
        await eventually(lambda: "accept-gap" in running.worker.problem)
        store = Store(sqlite_url)
        await store.accept_gap(state.log_id, state.partitions, after_seq=state.first_seq - 1, new_epoch="e-gap")
        await store.close()
        await eventually(lambda: running.worker.problem == "")
    assert [row[7] for row in (await rows_of(sqlite_url))["message"]] == ["kept"]


async def test_a_backup_is_refused_wherever_it_was_cut_off(migrated_url: str, tmp_path: Path) -> None:
    await fill(migrated_url, messages=300)
    path, cut = tmp_path / "backup.zip", tmp_path / "cut.zip"
    await back_up(migrated_url, path, created_at=MOMENT)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(BrokenBackup):
            Archive(cut)


async def test_a_backup_with_a_wrong_byte_is_refused_or_has_every_row(
    sqlite_url: str, databases: Databases, tmp_path: Path
) -> None:
    await asyncio.to_thread(upgrade, sqlite_url)
    await fill(sqlite_url, messages=300)
    path, spoiled = tmp_path / "backup.zip", tmp_path / "spoiled.zip"
    await back_up(sqlite_url, path, created_at=MOMENT)
    whole, before = path.read_bytes(), history_of(await rows_of(sqlite_url))
    chance, refused = random.Random(7), 0  # noqa: S311 - not a secret
    url = databases("sqlite")
    for _ in range(60):
        place = chance.randrange(len(whole))
        spoiled.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        try:
            await restored(spoiled, url, replace=True)
        except (BrokenBackup, NewerBackup):
            refused += 1
        else:
            assert history_of(await rows_of(url)) == before, f"byte {place}"
    assert refused > 40


async def test_a_restore_that_breaks_off_leaves_what_was_there(migrated_url: str, tmp_path: Path) -> None:
    await fill(migrated_url, messages=300)
    path, spoiled = tmp_path / "backup.zip", tmp_path / "spoiled.zip"
    await back_up(migrated_url, path, created_at=MOMENT)
    rewrite(path, spoiled, lambda manifest: manifest["tables"]["sign_in"].update(sha256="0" * 64))
    before = await rows_of(migrated_url)
    with pytest.raises(BrokenBackup, match="the table sign_in is not what the manifest says"):
        await restored(spoiled, migrated_url, replace=True)
    assert await rows_of(migrated_url) == before


def rewrite(path: Path, other: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a backup anew with another manifest."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "manifest.json":
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest).encode()
            new.writestr(name, content)


async def test_a_backup_of_a_newer_version_is_refused_with_what_to_do(
    sqlite_url: str, databases: Databases, tmp_path: Path
) -> None:
    await asyncio.to_thread(upgrade, sqlite_url)
    path, newer = tmp_path / "backup.zip", tmp_path / "newer.zip"
    await back_up(sqlite_url, path, created_at=MOMENT)
    rewrite(path, newer, lambda manifest: manifest.update(version=2, tables="as they are then"))
    with pytest.raises(NewerBackup, match="newer"):
        Archive(newer)
    rewrite(path, newer, lambda manifest: manifest.update(revision="9999"))
    with pytest.raises(NewerBackup, match="9999"):
        await restored(newer, databases("sqlite"))
    rewrite(path, newer, lambda manifest: manifest.update(format="something else"))
    with pytest.raises(BrokenBackup, match="no backup of Parley"):
        Archive(newer)


async def test_a_backup_of_an_older_version_is_migrated_after_it_was_put_in(
    database_url: str, databases: Databases, tmp_path: Path
) -> None:
    await asyncio.to_thread(upgrade, database_url, "0001")
    old = sa.table("account", *(sa.column(n) for n in ("id", "username", "display_name", "password_hash")))
    engine = open_engine(database_url, "writer", pool_size=1)
    async with engine.begin() as writing:
        created = sa.column("created_at_ms", sa.BigInteger)
        old.append_column(created)
        row = {"id": "u1", "username": "ann", "display_name": "Ann Onymous", "password_hash": "", "created_at_ms": NOON}
        await writing.execute(sa.insert(old).values(row))
    await engine.dispose()
    path = tmp_path / "old.zip"
    assert (await back_up(database_url, path, created_at=MOMENT)).revision == "0001"
    url = databases(kind_of(database_url))
    await restored(path, url)
    rows = await rows_of(url)
    assert [row[1] for row in rows["account"]] == ["ann"]
    assert {row[0] for row in rows["account_word"]} == {"ann", "onymous"}, "what the migration makes of older rows"


async def test_a_database_that_is_not_empty_or_in_use_is_left_alone(migrated_url: str, tmp_path: Path) -> None:
    path = tmp_path / "backup.zip"
    await back_up(migrated_url, path, created_at=MOMENT)
    positions = [{"partition": 0, "log_id": "l1", "stream_seq": 0, "announced_seq": 0}]
    await write(migrated_url, {tables.log_position: positions, tables.epoch: [{"id": 1, "value": "e-started"}]})
    assert (await look(migrated_url)).is_empty, "what a start leaves behind is nothing to lose"
    await restored(path, migrated_url)
    await write(migrated_url, {tables.account: [account_row(ANN, "Ann")]})
    assert (await look(migrated_url)) == (1, 0, False)
    with pytest.raises(NotRestored, match="--replace"):
        await restored(path, migrated_url)

    if kind_of(migrated_url) == "postgres":
        other = await asyncpg.connect(migrated_url.replace("+asyncpg", ""))
        with pytest.raises(NotRestored, match="1 other connection"):
            await restored(path, migrated_url, replace=True)
        await other.close()
    else:
        with closing(sqlite3.connect(migrated_url.partition("///")[2])) as driver:
            driver.execute("SELECT * FROM account").fetchall()
            with pytest.raises(NotRestored, match="in use"):
                await restored(path, migrated_url, replace=True)
    assert not (await look(migrated_url)).is_empty
    await restored(path, migrated_url, replace=True)
    assert (await look(migrated_url)).is_empty


async def test_what_can_not_be_written_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "backups" / "backup.zip"
    with pytest.raises(NotWritten):
        await back_up(database_url, path, created_at=MOMENT)
    path.parent.mkdir()
    with pytest.raises(NoBackup, match="parley migrate"):
        await back_up(database_url, path, created_at=MOMENT)
    await asyncio.to_thread(upgrade, database_url)
    await back_up(database_url, path, created_at=MOMENT)
    with pytest.raises(NotWritten, match="exists"):
        await back_up(database_url, path, created_at=MOMENT)
    assert [each.name for each in path.parent.iterdir()] == ["backup.zip"]


def test_the_commands_write_verify_and_restore(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", migrated_url)
    asyncio.run(fill(migrated_url, messages=10))
    folder = tmp_path / "backups"
    folder.mkdir()
    assert main(["backup", str(folder), "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    (file,) = folder.iterdir()
    assert report["file"] == str(file)
    assert report["rows"]["message"] == 10
    assert json.loads(told.err)["act"] == "backup"
    assert main(["backup", "--verify", str(file)]) == 0
    assert "is whole" in capsys.readouterr().out
    assert main(["restore", str(file)]) == 1
    assert "2 accounts and 10 messages" in capsys.readouterr().err
    assert main(["restore", str(file), "--replace"]) == 1, "nobody is there to ask"
    assert main(["restore", str(file), "--replace", "--yes", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["rows"] == sum(report["rows"].values())
    shutil.copy(file, tmp_path / "cut.zip")
    with (tmp_path / "cut.zip").open("r+b") as cut:
        cut.truncate(500)
    assert main(["backup", "--verify", str(tmp_path / "cut.zip")]) == 1
    assert "not a whole one" in capsys.readouterr().err
    with suppress(SystemExit):
        main(["restore", str(file), "--accept-gap"])
    assert "name a backup, or use --accept-gap" in capsys.readouterr().err


def test_a_backup_goes_through_a_pipe(migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", migrated_url)
    asyncio.run(fill(migrated_url, messages=1500))
    argv = [sys.executable, "-m", "deploy.cli.main", "backup", "-"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True, timeout=60)
    path = tmp_path / "piped.zip"
    path.write_bytes(done.stdout)
    with Archive(path) as archive:
        archive.verify()
        assert archive.manifest.tables["message"].rows == 1500
