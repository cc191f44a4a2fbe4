"""The database, for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import sqlalchemy as sa
import sqlalchemy.exc

from deploy.cli.output import Refused
from shared.database.engine import is_sqlite

_AWAY = (sqlalchemy.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


def shown(url: str) -> str:
    """Write a database's address without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


@contextmanager
def reached(url: str) -> Iterator[None]:
    """Turn what goes wrong at the database into a line for the operator.

    Raises:
        Refused: it is away, or did not do what it was asked.
    """
    try:
        yield
    except _AWAY as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()
        raise Refused(f"{shown(url)}: {reason[0] if reason else type(error).__name__}") from error


def check_there(url: str) -> None:
    """See that a SQLite file is there, instead of making an empty one.

    Raises:
        Refused: it is not.
    """
    file = sa.make_url(url).database
    if is_sqlite(url) and not (file and Path(file).exists()):
        raise Refused(f"there is no database {file}: set PARLEY_DATA_DIR or PARLEY_DATABASE_URL")
