"""A message on its way: one request, one answer, whatever it takes to get it."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.verify.deployment import Account, Deployment
from deploy.verify.wire import Frame

UNANSWERED_S = 10.0


@dataclass(frozen=True)
class Stored:
    """The server confirmed that the message is stored."""

    message_id: str
    conversation_id: str
    seq: int
    rev: int


@dataclass(frozen=True)
class Queued:
    """The server took the message and promises to store it."""

    message_id: str


@dataclass(frozen=True)
class Denied:
    """The server refused; a retryable refusal is asked again with the same id."""

    code: str
    detail: str
    retryable: bool
    retry_after_s: float


Answer = Stored | Queued | Denied


def new_answer() -> asyncio.Future[Answer]:
    """Make room for one answer."""
    return asyncio.get_running_loop().create_future()


class RefusedError(Exception):
    """The server refused a message for good."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(f"{denied.code}: {denied.detail}")
        self.code = denied.code


@dataclass
class Outgoing:
    """One message from its first try to its answer; id and content never change."""

    to: str
    content: str
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    answer: asyncio.Future[Answer] = field(default_factory=new_answer)

    @property
    def frame(self) -> Frame:
        """The frame, the same at every try."""
        return {"type": "message", "id": self.id, "to": self.to, "content": self.content}

    def settle(self, answer: Answer) -> None:
        """Take an answer; a stored message stays stored."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def take(self) -> Answer:
        """Return the answer and be ready for another one."""
        answer = self.answer.result()
        self.answer = new_answer()
        return answer


def stored_by_ack(frame: Frame) -> Stored:
    """Read an `ack`, an own `message`, or the body of a 200 or 201."""
    return Stored(frame["message_id"], frame["conversation_id"], frame["seq"], frame["rev"])


def denied_by_error(frame: Frame) -> Denied:
    """Read an `error` frame."""
    wait_ms = frame.get("retry_after_ms", 500)
    return Denied(frame["code"], frame["detail"], frame["retryable"], wait_ms / 1000)


async def send_by_http(deployment: Deployment, account: Account, outgoing: Outgoing) -> Answer:
    """Send over HTTP, the way of a client whose socket does not come back."""
    try:
        response = await deployment.http.post(
            f"/messages/send/{outgoing.to}/",
            json={"id": outgoing.id, "content": outgoing.content},
            headers=account.headers,
        )
    except httpx.TransportError as error:
        return Denied("unavailable", repr(error), retryable=True, retry_after_s=0.5)
    return _read_response(response)


def _read_response(response: httpx.Response) -> Answer:
    body: dict[str, Any] = response.json()
    if response.status_code in {httpx.codes.OK, httpx.codes.CREATED}:
        return stored_by_ack(body)
    if response.status_code == httpx.codes.ACCEPTED:
        return Queued(body["message_id"])
    code = str(body.get("type", "")).removeprefix("/problems/")
    wait_s = float(response.headers.get("retry-after", "0.5"))
    return Denied(code, str(body.get("detail")), bool(body.get("retryable")), wait_s)
