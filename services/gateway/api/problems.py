"""Every error of the HTTP interface is a problem document (RFC 9457): one code, one status, one place."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from msgspec import Struct

from services.gateway.api.envelope import REQUEST_ID
from services.gateway.api.html import element, page
from shared.contracts.errors import HTTP_STATUS, RETRYABLE, Code, Refusal
from shared.runtime import logs

PROBLEM_JSON: Final = "application/problem+json"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"

_log = logs.get(__name__)
_encode = msgspec.json.Encoder().encode

AnyRequest = Request[Any, Any, Any]


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong. `errors` maps a field to what is wrong with it; `retryable`: the same request may succeed."""

    type: str
    title: str
    status: int
    detail: str
    retryable: bool
    request_id: str
    errors: dict[str, str] | None = None


class Meaning(NamedTuple):
    """A code in words: a title, and what to do about it."""

    title: str
    advice: str


MEANINGS: Final[dict[str, Meaning]] = {
    Code.INVALID: Meaning("The request is malformed", "Look at `errors`: it names each wrong field."),
    Code.UNKNOWN_TYPE: Meaning("The type is unknown", "Send one of the types that the protocol names."),
    Code.UNAUTHENTICATED: Meaning("Not signed in", "Sign in, or send a valid bearer token."),
    Code.FORBIDDEN: Meaning("Not allowed", "Ask from an own page, with the CSRF token, or as somebody who may."),
    Code.BLOCKED: Meaning("Blocked", "One of the two has blocked the other."),
    Code.NOT_FOUND: Meaning("Not found", "There is no such thing, or it is not yours."),
    Code.NOT_MEMBER: Meaning("No member any more", "You have left this conversation or were removed from it."),
    Code.ID_CONFLICT: Meaning("The id is taken", "This id belongs to another request of yours: use a new one."),
    Code.USERNAME_TAKEN: Meaning("The username is taken", "Choose another one."),
    Code.REV_CONFLICT: Meaning("Changed meanwhile", "Fetch it again, then decide again."),
    Code.TOO_OLD: Meaning("Too late", "It can't be changed any more."),
    Code.TOO_LARGE: Meaning("Too large", "Send less; `limits` in the welcome frame tells how much is allowed."),
    Code.UNSUPPORTED: Meaning("Not supported", "Send JSON, as `application/json`; messages are text/plain."),
    Code.RATE_LIMITED: Meaning("Too often", "Wait for `Retry-After` seconds, then try again."),
    Code.TOO_MANY_SOCKETS: Meaning("Too many sockets", "Close a socket before opening another."),
    Code.UNAVAILABLE: Meaning("Not available now", "Nothing is confirmed: repeat with the same id, it is safe."),
    Code.QUEUE_FULL: Meaning("The queue is full", "Wait for `Retry-After` seconds, then try again."),
    Code.INTERNAL: Meaning("An error on our side", "Try again; tell us the `request_id` if it stays."),
    METHOD_NOT_ALLOWED: Meaning("The method is not allowed", "The header `Allow` tells which ones are."),
}

BAD_BODY: Final = (Code.INVALID, Code.TOO_LARGE, Code.UNSUPPORTED)
"""How a body can be refused, whatever it is for."""

_OF_STATUS: Final = {400: Code.INVALID, 401: Code.UNAUTHENTICATED, 403: Code.FORBIDDEN, 404: Code.NOT_FOUND} | {
    413: Code.TOO_LARGE,
    415: Code.UNSUPPORTED,
}


def refused(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """Answer with a refusal."""
    headers: dict[str, str] = {}
    status = HTTP_STATUS[refusal.code]
    if status in {429, 503}:
        headers["retry-after"] = str(max(1, math.ceil((refusal.retry_after_ms or 0) / 1000)))
    if refusal.code is Code.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    return _problem(request, refusal.code, status, refusal.detail, refusal.fields, headers)


def on_refusal(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """Answer what our own code refused."""
    return refused(request, refusal)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answer what the framework refused: no such route or method, parameters or a body that don't fit."""
    if error.status_code == 405:  # noqa: PLR2004 - the one status without a code of the protocol
        headers = {"allow": (error.headers or {}).get("allow", "")}
        detail = f"{request.method} is not possible here."
        return _problem(request, METHOD_NOT_ALLOWED, 405, detail, None, headers)
    code = _OF_STATUS.get(error.status_code, Code.INTERNAL)
    if code is Code.NOT_FOUND:
        return refused(request, Refusal(code, "There is nothing at this address."))
    if code is Code.TOO_LARGE:
        return refused(request, Refusal(code, "The body is too large."))
    if code is Code.INTERNAL:
        return on_any_exception(request, error)
    fields = _wrong_fields(error.extra)
    detail = "; ".join(f"{name}: {wrong}" for name, wrong in fields.items()) or error.detail
    return refused(request, Refusal(code, detail, fields=fields or None))


def on_any_exception(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer a mistake of ours: logged whole, told as little as possible."""
    _log.error("request_crashed", exc_info=error)
    return refused(request, Refusal(Code.INTERNAL, "Something went wrong on our side."))


def answers(
    *codes: Code, documents: Mapping[int, type | None] | None = None, media_type: str = "application/json"
) -> dict[int, ResponseSpec]:
    """Describe answers for the OpenAPI document: refusals by code, and bodies of other statuses."""
    described = {
        status: ResponseSpec(shape, generate_examples=False, description=_SUCCESS[status], media_type=media_type)
        for status, shape in (documents or {}).items()
    }
    for code in (*codes, Code.UNAVAILABLE, Code.INTERNAL):
        status = HTTP_STATUS[code]
        others = described[status].description + " / " if status in described else ""
        described[status] = ResponseSpec(
            Problem,
            generate_examples=False,
            description=f"{others}{code.value}: {MEANINGS[code].title}",
            media_type=PROBLEM_JSON,
        )
    return described


@get(
    "/problems/{code:str}",
    media_type=MediaType.HTML,
    sync_to_thread=False,
    tags=["service"],
    responses=answers(Code.INVALID, Code.NOT_FOUND),
)
def explain_problem(code: FromPath[str]) -> str:
    """Explain an error code to whoever follows the `type` of a problem document."""
    meaning = MEANINGS.get(code)
    if meaning is None:
        raise Refusal(Code.NOT_FOUND, "There is no such problem.")
    status = 405 if code == METHOD_NOT_ALLOWED else HTTP_STATUS[Code(code)]
    body = [
        element("h1", meaning.title),
        element("p", element("code", code), f" · HTTP status {status}"),
        element("p", meaning.advice),
        element("p", "The same request may succeed later." if code in RETRYABLE else "Repeating it does not help."),
    ]
    return page(f"Problem: {code}", *body)


_SUCCESS: Final = {
    200: "The answer",
    201: "Made",
    202: "Accepted: it is in the log, and stored soon",
    204: "Done; there is nothing to say",
}


def _problem(
    request: AnyRequest, code: str, status: int, detail: str, fields: dict[str, str] | None, headers: dict[str, str]
) -> Response[bytes]:
    problem = Problem(
        type=f"/problems/{code}",
        title=MEANINGS[code].title,
        status=status,
        detail=detail,
        retryable=code in RETRYABLE,
        request_id=str(request.scope.get(REQUEST_ID, "")),
        errors=fields,
    )
    return Response(_encode(problem), status_code=status, media_type=PROBLEM_JSON, headers=headers)


def _wrong_fields(extra: object) -> dict[str, str]:
    """Read Litestar's list of validation errors."""
    found: dict[str, str] = {}
    for error in extra if isinstance(extra, list) else []:
        name = error.get("key", "body")
        found["body" if name == "data" else name] = (
            "must be a JSON object" if name == "data" else error.get("message", "is not valid")
        )
    return found
