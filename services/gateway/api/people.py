"""Others: finding them by their names, and blocking them."""

import secrets
from typing import Annotated, Final

from litestar import Response, delete, get, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import peer_of
from services.gateway.api.messages import IdempotencyKey
from services.gateway.api.paging import DEFAULT_PAGE, Cursor, PageSize, lead_on, read_cursor, write_cursor
from services.gateway.api.problems import answers
from services.gateway.api.shapes import Time, answer
from services.gateway.commands.blocking import set_block
from services.gateway.commands.commands import Commands
from services.gateway.domain import fold_username, search_words, time_ordered_id
from services.gateway.guards.attempts import Attempts
from services.gateway.store import Accounts, People
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ClientId, UserId, Username, is_id
from shared.runtime import clock

FOUND_AT_ONCE: Final = 20

Words = Annotated[
    str,
    QueryParameter(
        description="Beginnings of a username or of words of a name, all of which must fit; 2-64 characters",
        schema_extra={"examples": ["ann sm"]},
    ),
]
_BLOCK_REFUSALS: Final = (
    Code.INVALID,
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.ID_CONFLICT,
    Code.RATE_LIMITED,
)


class PersonView(Struct, frozen=True):
    """Somebody as everybody may see them."""

    username: Annotated[Username, Meta(examples=["ann"])]
    display_name: Annotated[str, Meta(examples=["Ann Smith"])]


class FoundPeople(Struct, frozen=True):
    """Whom a search found: who has the very username first, then usernames that begin so, then the others."""

    items: list[PersonView]
    next: str | None
    prev: str | None = None


class BlockView(Struct, frozen=True):
    """Somebody whom I block."""

    username: Annotated[Username, Meta(examples=["ben"])]
    display_name: Annotated[str, Meta(examples=["Ben"])]
    since: Time


class Blocks(Struct, frozen=True):
    """Whom I block, the latest first."""

    items: list[BlockView]
    next: str | None
    prev: str | None = None


class _BehindPerson(Struct, frozen=True):
    """A place among the found: behind somebody."""

    rank: Annotated[int, Meta(ge=0, le=2)]
    username: Annotated[Username, Meta(max_length=32)]


class _BehindBlock(Struct, frozen=True):
    """A place among the blocked: behind somebody."""

    since_ms: Annotated[int, Meta(ge=0, le=2**53)]
    user_id: Annotated[UserId, Meta(max_length=64)]


@get(
    "/api/v1/users",
    tags=["people"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, Code.RATE_LIMITED, documents={200: FoundPeople}),
)
async def search_people(
    request: Asking,
    people: NamedDependency[People],
    attempts: NamedDependency[Attempts],
    q: Words,
    *,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Search for others by the beginnings of their names, 20 at once."""
    words = search_words(q)
    behind = None if cursor is None else read_cursor(cursor, _BehindPerson)
    attempts.begin_search(request.user.user_id)
    after = None if behind is None else (behind.rank, behind.username)
    found = await people.search(words, request.user.user_id, FOUND_AT_ONCE + 1, after)
    shown = found[:FOUND_AT_ONCE]
    on = write_cursor(_BehindPerson(shown[-1].rank, shown[-1].username)) if len(found) > len(shown) else None
    page = FoundPeople([PersonView(each.username, each.display_name) for each in shown], on)
    return answer(page, headers=lead_on("/api/v1/users", on, q=q))


@get(
    "/api/v1/users/{username:str}",
    tags=["people"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, Code.NOT_FOUND),
)
async def get_person(username: FromPath[str], people: NamedDependency[People]) -> PersonView:
    """Look somebody up by username."""
    name = fold_username(username)
    found = None if name is None else await people.find(name)
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"No user is called {name or 'that'}.")
    return PersonView(found.username, found.display_name)


@put("/api/v1/users/{username:str}/block", status_code=204, tags=["people"], responses=answers(*_BLOCK_REFUSALS))
async def block_person(
    request: Asking,
    username: FromPath[str],
    accounts: NamedDependency[Accounts],
    attempts: NamedDependency[Attempts],
    commands: NamedDependency[Commands],
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Block somebody: neither can write to the other then, nor see the other type or be there."""
    peer = await peer_of(accounts, request.user.user_id, username)
    client_id = _client_id(idempotency_key)
    attempts.begin_change(request.user.user_id)
    await set_block(commands.calls, request.user, peer, client_id, is_blocked=True)


@delete("/api/v1/users/{username:str}/block", tags=["people"], responses=answers(*_BLOCK_REFUSALS))
async def unblock_person(
    request: Asking,
    username: FromPath[str],
    accounts: NamedDependency[Accounts],
    attempts: NamedDependency[Attempts],
    commands: NamedDependency[Commands],
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Block somebody no more."""
    peer = await peer_of(accounts, request.user.user_id, username)
    client_id = _client_id(idempotency_key)
    attempts.begin_change(request.user.user_id)
    await set_block(commands.calls, request.user, peer, client_id, is_blocked=False)


@get(
    "/api/v1/me/blocks", tags=["people"], responses=answers(Code.INVALID, Code.UNAUTHENTICATED, documents={200: Blocks})
)
async def list_blocks(
    request: Asking, people: NamedDependency[People], *, page_size: PageSize = DEFAULT_PAGE, cursor: Cursor = None
) -> Response[bytes]:
    """List whom I block, the latest first."""
    behind = None if cursor is None else read_cursor(cursor, _BehindBlock)
    before = None if behind is None else (behind.since_ms, behind.user_id)
    found = await people.blocked_by(request.user.user_id, page_size + 1, before)
    shown = found[:page_size]
    on = write_cursor(_BehindBlock(shown[-1].since_ms, shown[-1].user_id)) if len(found) > len(shown) else None
    page = Blocks([BlockView(each.username, each.display_name, rfc3339(each.since_ms)) for each in shown], on)
    return answer(page, headers=lead_on("/api/v1/me/blocks", on, page_size=page_size))


HANDLERS: Final[list[HTTPRouteHandler]] = [search_people, get_person, block_person, unblock_person, list_blocks]


def _client_id(idempotency_key: str | None) -> ClientId:
    """Take the id of a request from its header, or make one.

    Raises:
        Refusal: `invalid`.
    """
    if idempotency_key is None:
        return ClientId(time_ordered_id(clock.now_ms(), secrets.token_bytes(10)))
    if not is_id(idempotency_key):
        wrong = {"Idempotency-Key": "must be 1-64 of A-Z a-z 0-9 _ -"}
        raise Refusal(Code.INVALID, "Idempotency-Key is not valid.", fields=wrong)
    return ClientId(idempotency_key)
