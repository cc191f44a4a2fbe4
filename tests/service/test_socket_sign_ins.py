"""A socket lasts no longer than the sign-in it rests on, also where nobody could tell its gateway."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from deploy.verify.wire import Wire
from services.gateway.domain import User
from services.gateway.store import Accounts, SignIn, hash_secret
from shared.contracts.ids import UserId, Username
from shared.database.engine import open_engine
from shared.database.tables import sign_in
from shared.runtime.clock import now_ms
from tests.support.nats import NatsServer
from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url, rate_limits=False) as running:
        yield running


async def short_lived(path: Path, username: str, expires_at_ms: int) -> str:
    """Make a user whose only sign-in ends soon; returns its token."""
    token, begun_ms = secrets.token_urlsafe(24), now_ms()
    user = User(UserId(secrets.token_hex(8)), Username(username), username)
    new = SignIn(secrets.token_hex(8), user.id, "token", hash_secret(token), "", begun_ms, expires_at_ms)
    async with Accounts(path.settings.database_url) as accounts:
        assert await accounts.add_with_tokens([user], [new], begun_ms)
    return token


@asynccontextmanager
async def database(path: Path) -> AsyncIterator[AsyncConnection]:
    """A transaction of somebody who is not the gateway."""
    engine = open_engine(path.settings.database_url, "writer", pool_size=1)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def revoke_unheard(path: Path, token: str) -> None:
    """End a sign-in as a gateway does that can't reach the broker: in the database alone."""
    async with database(path) as connection:
        ended = await connection.execute(sa.delete(sign_in).where(sign_in.c.secret_hash == hash_secret(token)))
    assert ended.rowcount == 1


async def is_closed_as_signed_out(wire: Wire, timeout_s: float = 10.0) -> None:
    assert (await wire.closing(timeout_s)).code == 4401
    goodbye = wire.passed[-1]
    assert (goodbye["type"], goodbye["code"], goodbye["reconnect"]) == ("goodbye", "unauthenticated", False)


async def test_the_socket_of_a_sign_in_that_expires_is_closed(path: Path) -> None:
    ends_ms = now_ms() + 3_000
    token = await short_lived(path, "ann", ends_ms)
    async with path.socket(token) as ann, path.dial(token) as silent, path.socket(await path.token_of("ben")) as ben:
        await ask(ann, message("ben"), "ack")
        await is_closed_as_signed_out(ann)
        assert now_ms() >= ends_ms
        await is_closed_as_signed_out(silent)
        await ben.expect("message")
        await ask(ben, message("ann", "later"), "ack")
    async with path.dial(token) as again:
        await is_closed_as_signed_out(again)


async def test_sign_ins_that_ended_while_the_broker_was_away_are_closed_when_it_is_back(
    path: Path, nats_server: NatsServer
) -> None:
    token = await path.token_of("ann")
    async with path.socket(token) as ann, path.socket(await path.token_of("ben")) as ben:
        nats_server.kill()
        await revoke_unheard(path, token)
        nats_server.start()
        await is_closed_as_signed_out(ann)
        assert await ben.expect("resync", timeout_s=10) == {"type": "resync", "reason": "broker_reconnect"}
        await ben.hello("laptop")
    async with path.dial(token) as again:
        await is_closed_as_signed_out(again)


async def test_sign_ins_are_checked_again_where_the_database_did_not_answer_either(
    postgres_url: str, nats_server: NatsServer
) -> None:
    async with whole_path(postgres_url, nats_server.url, rate_limits=False) as path:
        token = await path.token_of("ann")
        async with path.socket(token) as ann, path.socket(await path.token_of("ben")) as ben:
            nats_server.kill()
            await revoke_unheard(path, token)
            async with database(path) as connection:
                await connection.execute(sa.text("LOCK TABLE sign_in IN ACCESS EXCLUSIVE MODE"))
                nats_server.start()
                for wire in (ann, ben):
                    await wire.expect("resync", timeout_s=15)
            await is_closed_as_signed_out(ann)
            await ben.hello("laptop")
