"""The codes of refusals: one table for the socket and HTTP (protocol page, section 3)."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a frame or a request was refused; part of the wire protocol."""

    INVALID = "invalid"
    UNKNOWN_TYPE = "unknown_type"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"
    NOT_MEMBER = "not_member"
    ID_CONFLICT = "id_conflict"
    USERNAME_TAKEN = "username_taken"
    REV_CONFLICT = "rev_conflict"
    TOO_OLD = "too_old"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_SOCKETS = "too_many_sockets"
    UNAVAILABLE = "unavailable"
    QUEUE_FULL = "queue_full"
    INTERNAL = "internal"


HTTP_STATUS: dict[Code, int] = {
    Code.INVALID: 400,
    Code.UNKNOWN_TYPE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.BLOCKED: 403,
    Code.NOT_FOUND: 404,
    Code.NOT_MEMBER: 404,
    Code.ID_CONFLICT: 409,
    Code.USERNAME_TAKEN: 409,
    Code.REV_CONFLICT: 409,
    Code.TOO_OLD: 409,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED: 415,
    Code.RATE_LIMITED: 429,
    Code.TOO_MANY_SOCKETS: 429,
    Code.UNAVAILABLE: 503,
    Code.QUEUE_FULL: 503,
    Code.INTERNAL: 500,
}
"""The HTTP status of each code."""

RETRYABLE: frozenset[Code] = frozenset({Code.RATE_LIMITED, Code.UNAVAILABLE, Code.QUEUE_FULL, Code.INTERNAL})
"""The codes after which the same request, with the same id, may succeed."""


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not carried out, as its sender is told.

    `fields` maps the name of a wrong field to what is wrong with it; `retry_after_ms` is given with
    `rate_limited` and where the server knows when it is worth trying again.
    """

    code: Code
    detail: str
    retry_after_ms: int | None = None
    fields: dict[str, str] | None = None

    def __str__(self) -> str:
        """Say it in one line, for logs."""
        return f"{self.code}: {self.detail}"
