"""Accounts: whom a name or an id belongs to, and what a password is checked against."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain import Choices, User, words_of
from services.gateway.store.database import Row
from services.gateway.store.sign_ins import SignIn, SignIns, choices_of, end_where
from shared.contracts.ids import UserId, Username
from shared.database.tables import account, account_word, sign_in

MAX_ADDED_AT_ONCE: Final = 500
ADDED_PATIENCE_S: Final = 60.0
MAX_SEEN: Final = 10_000


class Credentials(NamedTuple):
    """A user with what its password is checked against ("" where it has none)."""

    user: User
    password_hash: str


class Profile(NamedTuple):
    """A user with what it lets others see."""

    user: User
    choices: Choices


class Accounts(SignIns):
    """Users, and all that they sign in with.

    Every method raises `Refusal` `unavailable` while the database can't be reached or does not answer in 5 s.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._seen: dict[Username, User] = {}
        self._forgotten = 0

    @property
    def seen(self) -> int:
        """How many users are kept in memory."""
        return len(self._seen)

    async def add_account(self, user: User, password_hash: str, now_ms: int) -> bool:
        """Add a user; tells whether the username was free."""
        try:
            async with self.writing() as connection:
                await connection.execute(sa.insert(account).values(_account_row(user, password_hash, now_ms)))
                await connection.execute(sa.insert(account_word), _word_rows(user))
        except sa.exc.IntegrityError:
            return False
        return True

    async def credentials_of(self, username: Username) -> Credentials | None:
        """Find whom a username signs in, where it is not disabled."""
        row = await self.row(_ACCOUNTS.where(account.c.username == username, account.c.disabled_at_ms.is_(None)))
        return None if row is None else _credentials(row)

    async def credentials_by_id(self, user_id: UserId) -> Credentials | None:
        """Find a user by id."""
        row = await self.row(_ACCOUNTS.where(account.c.id == user_id))
        return None if row is None else _credentials(row)

    async def find_users(self, usernames: Sequence[Username]) -> dict[Username, User]:
        """Look up users by name; unknown names are left out. A username is for ever, so what was seen is kept."""
        found = {name: self._seen[name] for name in usernames if name in self._seen}
        unseen = set(usernames).difference(found)
        if unseen:
            forgotten = self._forgotten
            async with self.reading() as connection:
                rows = (await connection.execute(_ACCOUNTS.where(account.c.username.in_(unseen)))).all()
            found |= {row.username: _credentials(row).user for row in rows}
            if forgotten == self._forgotten:  # else it may be older than what was forgotten meanwhile
                self._seen |= found
            while len(self._seen) > MAX_SEEN:
                del self._seen[next(iter(self._seen))]
        return found

    async def find_user(self, username: Username) -> User | None:
        """Look up one user by name."""
        return (await self.find_users([username])).get(username)

    def forget(self, username: Username) -> None:
        """Look a user up anew: its name for display has changed."""
        self._forgotten += 1
        self._seen.pop(username, None)

    def forget_all(self) -> None:
        """Look everybody up anew: what changed elsewhere may not have been heard."""
        self._forgotten += 1
        self._seen.clear()

    async def change_profile(
        self, user_id: UserId, *, display_name: str | None, choices: Mapping[str, bool]
    ) -> Profile | None:
        """Change how a user is displayed, and what it lets others see, by the names of `Choices`; returns all of it."""
        values: dict[str, Any] = dict(choices)
        if display_name is not None:
            values["display_name"] = display_name
        async with self.writing() as connection:
            if values:  # first: whoever changes the same user waits here, before anything is read
                await connection.execute(sa.update(account).where(account.c.id == user_id).values(values))
            row = (await connection.execute(_PROFILES.where(account.c.id == user_id))).first()
            if row is None:
                return None
            changed = Profile(User(row.id, row.username, row.display_name), choices_of(row))
            if display_name is not None:
                await _write_words(connection, changed.user)
        self.forget(changed.user.username)
        return changed

    async def rehash_password(self, user_id: UserId, *, old_hash: str, new_hash: str) -> None:
        """Put a stronger hash of the same password in the place of an old one."""
        async with self.writing() as connection:
            await connection.execute(
                sa.update(account)
                .where(account.c.id == user_id, account.c.password_hash == old_hash)
                .values(password_hash=new_hash)
            )

    async def change_password(self, user_id: UserId, password_hash: str, *, keep_sign_in: str) -> list[str]:
        """Set another password and end every other sign-in; returns the ids of those that ended."""
        async with self.writing() as connection:
            change = sa.update(account).where(account.c.id == user_id).values(password_hash=password_hash)
            await connection.execute(change)
            return await end_where(connection, sign_in.c.user_id == user_id, sign_in.c.id != keep_sign_in)

    async def add_with_tokens(
        self, users: Iterable[User], tokens: Iterable[SignIn], now_ms: int, password_hash: str = ""
    ) -> bool:
        """Add many users with a token each, all or none: none where one of the usernames is taken.

        Without a hash they have no password, and sign in by token alone.
        """
        users = list(users)
        accounts = [_account_row(user, password_hash, now_ms) for user in users]
        words = [row for user in users for row in _word_rows(user)]
        sign_ins = [
            {name: getattr(token, name) for name in SignIn.__slots__} | {"last_used_at_ms": now_ms} for token in tokens
        ]
        try:
            async with self.writing(ADDED_PATIENCE_S) as connection:
                for table, rows in ((account, accounts), (account_word, words), (sign_in, sign_ins)):
                    for start in range(0, len(rows), MAX_ADDED_AT_ONCE):
                        await connection.execute(sa.insert(table), rows[start : start + MAX_ADDED_AT_ONCE])
        except sa.exc.IntegrityError:
            return False
        return True


_ACCOUNTS = sa.select(account.c.id, account.c.username, account.c.display_name, account.c.password_hash)
_PROFILES = sa.select(
    account.c.id,
    account.c.username,
    account.c.display_name,
    account.c.read_receipts,
    account.c.typing,
    account.c.last_seen,
)


async def _write_words(connection: AsyncConnection, user: User) -> None:
    await connection.execute(sa.delete(account_word).where(account_word.c.user_id == user.id))
    await connection.execute(sa.insert(account_word), _word_rows(user))


def _word_rows(user: User) -> list[dict[str, object]]:
    return [{"word": word, "user_id": user.id} for word in sorted(words_of(user.username, user.display_name))]


def _account_row(user: User, password_hash: str, now_ms: int) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "password_hash": password_hash,
        "created_at_ms": now_ms,
    }


def _credentials(row: Row) -> Credentials:
    return Credentials(User(row.id, row.username, row.display_name), row.password_hash)
