"""Lets a request in or not: by bearer token, ticket or cookie, from a page that may ask, with the CSRF token."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final, Self

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from services.gateway import domain
from services.gateway.domain import CookieNames, Principal
from services.gateway.guards.proofs import Proofs
from shared.contracts.errors import Code, Refusal

CSRF_HEADER: Final = "x-csrftoken"
_BEARER: Final = "bearer "
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Asking = ASGIConnection[Any, Any, Any, Any]


def csrf_token_of(session_secret: str) -> str:
    """Derive a session's CSRF token: what another session, or nobody, was given never fits (OWASP, signed tokens)."""
    digest = hmac.digest(session_secret.encode(), b"parley csrf token", hashlib.sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")


class Gate:
    """Guards for Litestar's routes, and the check at the socket's handshake."""

    def __init__(self, proofs: Proofs, cookies: CookieNames, origins: frozenset[str]) -> None:
        self._proofs = proofs
        self._cookies = cookies
        self._origins = origins

    def __deepcopy__(self, _memo: object) -> Self:
        """Stay one: Litestar copies its handlers deeply, and their guards with them."""
        return self

    async def own_page(self, connection: Asking, _handler: BaseRouteHandler) -> None:
        """Let in whoever does not come from a foreign web page; for what needs no sign-in.

        Raises:
            Refusal: `forbidden`.
        """
        self._check_origin(connection.headers)

    async def signed_in(self, connection: Asking, _handler: BaseRouteHandler) -> None:
        """Let in whoever is signed in, and put the `Principal` into the scope as `user`.

        Raises:
            Refusal: `unauthenticated`, `forbidden` (Origin, CSRF) or `unavailable`.
        """
        headers = connection.headers
        token = _bearer_token(headers)
        is_unsafe = connection.scope.get("method") not in _SAFE_METHODS
        if token is not None:
            self._check_origin(headers)
            principal = await self._proofs.prove(token, "token")
        else:
            secret = connection.cookies.get(self._cookies.session)
            if is_unsafe:
                self._check_origin(headers)
            principal = None if secret is None else await self._proofs.prove(secret, "cookie")
            if principal is not None and secret is not None and is_unsafe:
                self._check_csrf(secret, connection)
        if principal is None:
            raise Refusal(Code.UNAUTHENTICATED, "Sign in first.")
        connection.scope["user"] = principal

    async def at_handshake(self, connection: Asking) -> Principal | None:
        """Tell who opens a socket; None for somebody who is not signed in.

        A cookie alone is sent along by any page in the browser: it counts only with an own `Origin`.

        Raises:
            Refusal: `forbidden` for a foreign `Origin`, or a cookie without one; `unavailable`.
        """
        headers, secret = connection.headers, connection.cookies.get(self._cookies.session)
        token, ticket = _bearer_token(headers), connection.query_params.get("ticket")
        is_by_cookie = token is None and ticket is None and secret is not None
        self._check_origin(headers, required=is_by_cookie)
        if token is not None:
            return await self._proofs.prove(token, "token")
        if ticket is not None:
            return await self._proofs.redeem(ticket)
        return None if secret is None else await self._proofs.prove(secret, "cookie")

    def _check_origin(self, headers: Mapping[str, str], *, required: bool = False) -> None:
        if not domain.is_allowed_origin(headers.get("origin"), self._origins, required=required):
            raise Refusal(Code.FORBIDDEN, "Pages of this origin may not ask here.")

    def _check_csrf(self, secret: str, connection: Asking) -> None:
        expected = csrf_token_of(secret).encode()
        given = (connection.headers.get(CSRF_HEADER), connection.cookies.get(self._cookies.csrf))
        if not all(one is not None and hmac.compare_digest(one.encode(), expected) for one in given):
            raise Refusal(Code.FORBIDDEN, f"Send the cookie {self._cookies.csrf} again as the header {CSRF_HEADER}.")


def _bearer_token(headers: Mapping[str, str]) -> str | None:
    value = headers.get("authorization", "")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else None
