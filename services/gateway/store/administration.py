"""What an operator does with accounts: look at them, disable and enable them, set another password."""

from typing import Any, NamedTuple

import sqlalchemy as sa

from services.gateway.store.database import Database
from services.gateway.store.sign_ins import end_where
from shared.contracts.ids import UserId, Username
from shared.database.tables import account, sign_in


class Changed(NamedTuple):
    """An account that was changed, whether it is disabled now, and the sign-ins that ended with it."""

    user_id: UserId
    is_disabled: bool
    ended: list[str]


class ListedAccount(NamedTuple):
    """An account as an operator sees it; times in Unix milliseconds, None where there is none."""

    username: Username
    user_id: UserId
    created_at_ms: int
    disabled_at_ms: int | None
    has_password: bool
    sign_ins: int
    last_used_at_ms: int | None


class Administration:
    """Every method raises `Refusal` `unavailable` while the database can't be reached or does not answer in 5 s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accounts(
        self, limit: int, *, after: Username | None = None, is_disabled: bool | None = None
    ) -> list[ListedAccount]:
        """List accounts by username, behind one, all or those that are (not) disabled."""
        of_account = sign_in.c.user_id == account.c.id
        question = sa.select(
            account.c.username,
            account.c.id,
            account.c.created_at_ms,
            account.c.disabled_at_ms,
            account.c.password_hash != "",
            sa.select(sa.func.count()).select_from(sign_in).where(of_account).scalar_subquery(),
            sa.select(sa.func.max(sign_in.c.last_used_at_ms)).where(of_account).scalar_subquery(),
        )
        if after is not None:
            question = question.where(account.c.username > after)
        if is_disabled is not None:
            question = question.where(account.c.disabled_at_ms.is_not(None) == is_disabled)
        async with self._database.reading() as connection:
            rows = await connection.execute(question.order_by(account.c.username).limit(limit))
            return [ListedAccount(*row) for row in rows.all()]

    async def disable(self, username: Username, now_ms: int) -> Changed | None:
        """Let nobody sign in to an account any more, and end all its sign-ins; None where there is none."""
        return await self._change(username, {"disabled_at_ms": sa.func.coalesce(account.c.disabled_at_ms, now_ms)})

    async def enable(self, username: Username) -> Changed | None:
        """Let a disabled account be signed in to again; what slipped in while it was disabled ends."""
        return await self._change(username, {"disabled_at_ms": None})

    async def reset_password(self, username: Username, password_hash: str) -> Changed | None:
        """Set another password and end all sign-ins; None where there is no such account."""
        return await self._change(username, {"password_hash": password_hash})

    async def _change(self, username: Username, values: dict[str, Any]) -> Changed | None:
        async with self._database.writing() as connection:
            change = sa.update(account).where(account.c.username == username).values(values)
            changed = (await connection.execute(change.returning(account.c.id, account.c.disabled_at_ms))).first()
            if changed is None:
                return None
            ended = await end_where(connection, sign_in.c.user_id == changed.id)
            return Changed(UserId(changed.id), changed.disabled_at_ms is not None, ended)
