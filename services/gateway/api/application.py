"""All endpoints as one application, and what they may ask for by name."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Router, asgi
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler

from services.gateway.api import (
    accounts,
    conversations,
    history,
    messages,
    pages,
    people,
    presence,
    problems,
    profile,
    progress,
    queue,
    sync,
    typing,
)
from services.gateway.api.asking import Asking
from services.gateway.api.client import client_handlers
from services.gateway.api.documentation import described, documentation_handlers
from services.gateway.api.reads import Reads
from services.gateway.commands.refused import Refused
from services.gateway.domain import CookieNames
from services.gateway.guards.attempts import Attempts
from services.gateway.guards.gate import Gate
from services.gateway.guards.profiles import Profiles
from services.gateway.guards.proofs import Proofs
from services.gateway.guards.retry_rates import RetryRates
from services.gateway.guards.sign_ins import SignIns
from services.gateway.settings import Settings
from services.gateway.store import Accounts, Belongings, People
from shared.contracts.errors import Refusal
from shared.runtime.health import ASGIApp

_CONSTANTS: Final = (
    "accounts", "proofs", "sign_ins", "cookie_names", "reads", "belongings", "refused", "retry_rates", "settings",
    "attempts", "people", "profiles",
)  # fmt: skip
_OPENED: Final = ("commands", "hub", "presence", "typing")

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoints work with. Those that the lifespan makes are put into the application's state by it."""

    accounts: Accounts
    proofs: Proofs
    sign_ins: SignIns
    gate: Gate
    cookie_names: CookieNames
    reads: Reads
    belongings: Belongings
    refused: Refused
    retry_rates: RetryRates
    settings: Settings
    attempts: Attempts
    people: People
    profiles: Profiles


def make_application(
    parts: Parts,
    *,
    lifespan: Lifespan,
    socket: WebsocketRouteHandler,
    service_routes: Sequence[tuple[str, ASGIApp]],
    client: Path,
    max_body_bytes: int,
) -> Litestar:
    """Put everything together.

    `service_routes` are health and metrics as every service has them; `client` is where the browser client was built.
    """
    signed_in = [
        *accounts.SIGNED_IN,
        *conversations.HANDLERS,
        *history.HANDLERS,
        *messages.HANDLERS,
        *people.HANDLERS,
        *presence.HANDLERS,
        *profile.HANDLERS,
        *progress.HANDLERS,
        *queue.HANDLERS,
        *sync.HANDLERS,
        *typing.HANDLERS,
    ]
    endpoints: list[Router | HTTPRouteHandler] = [
        Router("/", route_handlers=accounts.IN_PUBLIC, guards=[parts.gate.own_page]),
        Router("/", route_handlers=signed_in, guards=[parts.gate.signed_in]),
        problems.explain_problem,
    ]
    dependencies = {
        **{name: _constant(getattr(parts, name)) for name in _CONSTANTS},
        **{name: _from_state(name) for name in _OPENED},
    }
    document = described(endpoints, dependencies, Asking)
    plain = [asgi(path, copy_scope=False)(app) for path, app in service_routes]
    return Litestar(
        [
            *endpoints,
            *documentation_handlers(document),
            *(client_handlers(client) or [pages.welcome]),
            pages.style_sheet,
            *plain,
            socket,
        ],
        dependencies=dependencies,
        exception_handlers={
            Refusal: problems.on_refusal,
            HTTPException: problems.on_http_exception,
            Exception: problems.on_any_exception,
        },
        lifespan=[lifespan],
        request_class=Asking,
        request_max_body_size=max_body_bytes,
        openapi_config=None,
        logging_config=None,
    )


def _constant(value: Any) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)


def _from_state(name: str) -> Provide:
    def provide(state: State) -> Any:
        return state[name]

    return Provide(provide, sync_to_thread=False)
