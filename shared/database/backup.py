"""Copies the whole database into a file: all of one moment, while others go on writing, in pages by key."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, Final

import sqlalchemy as sa

from shared.database import tables
from shared.database.archive import FORMAT, VERSION, Column, Kind, Manifest, Position, Row, Table, Writer, new_file
from shared.database.engine import KEY_LOOKUPS, open_engine
from shared.database.schema import state_of

PAGE: Final = 1000
"""Rows that are read at a time."""
LEFT_OUT: Final = {"ticket": "single use, and over 30 s after it was made"}
_KINDS: Final[dict[type[Any], Kind]] = {
    sa.Boolean: "boolean",
    sa.Integer: "integer",
    sa.LargeBinary: "bytes",
    sa.String: "text",
}

Progress = Callable[[str, int, int], None]
"""Is told a table's name, how many of its rows are done, and how many it has."""


class NoBackup(Exception):
    """There is nothing that could be copied; the text says what to do."""


async def back_up(url: str, target: Path | IO[bytes], *, created_at: str, progress: Progress | None = None) -> Manifest:
    """Copy the database at `url` into a new file, or into one that is open, a pipe for instance.

    Raises:
        NoBackup: there is no schema.
        NotWritten: the file can't be written, or exists.
        What a database raises that is away.
    """
    engine = open_engine(url, "reader", pool_size=1, planner=KEY_LOOKUPS)
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with _opened(target) as file, Writer(file) as writer:
                return await connection.run_sync(_copy, writer, created_at, progress)
    finally:
        await engine.dispose()


def _opened(target: Path | IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    return new_file(target) if isinstance(target, Path) else nullcontext(target)


def _copy(connection: sa.Connection, writer: Writer, created_at: str, progress: Progress | None) -> Manifest:
    revision = state_of(connection).revision
    if revision is None:
        raise NoBackup("the database has no tables yet: run `parley migrate`")
    positions = connection.execute(sa.select(tables.log_position).order_by(tables.log_position.c.partition)).all()
    epoch = connection.scalar(sa.select(tables.epoch.c.value))
    present = {str(name) for name in sa.inspect(connection).get_table_names()}
    copied: dict[str, Table] = {}
    for name in sorted(present - LEFT_OUT.keys() - {"alembic_version"}):  # also those that only a newer version knows
        columns, source = _columns(connection, name)
        copied[name] = writer.table(name, columns, _pages(connection, source, progress))
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        created_at=created_at,
        database=connection.dialect.name,
        revision=revision,
        epoch=epoch,
        positions=[Position(row.partition, row.log_id, row.stream_seq, row.announced_seq) for row in positions],
        left_out=LEFT_OUT,
        tables=copied,
    )
    writer.finish(manifest)
    return manifest


def _columns(connection: sa.Connection, name: str) -> tuple[list[Column], sa.Table]:
    """Tell what columns a table has in this database, which may be older than the code."""
    source = sa.Table(name, sa.MetaData(), autoload_with=connection)
    return [Column(str(column.name), _kind(column)) for column in source.columns], source


def _kind(column: sa.Column[object]) -> Kind:
    for of, kind in _KINDS.items():
        if isinstance(column.type, of):
            return kind
    raise NoBackup(f"the column {column.table.name}.{column.name} has a type that backups do not know: {column.type}")


def _pages(connection: sa.Connection, source: sa.Table, progress: Progress | None) -> Iterator[list[Row]]:
    key = list(source.primary_key.columns)
    total = (connection.scalar(sa.select(sa.func.count()).select_from(source)) or 0) if progress else 0
    page = sa.select(source).order_by(*key).limit(PAGE)
    places = [source.columns.values().index(column) for column in key]
    question, done = page, 0
    while rows := connection.execute(question).all():
        yield [tuple(row) for row in rows]
        done += len(rows)
        if progress is not None:
            progress(source.name, done, total)
        reached = (sa.literal(rows[-1][place], column.type) for place, column in zip(places, key, strict=True))
        question = page.where(sa.tuple_(*key) > sa.tuple_(*reached))
