"""How people are, without a socket: asked for, chosen, and heard while a long poll waits (`sync`)."""

from typing import Annotated, Final

from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.api.shapes import PresenceItem, answer, presence_item
from services.gateway.domain import username as read_username
from services.gateway.fanout.presence import Presence
from shared.contracts.errors import Code
from shared.contracts.presence import ChosenStatus


class ChosenPresence(Struct, frozen=True):
    """The status I choose, for all my devices; `invisible` shows as offline."""

    status: Annotated[ChosenStatus, Meta(examples=["away"])]


@get(
    "/api/v1/users/{username:str}/presence",
    tags=["people"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, documents={200: PresenceItem}),
)
async def get_presence(
    request: Asking, username: FromPath[str], presence: NamedDependency[Presence]
) -> Response[bytes]:
    """Tell how somebody is with whom I have a conversation; everybody else is offline, whether they exist or not."""
    name = read_username(username)
    return answer(presence_item(name, await presence.shown(request.user.user_id, name)))


@put(
    "/api/v1/me/presence",
    tags=["people"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN),
)
async def choose_presence(
    request: Asking, data: JSONBody[ChosenPresence], presence: NamedDependency[Presence]
) -> ChosenPresence:
    """Choose how I am shown while I am there, until I choose again."""
    return ChosenPresence(await presence.choose(request.user.user_id, data.status))


@get("/api/v1/me/presence", tags=["people"], responses=answers(Code.UNAUTHENTICATED))
async def get_chosen_presence(request: Asking, presence: NamedDependency[Presence]) -> ChosenPresence:
    """Tell what I chose, on whichever device."""
    return ChosenPresence(await presence.chosen(request.user.user_id))


HANDLERS: Final[list[HTTPRouteHandler]] = [get_presence, get_chosen_presence, choose_presence]
