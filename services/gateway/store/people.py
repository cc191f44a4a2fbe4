"""People: who is found by the beginnings of their names, and whom one blocks."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from shared.contracts.ids import UserId, Username
from shared.database.tables import account, account_word, block

LAST_CHARACTER: Final = "\U0010ffff"
"""Nothing that begins with a prefix comes behind it with this character added, in the order of code points."""


class Person(NamedTuple):
    """Somebody as everybody may see them."""

    username: Username
    display_name: str


class FoundPerson(NamedTuple):
    """Somebody who was searched for. `rank`: 0 where a word is the username, 1 where one begins it, 2 otherwise."""

    rank: int
    username: Username
    display_name: str


class BlockedPerson(NamedTuple):
    """Somebody who is blocked, since `since_ms` (Unix)."""

    user_id: UserId
    username: Username
    display_name: str
    since_ms: int


class People:
    """What one may ask about others.

    Every method raises `Refusal` `unavailable` while the database can't be reached or does not answer in 5 s.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, words: Sequence[str], asker: UserId, limit: int, after: tuple[int, Username] | None = None
    ) -> list[FoundPerson]:
        """Find others who have a word beginning with each of `words`, by rank and username, behind (rank, username)."""
        async with self._database.reading() as connection:
            username = _by_code_points(connection, account.c.username)
            rank = _rank(words)
            question = sa.select(rank, account.c.username, account.c.display_name).where(
                *(account.c.id.in_(_having(word)) for word in words),
                account.c.id != asker,
                account.c.disabled_at_ms.is_(None),
            )
            if after is not None:
                question = question.where(sa.or_(rank > after[0], sa.and_(rank == after[0], username > after[1])))
            rows = await connection.execute(question.order_by(rank, username).limit(limit))
            return [FoundPerson(*row) for row in rows.all()]

    async def find(self, username: Username) -> Person | None:
        """Find somebody by name, as the store has it now."""
        question = sa.select(account.c.username, account.c.display_name).where(account.c.username == username)
        row = await self._database.row(question)
        return None if row is None else Person(*row)

    async def blocked_by(
        self, user_id: UserId, limit: int, before: tuple[int, UserId] | None = None
    ) -> list[BlockedPerson]:
        """List whom a user blocks, the latest first, behind (since, user id)."""
        # The account may be missing in a backup that is older than the log: the block has the name.
        shown = sa.func.coalesce(account.c.display_name, block.c.blocked)
        question = (
            sa.select(block.c.blocked_id, block.c.blocked, shown, block.c.at_ms)
            .select_from(block.outerjoin(account, account.c.id == block.c.blocked_id))
            .where(block.c.blocker_id == user_id)
            .order_by(block.c.at_ms.desc(), block.c.blocked_id.desc())
            .limit(limit)
        )
        if before is not None:
            question = question.where(sa.tuple_(block.c.at_ms, block.c.blocked_id) < sa.tuple_(*before))
        async with self._database.reading() as connection:
            return [BlockedPerson(*row) for row in (await connection.execute(question)).all()]


def _having(prefix: str) -> sa.Select[tuple[str]]:
    word = account_word.c.word
    return sa.select(account_word.c.user_id).where(word >= prefix, word < prefix + LAST_CHARACTER)


def _rank(words: Sequence[str]) -> sa.ColumnElement[int]:
    begins = sa.or_(*(sa.func.substr(account.c.username, 1, len(word)) == word for word in words))
    return sa.case((account.c.username.in_(words), 0), (begins, 1), else_=2)


def _by_code_points(connection: AsyncConnection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Compare texts by code points on both databases, whatever PostgreSQL's collation is."""
    return column if connection.dialect.name == "sqlite" else sa.collate(column, "C")
