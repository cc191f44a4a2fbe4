"""Accounts: registering, signing in and out, tokens for programs, one's own password."""

from typing import Annotated, Final

from litestar import Response, delete, get, post, put
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking, address_of
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.domain import CookieNames, User
from services.gateway.guards.gate import csrf_token_of
from services.gateway.guards.sign_ins import Secret, SignIns
from services.gateway.store import Accounts, ListedSignIn
from shared.contracts.errors import Code
from shared.contracts.frames import rfc3339
from shared.contracts.ids import UserId, Username
from shared.runtime import clock

SIGN_IN_NAME_CHARS: Final = 256
"""What is kept of a browser's name for itself: which one it is stands at its end."""

NameField = Annotated[str, Meta(description="3-32 of a-z 0-9 _ -, folded to lower case", examples=["ann"])]
PasswordField = Annotated[str, Meta(description="8-128 characters", examples=["correct horse battery"])]


class Registration(Struct, frozen=True):
    """A new account."""

    username: NameField
    password: PasswordField
    display_name: Annotated[str, Meta(examples=["Ann"])] | None = None


class Login(Struct, frozen=True):
    """A name and its password."""

    username: NameField
    password: PasswordField


class TokenRequest(Struct, frozen=True):
    """A name, its password, and what the program is called in the list of sessions."""

    username: NameField
    password: PasswordField
    name: Annotated[str, Meta(examples=["my bot"])] = ""


class UserView(Struct, frozen=True):
    """A user as others see it."""

    id: UserId
    username: Username
    display_name: str


class SignedIn(Struct, frozen=True):
    """Who signed in, and the CSRF token for writes; the session is in a cookie."""

    user: UserView
    csrf_token: str


class Token(Struct, frozen=True):
    """A bearer token, told this once."""

    token: str
    expires_at: Annotated[str, Meta(examples=["2026-11-22T10:00:00.123Z"])]
    user: UserView


class PasswordChange(Struct, frozen=True):
    """The old password and the new one."""

    old: str
    new: PasswordField


class SessionView(Struct, frozen=True):
    """A session of a browser (`cookie`) or a program's `token`; `current`: the one that asks."""

    id: str
    kind: str
    name: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class Sessions(Struct, frozen=True):
    """All of them: there is no further page."""

    items: list[SessionView]
    next: str | None = None
    prev: str | None = None


class Ticket(Struct, frozen=True):
    """Opens one socket as `/ws?ticket=…`, once, within 30 s."""

    ticket: str
    expires_at: str


@post(
    "/api/v1/auth/register",
    tags=["accounts"],
    responses=answers(*BAD_BODY, Code.FORBIDDEN, Code.USERNAME_TAKEN, Code.RATE_LIMITED),
)
async def register(
    request: Asking,
    data: JSONBody[Registration],
    sign_ins: NamedDependency[SignIns],
    cookie_names: NamedDependency[CookieNames],
) -> Response[SignedIn]:
    """Make an account and sign in to it."""
    user = await sign_ins.register(data.username, data.password, data.display_name, address_of(request))
    return await _signed_in(request, user, sign_ins, cookie_names)


@post(
    "/api/v1/auth/login",
    status_code=200,
    tags=["accounts"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.RATE_LIMITED),
)
async def login(
    request: Asking,
    data: JSONBody[Login],
    sign_ins: NamedDependency[SignIns],
    cookie_names: NamedDependency[CookieNames],
) -> Response[SignedIn]:
    """Sign in with a new session, whatever session the browser held before."""
    user = await sign_ins.check(data.username, data.password, address_of(request))
    return await _signed_in(request, user, sign_ins, cookie_names)


@post(
    "/api/v1/auth/tokens",
    tags=["accounts"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.RATE_LIMITED),
)
async def make_token(request: Asking, data: JSONBody[TokenRequest], sign_ins: NamedDependency[SignIns]) -> Token:
    """Get a bearer token for a program."""
    user = await sign_ins.check(data.username, data.password, address_of(request))
    token = await sign_ins.open(user, "token", data.name)
    return Token(token.text, rfc3339(token.expires_at_ms), _view(user))


@post(
    "/api/v1/auth/logout", status_code=204, tags=["accounts"], responses=answers(Code.UNAUTHENTICATED, Code.FORBIDDEN)
)
async def logout(
    request: Asking, sign_ins: NamedDependency[SignIns], cookie_names: NamedDependency[CookieNames]
) -> Response[None]:
    """End the session (or token) that asks, with its sockets."""
    await sign_ins.end(request.user.user_id, request.user.sign_in_id)
    gone = [
        _cookie(cookie_names.session, "", cookie_names, max_age=0),
        _cookie(cookie_names.csrf, "", cookie_names, max_age=0),
    ]
    return Response(None, status_code=204, cookies=gone if request.user.kind == "cookie" else [])


@put(
    "/api/v1/me/password",
    status_code=204,
    tags=["accounts"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.RATE_LIMITED),
)
async def change_password(request: Asking, data: JSONBody[PasswordChange], sign_ins: NamedDependency[SignIns]) -> None:
    """Change my password; every other session and token of mine ends."""
    await sign_ins.change_password(request.user, data.old, data.new, address_of(request))


@get("/api/v1/sessions", tags=["accounts"], responses=answers(Code.UNAUTHENTICATED))
async def list_sessions(request: Asking, accounts: NamedDependency[Accounts]) -> Sessions:
    """List where I am signed in, the newest first."""
    asker = request.user
    found = await accounts.sign_ins_of(asker.user_id, clock.now_ms())
    return Sessions([_session_view(each, asker.sign_in_id) for each in found])


@delete(
    "/api/v1/sessions/{session_id:str}",
    tags=["accounts"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND),
)
async def end_session(request: Asking, session_id: FromPath[str], sign_ins: NamedDependency[SignIns]) -> None:
    """End one of my sessions or tokens; its sockets close within a second."""
    await sign_ins.end(request.user.user_id, session_id)


@post("/api/v1/realtime/tickets", tags=["accounts"], responses=answers(Code.UNAUTHENTICATED, Code.FORBIDDEN))
async def make_ticket(request: Asking, sign_ins: NamedDependency[SignIns]) -> Ticket:
    """Get a ticket that opens one socket, for programs that can't set headers there."""
    ticket = await sign_ins.ticket(request.user)
    return Ticket(ticket.text, rfc3339(ticket.expires_at_ms))


IN_PUBLIC: Final[list[HTTPRouteHandler]] = [register, login, make_token]
SIGNED_IN: Final[list[HTTPRouteHandler]] = [
    logout, change_password, list_sessions, end_session, make_ticket,
]  # fmt: skip


async def _signed_in(request: Asking, user: User, sign_ins: SignIns, cookies: CookieNames) -> Response[SignedIn]:
    secret = await sign_ins.open(user, "cookie", request.headers.get("user-agent", "")[:SIGN_IN_NAME_CHARS])
    csrf_token = csrf_token_of(secret.text)
    return Response(SignedIn(_view(user), csrf_token), cookies=_session_cookies(secret, csrf_token, cookies))


def _session_cookies(secret: Secret, csrf_token: str, cookies: CookieNames) -> list[Cookie]:
    max_age = (secret.expires_at_ms - clock.now_ms()) // 1000
    return [
        _cookie(cookies.session, secret.text, cookies, max_age=max_age),
        _cookie(cookies.csrf, csrf_token, cookies, max_age=max_age),
    ]


def _cookie(name: str, value: str, cookies: CookieNames, *, max_age: int) -> Cookie:
    """Write a cookie; pages may read the CSRF token's, never the session's."""
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=max_age,
        secure=cookies.is_secure,
        httponly=name == cookies.session,
        samesite="Lax",  # type: ignore[arg-type]  # as the RFC and browsers write it
    )


def _view(user: User) -> UserView:
    return UserView(user.id, user.username, user.display_name)


def _session_view(listed: ListedSignIn, current: str) -> SessionView:
    return SessionView(
        id=listed.id,
        kind=listed.kind,
        name=listed.name,
        created_at=rfc3339(listed.created_at_ms),
        last_used_at=rfc3339(listed.last_used_at_ms),
        expires_at=rfc3339(listed.expires_at_ms),
        current=listed.id == current,
    )
