"""Sign-ins, what their secrets prove, and the tickets for the socket's handshake."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain import Choices, Principal, SignInKind
from services.gateway.store.database import Database, Row
from shared.contracts.ids import UserId
from shared.database.tables import account, sign_in, ticket

USED_EVERY_MS: Final = 5 * 60 * 1000
"""How fresh `last_used_at_ms` is kept."""


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


class SignIns(Database):
    """Sessions and tokens; only a hash of their secrets is here."""

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
        async with self.writing() as connection:
            await end_where(connection, sign_in.c.user_id == new.user_id, sign_in.c.expires_at_ms <= new.created_at_ms)
            await connection.execute(sa.insert(sign_in).values(row))

    async def proof_of(self, secret_hash: bytes) -> Proof | None:
        """Find the sign-in of a secret, expired or not, where its user is not disabled."""
        return _proof(await self.row(_PROOFS.where(sign_in.c.secret_hash == secret_hash)))

    async def note_use(self, sign_in_id: str, now_ms: int) -> None:
        """Write down that a sign-in was used just now."""
        async with self.writing() as connection:
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
        async with self.reading() as connection:
            return [ListedSignIn(*row) for row in (await connection.execute(question)).all()]

    async def still_signed_in(self, sign_in_ids: Sequence[str], now_ms: int) -> dict[str, Principal]:
        """Tell which of these sign-ins are still good, and whose they are."""
        question = _PROOFS.where(sign_in.c.id.in_(sign_in_ids), sign_in.c.expires_at_ms > now_ms)
        async with self.reading() as connection:
            return {row.sign_in_id: _principal(row) for row in (await connection.execute(question)).all()}

    async def end_sign_in(self, user_id: UserId, sign_in_id: str) -> bool:
        """End one sign-in of a user; tells whether there was one."""
        async with self.writing() as connection:
            return bool(await end_where(connection, sign_in.c.user_id == user_id, sign_in.c.id == sign_in_id))

    async def add_ticket(self, secret_hash: bytes, sign_in_id: str, *, now_ms: int, expires_at_ms: int) -> None:
        """Add a single-use ticket; expired ones are cleared away."""
        row = {"secret_hash": secret_hash, "sign_in_id": sign_in_id, "expires_at_ms": expires_at_ms}
        async with self.writing() as connection:
            await connection.execute(sa.delete(ticket).where(ticket.c.expires_at_ms <= now_ms))
            await connection.execute(sa.insert(ticket).values(row))

    async def redeem_ticket(self, secret_hash: bytes, now_ms: int) -> Proof | None:
        """Take a ticket out of the world and tell what it proves; None for one used before or expired."""
        async with self.writing() as connection:
            used = sa.delete(ticket).where(ticket.c.secret_hash == secret_hash, ticket.c.expires_at_ms > now_ms)
            sign_in_id = (await connection.execute(used.returning(ticket.c.sign_in_id))).scalar_one_or_none()
            if sign_in_id is None:
                return None
            return _proof((await connection.execute(_PROOFS.where(sign_in.c.id == sign_in_id))).first())


async def end_where(connection: AsyncConnection, *which: sa.ColumnElement[bool]) -> list[str]:
    """End sign-ins with their tickets, in a transaction of the caller; returns their ids."""
    ended = (await connection.execute(sa.delete(sign_in).where(*which).returning(sign_in.c.id))).scalars().all()
    if ended:
        await connection.execute(sa.delete(ticket).where(ticket.c.sign_in_id.in_(ended)))
    return list(ended)


_PROOFS = sa.select(
    account.c.id.label("user_id"),
    account.c.username,
    account.c.display_name,
    account.c.read_receipts,
    account.c.typing,
    account.c.last_seen,
    sign_in.c.id.label("sign_in_id"),
    sign_in.c.kind,
    sign_in.c.expires_at_ms,
    sign_in.c.last_used_at_ms,
).where(account.c.id == sign_in.c.user_id, account.c.disabled_at_ms.is_(None))


def choices_of(row: Row) -> Choices:
    """Read a user's choices."""
    return Choices(read_receipts=row.read_receipts, typing=row.typing, last_seen=row.last_seen)


def _proof(row: Row | None) -> Proof | None:
    return None if row is None else Proof(_principal(row), row.last_used_at_ms)


def _principal(row: Row) -> Principal:
    return Principal(
        user_id=row.user_id,
        username=row.username,
        display_name=row.display_name,
        sign_in_id=row.sign_in_id,
        kind=row.kind,
        expires_at_ms=row.expires_at_ms,
        choices=choices_of(row),
    )
