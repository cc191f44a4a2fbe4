"""Typing without a socket: said like a frame, and heard while a long poll waits (`sync`)."""

from typing import Annotated, Final

from litestar import post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import conversation
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.commands.typing import Typing
from services.gateway.protocol.inbound import TypingRequest, TypingState
from shared.contracts.errors import Code


class TypingBody(Struct, frozen=True):
    """Whether I type now. A `start` is over after 7 s, unless it is repeated; more often than every 3 s is no use."""

    state: Annotated[TypingState, Meta(examples=["start"])]


@post(
    "/api/v1/conversations/{conversation_id:str}/typing",
    status_code=204,
    tags=["messages"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND),
)
async def say_typing(
    request: Asking, conversation_id: FromPath[str], data: JSONBody[TypingBody], typing: NamedDependency[Typing]
) -> None:
    """Show the other members that I type, or have stopped; it is kept nowhere, and may get lost."""
    await typing.tell(request.user, TypingRequest(data.state, conversation_id=conversation(conversation_id)))


HANDLERS: Final[list[HTTPRouteHandler]] = [say_typing]
