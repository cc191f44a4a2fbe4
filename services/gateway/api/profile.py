"""One's own name for display, and what one lets others see."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec
from litestar import get, patch
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.domain import Principal
from services.gateway.guards.attempts import Attempts
from services.gateway.guards.profiles import Profiles
from shared.contracts.errors import Code
from shared.contracts.ids import UserId, Username

_READ_RECEIPTS: Final = "Whether others see what I have read"
_TYPING: Final = "Whether others see that I am typing"
_LAST_SEEN: Final = "Whether others see when I was last there"


class ChoicesView(Struct, frozen=True):
    """What I let others see."""

    read_receipts: Annotated[bool, Meta(description=_READ_RECEIPTS)]
    typing: Annotated[bool, Meta(description=_TYPING)]
    last_seen: Annotated[bool, Meta(description=_LAST_SEEN)]


class OwnUserView(Struct, frozen=True):
    """A user as it sees itself."""

    id: UserId
    username: Annotated[Username, Meta(examples=["ann"])]
    display_name: Annotated[str, Meta(examples=["Ann"])]
    settings: ChoicesView


class Me(Struct, frozen=True):
    """The user who asks."""

    user: OwnUserView


class ChoicesChange(Struct, frozen=True, kw_only=True):
    """What I let others see from now on; what is missing stays as it is."""

    read_receipts: Annotated[bool, Meta(description=_READ_RECEIPTS)] | None = None
    typing: Annotated[bool, Meta(description=_TYPING)] | None = None
    last_seen: Annotated[bool, Meta(description=_LAST_SEEN)] | None = None


class ProfileChange(Struct, frozen=True, kw_only=True):
    """Another name for display, other choices, or both; what is missing stays as it is."""

    display_name: Annotated[str, Meta(description="1-64 characters", examples=["Ann"])] | None = None
    settings: ChoicesChange | None = None


@get("/api/v1/me", tags=["accounts"], responses=answers(Code.UNAUTHENTICATED))
async def get_me(request: Asking) -> Me:
    """Tell who I am, and what I let others see."""
    return _view(request.user)


@patch(
    "/api/v1/me",
    tags=["accounts"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.RATE_LIMITED),
)
async def change_me(
    request: Asking,
    data: JSONBody[ProfileChange],
    profiles: NamedDependency[Profiles],
    attempts: NamedDependency[Attempts],
) -> Me:
    """Change the name I am displayed by, and what I let others see; it holds at once, on open sockets too."""
    attempts.begin_change(request.user.user_id)
    asked: dict[str, Any] = {} if data.settings is None else msgspec.structs.asdict(data.settings)
    choices = {name: value for name, value in asked.items() if value is not None}
    return _view(await profiles.change(request.user, data.display_name, choices))


HANDLERS: Final[list[HTTPRouteHandler]] = [get_me, change_me]


def _view(who: Principal) -> Me:
    return Me(OwnUserView(who.user_id, who.username, who.display_name, ChoicesView(**asdict(who.choices))))
