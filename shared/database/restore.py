"""Puts a backup into a database: all of it in one transaction, under a new epoch, at the newest revision."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.util import await_only

from shared.database import tables
from shared.database.archive import Archive, BrokenBackup, Column, Kind, NewerBackup
from shared.database.backup import Progress
from shared.database.engine import is_sqlite, open_engine
from shared.database.migrate import upgrade_within
from shared.database.schema import HEAD, REVISIONS, state_of

_REVISIONS: Final = "alembic_version"
_OF_THE_LOG: Final = frozenset({"epoch", "log_position"})
"""What a delivery writes that was started once; there is nothing to lose in it."""
_TYPES: Final[dict[Kind, sa.types.TypeEngine[Any]]] = {
    "text": sa.Text(),
    "integer": sa.BigInteger(),
    "boolean": sa.Boolean(),
    "bytes": sa.LargeBinary(),
}


class NotRestored(Exception):
    """Nothing was changed; the text says why, and what to do."""


class Present(NamedTuple):
    """What is in a database before a restore."""

    accounts: int
    messages: int
    is_empty: bool


async def look(url: str) -> Present:
    """Tell what a database holds; one that does not exist yet holds nothing.

    Raises:
        NotRestored: a newer version made it.
    """
    if (file := _file(url)) is not None and not file.exists():
        return Present(0, 0, is_empty=True)
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_look)
    finally:
        await engine.dispose()


async def restore(
    url: str, archive: Archive, *, new_epoch: str, replace: bool, progress: Progress | None = None
) -> None:
    """Put a backup into an empty database, or with `replace` in the place of all that is there.

    Its schema is made at the backup's revision and then brought up to date. The positions are those of the backup:
    a delivery goes on from there. The epoch is a new one, always (ADR 8).

    Raises:
        NotRestored: the database is in use, or not empty; or the backup is of a newer version.
        BrokenBackup: the file is not whole.
        What a database raises that is away, or refuses a row.
    """
    revision = archive.manifest.revision
    if revision not in REVISIONS:
        raise NewerBackup(
            f"{archive.path} has the schema of revision {revision}, this Parley knows {HEAD}: "
            "restore it with the version that wrote it, or a newer one"
        )
    _check_unused_file(url)
    engine = open_engine(url, "writer", pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_restore, archive, new_epoch, replace, progress)
            await connection.commit()
    finally:
        await engine.dispose()


def _restore(
    connection: sa.Connection,
    archive: Archive,
    new_epoch: str,
    replace: bool,  # noqa: FBT001 - `run_sync` passes no keywords on
    progress: Progress | None,
) -> None:
    _check_unused_server(connection)
    if not _look(connection).is_empty and not replace:
        raise NotRestored(
            "the database is not empty: restore into an empty one, or add --replace to give up what is in it"
        )
    tables.metadata.drop_all(connection)
    connection.execute(sa.text(f"DROP TABLE IF EXISTS {_REVISIONS}"))
    upgrade_within(connection, archive.manifest.revision)
    known = set(sa.inspect(connection).get_table_names())
    for name, table in archive.manifest.tables.items():
        if name not in known:
            raise BrokenBackup(f"{archive.path} has a table {name}, which its own revision does not know")
        _load(connection, archive, name, table.columns, progress)
    _begin_anew(connection, new_epoch)
    upgrade_within(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("ANALYZE"))


def _load(
    connection: sa.Connection, archive: Archive, name: str, columns: Sequence[Column], progress: Progress | None
) -> None:
    connection.execute(sa.delete(sa.table(name)))  # what a migration put in
    names = [column.name for column in columns]
    target = sa.table(name, *(sa.column(column.name, _TYPES[column.kind]) for column in columns))
    done, total = 0, archive.manifest.tables[name].rows
    for page in archive.pages(name):
        if connection.dialect.name == "postgresql":  # COPY is several times as fast as INSERT
            driver: Any = connection.connection.driver_connection
            await_only(driver.copy_records_to_table(name, records=page, columns=names))
        else:
            connection.execute(sa.insert(target), [dict(zip(names, row, strict=True)) for row in page])
        done += len(page)
        if progress is not None:
            progress(name, done, total)


def _begin_anew(connection: sa.Connection, new_epoch: str) -> None:
    """Name another history: clients drop what they hold, so nothing of before has to be announced again."""
    connection.execute(sa.delete(tables.epoch))
    connection.execute(sa.insert(tables.epoch).values(id=1, value=new_epoch))
    places = tables.log_position
    connection.execute(sa.update(places).values(announced_seq=places.c.stream_seq))


def _look(connection: sa.Connection) -> Present:
    state = state_of(connection)
    if state.is_newer:
        raise NotRestored(
            f"the database is at revision {state.revision}, which this Parley does not know (it knows {HEAD}): "
            "use the version that the system runs with, or an empty database"
        )
    present = set(sa.inspect(connection).get_table_names()).intersection(tables.metadata.tables)

    def count(table: sa.Table) -> int:
        counted = sa.select(sa.func.count()).select_from(table)
        return (connection.scalar(counted) or 0) if table.name in present else 0

    filled = (
        connection.execute(sa.select(sa.literal(1)).select_from(tables.metadata.tables[name]).limit(1)).first()
        for name in sorted(present - _OF_THE_LOG)
    )
    is_empty = not any(filled)
    return Present(count(tables.account), count(tables.message), is_empty)


def _check_unused_server(connection: sa.Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    others = connection.scalar(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    )
    if others:
        raise NotRestored(f"the database has {others} other connections: stop the system and whatever else uses it")


def _check_unused_file(url: str) -> None:
    """See whether somebody else has the file open: only then can it not leave the mode with the write-ahead log."""
    file = _file(url)
    if file is None or not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=1)) as driver:
        try:
            driver.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            raise NotRestored(f"{file} is in use ({error}): stop the system first") from error


def _file(url: str) -> Path | None:
    name = sa.make_url(url).database
    return Path(name) if is_sqlite(url) and name else None
