"""Named checks: each a sentence and a coroutine, in lanes that run side by side."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import httpx

from deploy.verify.stage import Stage

Body = Callable[[Stage], Awaitable[None]]


class FailedError(Exception):
    """A check did not find what the page promises."""


@dataclass(frozen=True)
class Check:
    """One sub-check of a row.

    `needs_limits`: it is about a rate limit. `needs_services`: it asks a service behind the gateway. `is_long`: it
    takes minutes.
    """

    name: str
    body: Body
    timeout_s: float
    needs_limits: bool
    is_long: bool
    needs_services: bool = False


@dataclass
class Lane:
    """Checks that run one after the other and share their users."""

    name: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self,
        name: str,
        *,
        timeout_s: float = 20.0,
        needs_limits: bool = False,
        is_long: bool = False,
        needs_services: bool = False,
    ) -> Callable[[Body], Body]:
        """Add the decorated coroutine under `name`."""

        def add(body: Body) -> Body:
            self.checks.append(Check(f"{self.name}: {name}", body, timeout_s, needs_limits, is_long, needs_services))
            return body

        return add


def that(holds: object, why: str) -> None:
    """Require a condition.

    Raises:
        FailedError: it does not hold.
    """
    if not holds:
        raise FailedError(why)


def equal(got: object, want: object, what: str) -> None:
    """Require equality.

    Raises:
        FailedError: they differ.
    """
    if got != want:
        raise FailedError(f"{what} is {got!r}, not {want!r}")


def has(body: object, fields: Collection[str], what: str) -> None:
    """Require an object with these fields.

    Raises:
        FailedError: one is missing.
    """
    if not isinstance(body, dict):
        raise FailedError(f"{what} is no object: {body!r}")
    missing = [name for name in fields if name not in body]
    if missing:
        raise FailedError(f"{what} lacks {missing}: {body}")


def status(response: httpx.Response, want: int) -> None:
    """Require an HTTP status.

    Raises:
        FailedError: it is another one.
    """
    if response.status_code != want:
        request = f"{response.request.method} {response.request.url.path}"
        raise FailedError(f"{request}: {response.status_code}, not {want}: {response.text[:300]}")


def problem(response: httpx.Response, want: int, code: str) -> None:
    """Require an RFC 9457 problem of this status and code.

    Raises:
        FailedError: it is something else.
    """
    status(response, want)
    kind = response.headers.get("content-type", "").split(";")[0]
    equal(kind, "application/problem+json", "the content type of an error")
    body = response.json()
    has(body, ("type", "title", "status", "detail", "retryable", "request_id"), "a problem")
    equal(body["type"], f"/problems/{code}", "the type of the problem")
    equal(body["status"], want, "the status in the problem")


def error(frame: dict[str, object], code: str, re: str | None) -> None:
    """Require an `error` frame with this code that answers `re`.

    Raises:
        FailedError: it is something else.
    """
    has(frame, ("code", "detail", "retryable"), "an error frame")
    equal(frame["code"], code, f"the code of {frame}")
    equal(frame.get("re"), re, f"`re` of {frame}")
