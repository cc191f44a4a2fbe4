"""All SQL of the gateway: accounts, their sign-ins, and the tickets for the socket's handshake."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.gateway.domain import Principal, SignInKind, User
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId, Username
from shared.database.engine import is_sqlite, open_engine
from shared.database.tables import account, sign_in, ticket

USED_EVERY_MS: Final = 5 * 60 * 1000
"""How fresh `last_used_at_ms` is kept."""
PATIENCE_S: Final = 5.0
MAX_ADDED_AT_ONCE: Final = 500
MAX_SEEN: Final = 10_000

_Row = sa.Row[*tuple[Any, ...]]
_Question = sa.Select[*tuple[Any, ...]]

# What asyncpg raises while it connects is not always wrapped.
_AWAY = (
    OSError,
    TimeoutError,
    sa.exc.TimeoutError,
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,  # asyncpg's, of a connection that was killed while it had nothing to do
)


class Credentials(NamedTuple):
    """A user with what its password is checked against ("" where it has none)."""

    user: User
    password_hash: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session or token to be added; times in Unix milliseconds."""

    id: str
    user_id: UserId
    kind: SignInKind
    secret_hash: bytes
    name: str
    created_at_ms: int
    expires_at_ms: int


class ListedSignIn(NamedTuple):
    """A session or token as its user sees it in a list."""

    id: str
    kind: SignInKind
    name: str
    created_at_ms: int
    last_used_at_ms: int
    expires_at_ms: int


class Proof(NamedTuple):
    """What a secret proves: who it is, and when it was last used."""

    principal: Principal
    last_used_at_ms: int


def hash_secret(secret: str) -> bytes:
    """Return what is kept of a secret: SHA-256 is enough for one that was drawn at random, 128 bits or more."""
    return hashlib.sha256(secret.encode()).digest()


class Accounts:
    """The gateway's tables; `async with` it. Nothing is connected before the first question.

    Every method raises `Refusal` `unavailable` while the database can't be reached or does not answer in 5 s.
    """

    def __init__(self, database_url: str) -> None:
        self._writer: AsyncEngine = open_engine(database_url, "writer")
        self._reader = open_engine(database_url, "reader") if is_sqlite(database_url) else self._writer
        self._seen: dict[Username, User] = {}

    async def __aenter__(self) -> Self:
        """Do nothing yet: a database that is away delays no start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    async def ping(self) -> None:
        """Read one row at most, to see that the database and its schema are there."""
        async with self._reading() as connection:
            await connection.execute(sa.select(account.c.id).limit(1))

    async def add_account(self, user: User, password_hash: str, now_ms: int) -> bool:
        """Add a user; tells whether the username was free."""
        async with self._writing() as connection:
            try:
                await connection.execute(sa.insert(account).values(_account_row(user, password_hash, now_ms)))
            except sa.exc.IntegrityError:
                return False
        return True

    async def credentials_of(self, username: Username) -> Credentials | None:
        """Find whom a username signs in, where it is not disabled."""
        row = await self._row(_ACCOUNTS.where(account.c.username == username, account.c.disabled_at_ms.is_(None)))
        return None if row is None else _credentials(row)

    async def credentials_by_id(self, user_id: UserId) -> Credentials | None:
        """Find a user by id."""
        row = await self._row(_ACCOUNTS.where(account.c.id == user_id))
        return None if row is None else _credentials(row)

    async def find_users(self, usernames: Sequence[Username]) -> dict[Username, User]:
        """Look up users by name; unknown names are left out. A username is for ever, so what was seen is kept."""
        found = {name: self._seen[name] for name in usernames if name in self._seen}
        unseen = set(usernames).difference(found)
        if unseen:
            async with self._reading() as connection:
                rows = (await connection.execute(_ACCOUNTS.where(account.c.username.in_(unseen)))).all()
            found |= {row.username: _credentials(row).user for row in rows}
            self._seen |= found
            while len(self._seen) > MAX_SEEN:
                del self._seen[next(iter(self._seen))]
        return found

    async def find_user(self, username: Username) -> User | None:
        """Look up one user by name."""
        return (await self.find_users([username])).get(username)

    async def rename(self, user_id: UserId, display_name: str) -> None:
        """Change how a user is displayed."""
        async with self._writing() as connection:
            change = sa.update(account).where(account.c.id == user_id).values(display_name=display_name)
            await connection.execute(change)
        self._seen.clear()

    async def rehash_password(self, user_id: UserId, *, old_hash: str, new_hash: str) -> None:
        """Put a stronger hash of the same password in the place of an old one."""
        async with self._writing() as connection:
            await connection.execute(
                sa.update(account)
                .where(account.c.id == user_id, account.c.password_hash == old_hash)
                .values(password_hash=new_hash)
            )

    async def change_password(self, user_id: UserId, password_hash: str, *, keep_sign_in: str) -> list[str]:
        """Set another password and end every other sign-in; returns the ids of those that ended."""
        async with self._writing() as connection:
            change = sa.update(account).where(account.c.id == user_id).values(password_hash=password_hash)
            await connection.execute(change)
            return await _end(connection, sign_in.c.user_id == user_id, sign_in.c.id != keep_sign_in)

    async def add_sign_in(self, new: SignIn) -> None:
        """Sign a user in; what expired of that user's older sign-ins is cleared away."""
        row = {
            "id": new.id,
            "user_id": new.user_id,
            "kind": new.kind,
            "secret_hash": new.secret_hash,
            "name": new.name,
            "created_at_ms": new.created_at_ms,
            "last_used_at_ms": new.created_at_ms,
            "expires_at_ms": new.expires_at_ms,
        }
        async with self._writing() as connection:
            await _end(connection, sign_in.c.user_id == new.user_id, sign_in.c.expires_at_ms <= new.created_at_ms)
            await connection.execute(sa.insert(sign_in).values(row))

    async def proof_of(self, secret_hash: bytes) -> Proof | None:
        """Find the sign-in of a secret, expired or not, where its user is not disabled."""
        return _proof(await self._row(_PROOFS.where(sign_in.c.secret_hash == secret_hash)))

    async def note_use(self, sign_in_id: str, now_ms: int) -> None:
        """Write down that a sign-in was used just now."""
        async with self._writing() as connection:
            await connection.execute(
                sa.update(sign_in)
                .where(sign_in.c.id == sign_in_id, sign_in.c.last_used_at_ms < now_ms)
                .values(last_used_at_ms=now_ms)
            )

    async def sign_ins_of(self, user_id: UserId, now_ms: int) -> list[ListedSignIn]:
        """List a user's sign-ins, the newest first."""
        question = (
            sa.select(*(sign_in.c[name] for name in ListedSignIn._fields))
            .where(sign_in.c.user_id == user_id, sign_in.c.expires_at_ms > now_ms)
            .order_by(sign_in.c.created_at_ms.desc(), sign_in.c.id.desc())
        )
        async with self._reading() as connection:
            return [ListedSignIn(*row) for row in (await connection.execute(question)).all()]

    async def still_signed_in(self, sign_in_ids: Sequence[str], now_ms: int) -> set[str]:
        """Tell which of these sign-ins are still good."""
        question = sa.select(sign_in.c.id).where(sign_in.c.id.in_(sign_in_ids), sign_in.c.expires_at_ms > now_ms)
        async with self._reading() as connection:
            return set((await connection.execute(question)).scalars())

    async def end_sign_in(self, user_id: UserId, sign_in_id: str) -> bool:
        """End one sign-in of a user; tells whether there was one."""
        async with self._writing() as connection:
            return bool(await _end(connection, sign_in.c.user_id == user_id, sign_in.c.id == sign_in_id))

    async def add_ticket(self, secret_hash: bytes, sign_in_id: str, *, now_ms: int, expires_at_ms: int) -> None:
        """Add a single-use ticket; expired ones are cleared away."""
        row = {"secret_hash": secret_hash, "sign_in_id": sign_in_id, "expires_at_ms": expires_at_ms}
        async with self._writing() as connection:
            await connection.execute(sa.delete(ticket).where(ticket.c.expires_at_ms <= now_ms))
            await connection.execute(sa.insert(ticket).values(row))

    async def redeem_ticket(self, secret_hash: bytes, now_ms: int) -> Proof | None:
        """Take a ticket out of the world and tell what it proves; None for one used before or expired."""
        async with self._writing() as connection:
            used = sa.delete(ticket).where(ticket.c.secret_hash == secret_hash, ticket.c.expires_at_ms > now_ms)
            sign_in_id = (await connection.execute(used.returning(ticket.c.sign_in_id))).scalar_one_or_none()
            if sign_in_id is None:
                return None
            return _proof((await connection.execute(_PROOFS.where(sign_in.c.id == sign_in_id))).first())

    async def add_with_tokens(
        self, users: Iterable[User], tokens: Iterable[SignIn], now_ms: int, password_hash: str = ""
    ) -> bool:
        """Add many users with a token each, all or none: none where one of the usernames is taken.

        Without a hash they have no password, and sign in by token alone.
        """
        accounts = [_account_row(user, password_hash, now_ms) for user in users]
        sign_ins = [
            {name: getattr(token, name) for name in SignIn.__slots__} | {"last_used_at_ms": now_ms} for token in tokens
        ]
        async with _reached(patience_s=60):
            try:
                async with self._writer.begin() as connection:
                    for start in range(0, len(accounts), MAX_ADDED_AT_ONCE):
                        await connection.execute(sa.insert(account), accounts[start : start + MAX_ADDED_AT_ONCE])
                        await connection.execute(sa.insert(sign_in), sign_ins[start : start + MAX_ADDED_AT_ONCE])
            except sa.exc.IntegrityError:
                return False
        return True

    async def _row(self, question: _Question) -> _Row | None:
        async with self._reading() as connection:
            return (await connection.execute(question)).first()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with _reached(), self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with _reached(), self._writer.begin() as connection:
            yield connection


_ACCOUNTS = sa.select(account.c.id, account.c.username, account.c.display_name, account.c.password_hash)
_PROOFS = sa.select(
    account.c.id.label("user_id"),
    account.c.username,
    account.c.display_name,
    sign_in.c.id.label("sign_in_id"),
    sign_in.c.kind,
    sign_in.c.expires_at_ms,
    sign_in.c.last_used_at_ms,
).where(account.c.id == sign_in.c.user_id, account.c.disabled_at_ms.is_(None))


@asynccontextmanager
async def _reached(patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(patience_s):
            yield
    except (*_AWAY, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Refusal(Code.UNAVAILABLE, "The store can't be reached right now. Try again.", 1000) from error
    except sa.exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Refusal(Code.UNAVAILABLE, "The store went away just now. Try again.", 1000) from error


async def _end(connection: AsyncConnection, *which: sa.ColumnElement[bool]) -> list[str]:
    ended = (await connection.execute(sa.delete(sign_in).where(*which).returning(sign_in.c.id))).scalars().all()
    if ended:
        await connection.execute(sa.delete(ticket).where(ticket.c.sign_in_id.in_(ended)))
    return list(ended)


def _account_row(user: User, password_hash: str, now_ms: int) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "password_hash": password_hash,
        "created_at_ms": now_ms,
    }


def _credentials(row: _Row) -> Credentials:
    return Credentials(User(row.id, row.username, row.display_name), row.password_hash)


def _proof(row: _Row | None) -> Proof | None:
    if row is None:
        return None
    principal = Principal(
        user_id=row.user_id,
        username=row.username,
        display_name=row.display_name,
        sign_in_id=row.sign_in_id,
        kind=row.kind,
        expires_at_ms=row.expires_at_ms,
    )
    return Proof(principal, row.last_used_at_ms)
