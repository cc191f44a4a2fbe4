"""The database: whether it can be reached and lets us in, its schema, how far the log is applied in it, its clock."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from deploy.cli.doctor.broker import Unreached, resolved
from deploy.cli.doctor.findings import Finding, Level, fail, fine, skip
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.cli.doctor.versions import OLDEST_POSTGRES, judged
from deploy.local.settings import Settings
from shared.contracts.ids import LogId
from shared.database import tables
from shared.database.engine import is_sqlite, open_engine
from shared.database.schema import HEAD, SchemaState, look, state_of
from shared.runtime import clock

NAME: Final = "database"
SCHEMA: Final = "schema"
AWAY: Final = "the database can't be asked"
_POSTGRES_PORT: Final = 5432
_ANSWER_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class Position:
    """How far the log is applied and announced in every partition: the log it is counted in, and the least of all."""

    log_id: LogId
    announced_seq: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What another clock showed, and what ours showed right before and after."""

    theirs: datetime
    before: datetime
    after: datetime

    @property
    def difference(self) -> timedelta:
        """How far the other clock is ahead of ours at least, negative where it is behind."""
        if self.theirs > self.after:
            return self.theirs - self.after
        return min(self.theirs - self.before, timedelta())


@dataclass
class Seen:
    """What came of looking: rows, the schema where the database answers, its clock where it has one of its own."""

    findings: list[Finding]
    schema: SchemaState | None = None
    moment: Moment | None = None


async def reach(told: Told, now: Callable[[], datetime] = clock.now) -> Seen:
    """Go to the database and look at its schema and its clock; changes nothing, makes no file."""
    local = told.local
    if local is None:
        return Seen([skip(name, "where it is, the settings don't say") for name in (NAME, SCHEMA)])
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await (_sqlite(local.database) if is_sqlite(local.database) else _postgres(local.database, now))
    except Unreached as unreached:
        failure = fail(NAME, unreached.seen, unreached.advice)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is looked at here, and told
        failure = diagnosis(error, local)
    return Seen([failure, skip(SCHEMA, AWAY)])


async def position(url: str) -> Position | None:
    """Read how far the log is applied and announced; None in a new database."""
    engine = open_engine(url, "reader", pool_size=1)
    table = tables.log_position
    try:
        async with engine.connect() as connection:
            rows = (await connection.execute(sa.select(table.c.log_id, table.c.announced_seq))).all()
    finally:
        await engine.dispose()
    return min((Position(LogId(row.log_id), row.announced_seq) for row in rows), key=_announced, default=None)


def _announced(place: Position) -> int:
    return place.announced_seq


async def _sqlite(url: str) -> Seen:
    path = sa.make_url(url).database or ""
    state = await look(url)
    if state.revision is None and not await in_thread(Path(path).exists):
        return Seen([skip(name, f"{path} is made by `make run` or `parley migrate`") for name in (NAME, SCHEMA)], state)
    return Seen([fine(NAME, f"SQLite, {path}"), of_schema(state)], state)


async def _postgres(url: str, now: Callable[[], datetime]) -> Seen:
    parts = sa.make_url(url)
    if parts.host and not parts.host.startswith("/"):
        await resolved(parts.host, parts.port or _POSTGRES_PORT, "PARLEY_DATABASE_URL")
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as connection:
            state = await connection.run_sync(state_of)
            number = int(await connection.scalar(sa.text("SELECT current_setting('server_version_num')")))
            before = now()
            theirs = await connection.scalar(sa.text("SELECT clock_timestamp()"))
            moment = Moment(theirs, before, now())
    finally:
        await engine.dispose()
    version = judged(NAME, "PostgreSQL", (number // 10_000, number % 10_000), OLDEST_POSTGRES, "upgrade the server")
    if version.level is Level.OK:
        version = fine(NAME, f"{version.seen} at {parts.host}, database {parts.database}")
    return Seen([version, of_schema(state)], state, moment)


def of_schema(state: SchemaState) -> Finding:
    """Judge the schema: behind, ahead of this program, or as it should be."""
    if state.problem:
        what, _, advice = state.problem.rpartition(": ")
        return fail(SCHEMA, what, advice)
    if state.is_newer:
        return fine(SCHEMA, f"revision {state.revision}, newer than this program's {HEAD}, and fits it all the same")
    return fine(SCHEMA, f"revision {HEAD}")


def diagnosis(error: BaseException, local: Settings) -> Finding:
    """Tell by an error why the database does not let us in, and what to do."""
    parts = sa.make_url(local.database)
    where = f"{parts.host}:{parts.port or _POSTGRES_PORT}" if parts.host else str(parts.database)
    url = "PARLEY_DATABASE_URL (or the file that PARLEY_DATABASE_URL_FILE names)"
    causes = list(_causes(error))
    states = {getattr(each, "sqlstate", None) for each in causes}
    seen, advice = f"{where} can't be used: {_line(causes[-1])}", "look at the database's log"
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        seen, advice = f"{where} refuses the connection: nothing listens there", f"start PostgreSQL, or set {url} right"
    elif isinstance(error, TimeoutError):
        seen = f"{where} does not answer within {_ANSWER_S:g} s"
        advice = "a firewall may be between, or it hangs: look at its log and its locks"
    elif states & {"28P01", "28000"}:
        seen = f"{where} refuses user {parts.username!r}: {_line(causes[-1])}"
        advice = f"set the right password in {url}, or let that user in (pg_hba.conf)"
    elif "3D000" in states:
        seen, advice = f"{where} has no database {parts.database!r}", f"create it, or set {url} right"
    elif "53300" in states:
        seen, advice = f"{where} takes no more connections", "raise max_connections, or run fewer services"
    elif "57P03" in states:
        seen, advice = f"{where} is starting up or shutting down", "wait for it, then run this again"
    elif "42501" in states:
        seen, advice = (
            f"{where}: {_line(causes[-1])}",
            f"give {parts.username!r} its rights: the tables must be its own",
        )
    elif "SSL" in str(causes[-1]).upper():
        advice = "sslmode and sslrootcert in the address must fit the server's TLS"
    elif is_sqlite(local.database):
        advice = "if it is no database any more: stop the system and restore a backup (`parley restore`)"
    return fail(NAME, seen, advice)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go from what was raised to what was behind it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:200]
