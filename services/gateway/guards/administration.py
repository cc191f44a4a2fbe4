"""What an operator's commands do with accounts; what ends is told to every gateway, which closes its sockets."""

from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway import domain
from services.gateway.guards.revocations import Revocations
from services.gateway.guards.sign_ins import hash_password
from services.gateway.store import Accounts, Administration, Changed, ListedAccount
from shared.broker.connection import Connection
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import Username
from shared.runtime import clock

_TOLD_S: Final = 5.0
_TOLD_AT_ONCE: Final = 1000


async def list_accounts(
    database_url: str, limit: int, *, after: str | None = None, is_disabled: bool | None = None
) -> list[ListedAccount]:
    """List accounts by username, behind one.

    Raises:
        Refusal: `unavailable`.
    """
    behind = None if after is None else Username(after.lower())
    async with Accounts(database_url) as database:
        return await Administration(database).accounts(limit, after=behind, is_disabled=is_disabled)


async def disable_account(database_url: str, connection: Connection, username: str) -> Changed:
    """Let nobody sign in to an account any more, and end where it is signed in.

    Raises:
        Refusal: `not_found`, `unavailable`.
        TimeoutError: it is done, but the gateways may not have heard.
    """
    return await _change(database_url, connection, username, lambda by, name: by.disable(name, clock.now_ms()))


async def enable_account(database_url: str, connection: Connection, username: str) -> Changed:
    """Let a disabled account be signed in to again.

    Raises:
        Refusal: `not_found`, `unavailable`.
        TimeoutError: it is done, but the gateways may not have heard.
    """
    return await _change(database_url, connection, username, lambda by, name: by.enable(name))


async def reset_password(database_url: str, connection: Connection, username: str, password: str) -> Changed:
    """Set another password, and end where the account is signed in.

    Raises:
        Refusal: `invalid` for the password, `not_found`, `unavailable`.
        TimeoutError: it is done, but the gateways may not have heard.
    """
    password_hash = await hash_password(domain.password(password))
    return await _change(database_url, connection, username, lambda by, name: by.reset_password(name, password_hash))


async def _change(
    database_url: str,
    connection: Connection,
    username: str,
    change: Callable[[Administration, Username], Awaitable[Changed | None]],
) -> Changed:
    name = domain.fold_username(username)
    async with Accounts(database_url) as database:
        changed = None if name is None else await change(Administration(database), name)
    if changed is None:
        raise Refusal(Code.NOT_FOUND, f"There is no account {username}.")
    for start in range(0, len(changed.ended), _TOLD_AT_ONCE):  # a message has a limit, a program's tokens have none
        await Revocations(connection).revoke(changed.user_id, changed.ended[start : start + _TOLD_AT_ONCE])
    if not await connection.flushed(_TOLD_S):
        raise TimeoutError(
            "it is done, but the gateways may not have heard of it: restart them, so that no socket stays open"
        )
    return changed
