"""What schema a database has, and whether this program can work with it: at the newest revision, or expanded since."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from shared.database.engine import is_sqlite, open_engine
from shared.database.tables import metadata

MIGRATIONS: Final = Path(__file__).parent / "migrations"
REVISIONS: Final = tuple(sorted(path.name[:4] for path in MIGRATIONS.glob("versions/[0-9][0-9][0-9][0-9]_*.py")))
"""The revisions that this program knows, in their order: each file's name begins with its own."""
HEAD: Final = REVISIONS[-1]


class SchemaUnfit(Exception):
    """The program can't work with the schema of the database; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision that a database is at (None: at none), and what this program uses that it lacks."""

    revision: str | None
    lacking: tuple[str, ...]

    @property
    def is_newer(self) -> bool:
        """Whether a newer program has migrated it; what that has added does not disturb this one (ADR 7)."""
        return self.revision is not None and self.revision not in REVISIONS

    @property
    def problem(self) -> str:
        """Why this program can't work with it, and what to do; "" where it can."""
        if self.revision is None:
            return f"the database has no schema; this program needs revision {HEAD}: run `parley migrate`"
        if self.is_newer:
            if not self.lacking:
                return ""
            return (
                f"the database is newer than this program (revision {self.revision}, known is {HEAD}) and has no more "
                f"{_listed(self.lacking)}: run a newer program, or restore the backup made before the upgrade"
            )
        if self.revision != HEAD:
            return f"the schema is at revision {self.revision}, this program needs {HEAD}: run `parley migrate`"
        if self.lacking:
            return f"the schema is at revision {HEAD}, but has no {_listed(self.lacking)}: restore a backup"
        return ""


class Schema:
    """Watches a database's schema for a service: `ping` until it fits; from then on migrations only add to it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._found = ""

    async def ping(self) -> str:
        """Tell the revision that the service began to work with.

        Raises:
            SchemaUnfit; what a database raises that is away.
        """
        if not self._found:
            state = await look(self._url)
            if state.problem:
                raise SchemaUnfit(state.problem)
            self._found = f"revision {state.revision}"
        return self._found


async def look(url: str) -> SchemaState:
    """Look at the schema of the database at `url`; changes nothing, makes no file.

    Raises:
        What a database raises that is away.
    """
    if is_sqlite(url) and not _is_there(url):
        return SchemaState(None, tuple(_lacking({})))
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(state_of)
    finally:
        await engine.dispose()


def _is_there(url: str) -> bool:
    return Path(sa.make_url(url).database or "").exists()


def state_of(connection: sa.Connection) -> SchemaState:
    """Look at the schema over a connection."""
    inspector = sa.inspect(connection)
    present = {table: {column["name"] for column in columns} for (_, table), columns in _columns(inspector).items()}
    revision = None
    if _VERSION.name in present:
        revision = connection.scalar(sa.select(_VERSION.c.version_num))
    return SchemaState(revision, tuple(_lacking(present)))


_VERSION: Final = sa.table("alembic_version", sa.column("version_num", sa.Text))


def _columns(inspector: sa.Inspector) -> Mapping[tuple[str | None, str], list[sa.engine.interfaces.ReflectedColumn]]:
    return inspector.get_multi_columns()


def _lacking(present: Mapping[str, set[str]]) -> list[str]:
    lacking = []
    for table in metadata.sorted_tables:
        if table.name not in present:
            lacking.append(f"table {table.name}")
        else:
            lacking += [f"column {column}" for column in table.columns if column.name not in present[table.name]]
    return lacking


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
