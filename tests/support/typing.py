"""Typing, as tests say it and hear it; and what is needed to have it told, or not."""

import secrets
from collections.abc import Iterable

import sqlalchemy as sa

from deploy.verify.wire import Frame, Wire
from shared.contracts.ids import ConversationId, UserId
from shared.database.engine import open_engine
from tests.support.history import member_row, store_conversation
from tests.support.sockets import Path, ask, message


def typing(where: str, state: str = "start") -> dict[str, object]:
    """Build a frame; a conversation is told from a username by its length."""
    return {"type": "typing", "to" if len(where) < 12 else "conversation_id": where, "state": state}


def shown(conversation: str, user: str, state: str = "start", ttl_ms: int = 7_000) -> Frame:
    """Tell what the other members get."""
    return {"type": "typing", "conversation_id": conversation, "user": user, "state": state, "ttl_ms": ttl_ms}


async def befriend(one: Wire, other: str) -> str:
    """Begin a conversation; returns it."""
    return str((await ask(one, message(other), "ack"))["conversation_id"])


async def user_id(path: Path, token: str) -> UserId:
    """Tell the id of a token's user."""
    async with path.http(token) as http:
        return UserId((await http.get("/api/v1/me")).json()["user"]["id"])


async def make_group(path: Path, members: Iterable[tuple[UserId, str]], *, left: Iterable[UserId] = ()) -> str:
    """Put a group into the store as delivery would have left it."""
    group = ConversationId(f"g-{secrets.token_hex(8)}")
    former = frozenset(left)
    rows = [
        member_row(group, user, left_rev=1 if user in former else None) | {"username": name} for user, name in members
    ]
    await store_conversation(path.settings.database_url, group, rows, kind="group")
    return group


async def is_passed(wire: Wire) -> None:
    """Wait until the server has read what the socket sent before."""
    await wire.send({"type": "ping", "n": 1})
    await wire.expect("pong")


async def nothing_typed(*wires: Wire) -> None:
    """Check that no typing comes: what is published later comes later."""
    for wire in wires:
        assert [frame for frame in await wire.quiet() if frame["type"] == "typing"] == []
        assert [frame for frame in wire.passed if frame["type"] == "typing"] == []


async def block(path: Path, tokens: dict[str, str], blocker: str, *, is_blocked: bool = True) -> None:
    """Have one of two block the other, or end that."""
    (blocked,) = tokens.keys() - {blocker}
    async with path.http(tokens[blocker]) as http:
        done = await http.request("PUT" if is_blocked else "DELETE", f"/api/v1/users/{blocked}/block")
        assert done.status_code == 204, done.text


async def change(path: Path, statement: sa.Update) -> None:
    """Change rows as their owner would."""
    engine = open_engine(path.settings.database_url, "writer", pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(statement)
    finally:
        await engine.dispose()
