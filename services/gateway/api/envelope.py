"""Around every HTTP answer: a request id, the security headers, a count; whatever answered inside."""

import secrets
from collections.abc import MutableMapping
from typing import Any, Final

from shared.contracts.ids import is_id
from shared.runtime import clock, logs, telemetry
from shared.runtime.health import ASGIApp
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import Span, Traces, requested, within

REQUEST_ID: Final = "parley.request_id"
"""The key of the ASGI scope that holds the request's id."""

_PAGE_RULES: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
PAGE_POLICY: Final = f"{_PAGE_RULES}; trusted-types 'none'"
"""What a page of ours may load and do (Content Security Policy, level 3)."""
CLIENT_POLICY: Final = f"{_PAGE_RULES}; trusted-types parley-sw"
"""The same for the browser client: the one thing it needs a Trusted Types policy for is naming its service worker."""
WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
"""What its service worker may do: fetch."""
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
"""What no page of ours ever asks a browser for."""

_PROBED: Final = ("/health/", "/metrics")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = logs.get(__name__)

Message = MutableMapping[str, Any]


class Envelope:
    """The outermost ASGI application; lifespan and WebSockets pass through untouched."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces, *, is_https: bool) -> None:
        self._app = app
        self._traces = traces
        self._requests = metrics.counter("http_requests", "HTTP requests answered.", ("method", "route", "status"))
        self._seconds = metrics.histogram("http_request_seconds", "From request to answer.", ("route",))
        fixed = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
        fixed["cross-origin-opener-policy"] = fixed["cross-origin-resource-policy"] = "same-origin"
        if is_https:
            fixed["strict-transport-security"] = "max-age=31536000"
        self._headers = [(name.encode(), value.encode()) for name, value in fixed.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _request_id(scope["headers"])
        started_s, status = clock.monotonic(), 500

        async def send_complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(list(message.get("headers", ())), request_id)
            await send(message)

        # Whatever a client says of traces: it may not decide what we keep.
        span = None if scope["path"].startswith(_PROBED) else self._traces.draw("HTTP")
        with requested(request_id), within(span):
            try:
                await self._app(scope, receive, send_complete)
            finally:
                self._count(scope, status, clock.monotonic() - started_s)
                if span is not None:
                    _describe(span, scope, status, request_id)

    def _complete(self, headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        present = {name.lower(): value for name, value in headers}
        is_page = present.get(b"content-type", b"").startswith(b"text/html")
        added = [
            *self._headers,
            (b"content-security-policy", (PAGE_POLICY if is_page else DATA_POLICY).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        if is_page:
            added.append((b"permissions-policy", PERMISSIONS.encode()))
        return [*headers, *(header for header in added if header[0] not in present)]

    def _count(self, scope: Any, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "unknown"
        method = _method(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        is_health = route.startswith("/health/")  # an answer of 503 is what it is for
        if status >= 500 and not is_health:  # noqa: PLR2004 - the server's own errors begin there
            _log.warning("request_failed", method=method, route=route, status=status, seconds=round(seconds, 3))


def _method(scope: Any) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _describe(span: Span, scope: Any, status: int, request_id: str) -> None:
    method, route = _method(scope), scope.get("path_template") or "unknown"
    span.rename(f"{method} {route}")
    span.describe(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            telemetry.REQUEST_ID: request_id,
        }
    )


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """Take over a well-formed `x-request-id`, so that a proxy's logs and ours meet; else draw one."""
    for name, value in headers:
        if name == b"x-request-id" and is_id(given := value.decode("latin-1")):
            return given
    return secrets.token_hex(12)
