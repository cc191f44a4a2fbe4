"""Registering, signing in and out: each new session or token gets a secret of its own, told once."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from services.gateway import domain
from services.gateway.domain import Principal, SignInKind, User
from services.gateway.guards.attempts import Attempts
from services.gateway.guards.passwords import Passwords
from services.gateway.settings import Settings
from services.gateway.store import Accounts, Credentials, SignIn, hash_secret
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId, Username
from shared.runtime import clock, logs

TICKET_LIFE: Final = timedelta(seconds=30)
SECRET_BYTES: Final = 32

Revoke = Callable[[UserId, Sequence[str]], Awaitable[None]]
"""Tells every gateway that sign-ins ended."""

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Secret:
    """What proves a sign-in, as its owner is told it this once."""

    text: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may register, and how long a sign-in lasts."""

    registration: Literal["open", "invite", "closed"]
    session_life: timedelta
    token_life: timedelta


class SignIns:
    """Orchestrates accounts, passwords and attempts; every method may raise `Refusal` `unavailable`."""

    def __init__(
        self, accounts: Accounts, passwords: Passwords, attempts: Attempts, revoke: Revoke, rules: Rules
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._attempts = attempts
        self._revoke = revoke
        self._rules = rules

    async def register(self, username: str, password: str, display_name: str | None, address: str) -> User:
        """Make an account; without a display name it is shown by its username.

        Raises:
            Refusal: `forbidden` (registration is not open), `invalid`, `username_taken`, `rate_limited`.
        """
        if self._rules.registration != "open":
            raise Refusal(Code.FORBIDDEN, _NOBODY_REGISTERS[self._rules.registration])
        name = domain.username(username)
        domain.password(password)
        shown = domain.display_name(display_name) if display_name is not None else name
        self._attempts.begin_registration(address)
        if await self._accounts.find_user(name) is not None:
            raise _taken(name)
        password_hash = await self._passwords.hash(password)
        now_ms = clock.now_ms()
        user = User(UserId(domain.time_ordered_id(now_ms, secrets.token_bytes(10))), name, shown)
        if not await self._accounts.add_account(user, password_hash, now_ms):
            raise _taken(name)
        _log.info("account_registered", user_id=user.id)
        return user

    async def check(self, username: str, password: str, address: str) -> User:
        """Tell who this is by name and password.

        Unknown users take the same way and get the same answer as wrong passwords.

        Raises:
            Refusal: `unauthenticated`, `rate_limited`.
        """
        name = domain.fold_username(username)
        look_up = partial(self._accounts.credentials_of, name) if name else _nobody
        found = await self._verified(name or username[:64], look_up, password, address)
        if found is None:
            raise Refusal(Code.UNAUTHENTICATED, "The username or the password is wrong.")
        return found.user

    async def open(self, user: User, kind: SignInKind, name: str) -> Secret:
        """Sign a user in: a new secret, whatever the browser held before.

        Raises:
            Refusal: `invalid` for the name.
        """
        now_ms = clock.now_ms()
        life = self._rules.session_life if kind == "cookie" else self._rules.token_life
        secret = Secret(secrets.token_urlsafe(SECRET_BYTES), now_ms + int(life.total_seconds() * 1000))
        await self._accounts.add_sign_in(new_sign_in(user, kind, name, secret, now_ms))
        return secret

    async def end(self, user_id: UserId, sign_in_id: str) -> None:
        """End a sign-in of this user, and its sockets everywhere.

        Raises:
            Refusal: `not_found`.
        """
        is_one = "\0" not in sign_in_id  # of which PostgreSQL takes no notice but an error
        if not is_one or not await self._accounts.end_sign_in(user_id, sign_in_id):
            raise Refusal(Code.NOT_FOUND, "There is no such session.")
        await self._revoke(user_id, [sign_in_id])

    async def change_password(self, principal: Principal, old: str, new: str, address: str) -> None:
        """Set another password; every other session and token of the user ends.

        Raises:
            Refusal: `invalid`, `forbidden` (the old one is wrong), `rate_limited`.
        """
        domain.password(new, "new")
        look_up = partial(self._accounts.credentials_by_id, principal.user_id)
        if await self._verified(principal.username, look_up, old, address) is None:
            raise Refusal(Code.FORBIDDEN, "The old password is wrong.", fields={"old": "is wrong"})
        password_hash = await self._passwords.hash(new)
        ended = await self._accounts.change_password(
            principal.user_id, password_hash, keep_sign_in=principal.sign_in_id
        )
        _log.info("password_changed", user_id=principal.user_id, ended=len(ended))
        await self._revoke(principal.user_id, ended)

    async def ticket(self, principal: Principal) -> Secret:
        """Give a ticket for one handshake within 30 s."""
        now_ms = clock.now_ms()
        secret = Secret(secrets.token_urlsafe(SECRET_BYTES), now_ms + int(TICKET_LIFE.total_seconds() * 1000))
        await self._accounts.add_ticket(
            hash_secret(secret.text), principal.sign_in_id, now_ms=now_ms, expires_at_ms=secret.expires_at_ms
        )
        return secret

    async def _verified(
        self, tried: str, look_up: Callable[[], Awaitable[Credentials | None]], password: str, address: str
    ) -> Credentials | None:
        """Check a password within the limits; None where it is wrong or there is nobody."""
        self._attempts.begin_sign_in(tried, address)
        try:
            found = await look_up()
            verdict = await self._passwords.verify(found.password_hash if found else "", password)
        except Refusal:
            self._attempts.give_back(tried, address)  # nothing was decided
            raise
        if found is None or not verdict.is_right:
            _log.info("sign_in_refused", address=address)
            return None
        self._attempts.give_back(tried, address)
        if verdict.is_outdated:
            new_hash = await self._passwords.hash(password)
            await self._accounts.rehash_password(found.user.id, old_hash=found.password_hash, new_hash=new_hash)
        return found


def new_sign_in(user: User, kind: SignInKind, name: str, secret: Secret, now_ms: int) -> SignIn:
    """Lay out a sign-in for the store: only a hash of its secret goes there."""
    return SignIn(
        id=domain.time_ordered_id(now_ms, secrets.token_bytes(10)),
        user_id=user.id,
        kind=kind,
        secret_hash=hash_secret(secret.text),
        name=domain.sign_in_name(name),
        created_at_ms=now_ms,
        expires_at_ms=secret.expires_at_ms,
    )


async def create_accounts(
    database_url: str,
    usernames: Sequence[str],
    token_life: timedelta = timedelta(days=90),
    *,
    password: str | None = None,
) -> list[str]:
    """Make accounts; returns a bearer token for each, in order.

    Without a password they sign in by token alone, and many are made without minutes of hashing.

    Raises:
        Refusal: `invalid` for a name or the password; `unavailable`; `username_taken`, and then none is made.
    """
    now_ms = clock.now_ms()
    names = [domain.username(name) for name in usernames]
    users = [User(UserId(domain.time_ordered_id(now_ms, secrets.token_bytes(10))), name, name) for name in names]
    expires_at_ms = now_ms + int(token_life.total_seconds() * 1000)
    tokens = [Secret(secrets.token_urlsafe(SECRET_BYTES), expires_at_ms) for _ in users]
    sign_ins = [
        new_sign_in(user, "token", "made by an operator", token, now_ms)
        for user, token in zip(users, tokens, strict=True)
    ]
    password_hash = "" if password is None else await hash_password(domain.password(password))
    async with Accounts(database_url) as accounts:
        if not await accounts.add_with_tokens(users, sign_ins, now_ms, password_hash):
            raise Refusal(Code.USERNAME_TAKEN, "One of these usernames is taken; nothing was made.")
    return [token.text for token in tokens]


async def hash_password(password: str) -> str:
    """Hash one password as a gateway with default settings does, in a command."""
    costs = {"time_cost": Settings.argon2_time_cost, "memory_kib": Settings.argon2_memory_kib}
    async with Passwords(threads=1, waiting=0, **costs) as passwords:
        return await passwords.hash(password)


_NOBODY_REGISTERS: Final = {
    "invite": "Registration is by invitation only here, and there are no invitations yet. "
    "Ask whoever runs this server for an account.",
    "closed": "Registration is closed here. Ask whoever runs this server for an account.",
}


async def _nobody() -> None:
    return None


def _taken(name: Username) -> Refusal:
    return Refusal(Code.USERNAME_TAKEN, f"The username {name} is taken.", fields={"username": "is taken"})
