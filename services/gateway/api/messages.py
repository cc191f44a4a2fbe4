"""Writing: messages and cursors, with the same way into the log as the socket has."""

import secrets
from typing import Annotated, Final

from litestar import Response, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec import Meta, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import conversation, peer_of
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.api.shapes import CursorView, QueuedDelivery, QueuedMessage, SentMessage, answer
from services.gateway.commands.commands import Commands
from services.gateway.commands.pending import Queued, Stored
from services.gateway.domain import time_ordered_id
from services.gateway.protocol.inbound import MAX_MENTIONS, MAX_NUMBER, SendRequest
from services.gateway.settings import Settings
from services.gateway.store import Accounts
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ClientId, MessageId, is_id
from shared.runtime import clock

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The request's id: a repeat gets the first answer")
]
IdField = Annotated[str, Meta(description="1-64 of A-Z a-z 0-9 _ -; made here where it is missing")]
Count = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
_REFUSALS: Final = (
    *BAD_BODY,
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.BLOCKED,
    Code.NOT_FOUND,
    Code.ID_CONFLICT,
    Code.RATE_LIMITED,
)
_SENT: Final = answers(*_REFUSALS, documents={200: SentMessage, 201: SentMessage, 202: QueuedMessage})


class NewMessage(Struct, frozen=True, kw_only=True):
    """A message to be sent. `seen_seq`: moves the own read cursor in the same step."""

    content: Annotated[str, Meta(examples=["hi"])]
    id: IdField | None = None
    content_type: str | None = None
    reply_to: str | None = None
    mentions: Annotated[tuple[str, ...], Meta(max_length=MAX_MENTIONS)] | None = None
    seen_seq: Count | None = None


class CursorMove(Struct, frozen=True, kw_only=True):
    """How far I have, or have read, a conversation: at least one of them."""

    delivered_seq: Count | None = None
    read_seq: Count | None = None


@post("/messages/send/{username:str}", tags=["messages"], responses=_SENT)
async def send_to_user(
    request: Asking,
    username: FromPath[str],
    data: JSONBody[NewMessage],
    accounts: NamedDependency[Accounts],
    commands: NamedDependency[Commands],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Send a message to somebody and wait until it is stored."""
    peer = await peer_of(accounts, request.user.user_id, username)
    return _outcome(await commands.send(request.user, _request(data, idempotency_key, to=peer.username)))


@post(
    "/messages/queue/{username:str}",
    status_code=202,
    tags=["messages"],
    responses=answers(*_REFUSALS, documents={202: QueuedDelivery}),
)
async def queue_for_user(
    request: Asking,
    username: FromPath[str],
    data: JSONBody[NewMessage],
    accounts: NamedDependency[Accounts],
    commands: NamedDependency[Commands],
    settings: NamedDependency[Settings],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Leave a message for somebody who may be away; its status tells how far it is."""
    peer = await peer_of(accounts, request.user.user_id, username)
    outcome = await commands.send(request.user, _request(data, idempotency_key, to=peer.username))
    first_retry_at = rfc3339(outcome.sent_at_ms + int(settings.retry_after_s * 1000))
    body = QueuedDelivery(outcome.message_id, "queued", 0, settings.max_retries, first_retry_at)
    return answer(body, 202, {"location": f"/api/v1/messages/{outcome.message_id}/status"})


@post("/api/v1/conversations/{conversation_id:str}/messages", tags=["messages"], responses=_SENT)
async def send_to_conversation(
    request: Asking,
    conversation_id: FromPath[str],
    data: JSONBody[NewMessage],
    commands: NamedDependency[Commands],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Send a message to a conversation of mine and wait until it is stored."""
    wanted = _request(data, idempotency_key, conversation_id=conversation(conversation_id))
    return _outcome(await commands.send(request.user, wanted))


@put(
    "/api/v1/conversations/{conversation_id:str}/cursor",
    tags=["messages"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND),
)
async def move_cursor(
    request: Asking, conversation_id: FromPath[str], data: JSONBody[CursorMove], commands: NamedDependency[Commands]
) -> CursorView:
    """Say how far I have, or have read, a conversation; cursors only grow, and are cut to the last message."""
    if data.delivered_seq is None and data.read_seq is None:
        wrong = dict.fromkeys(("delivered_seq", "read_seq"), "give at least one of them")
        raise Refusal(Code.INVALID, "Give delivered_seq or read_seq.", fields=wrong)
    where = conversation(conversation_id)
    moved = await commands.move_cursor(request.user, where, delivered_seq=data.delivered_seq, read_seq=data.read_seq)
    return CursorView(where, moved.delivered_seq, moved.read_seq)


HANDLERS: Final[list[HTTPRouteHandler]] = [send_to_user, queue_for_user, send_to_conversation, move_cursor]


def _request(
    data: NewMessage,
    idempotency_key: str | None,
    *,
    to: str | None = None,
    conversation_id: str | None = None,
) -> SendRequest:
    """Make the request that a frame would be; `check_message` says what is wrong with it.

    Raises:
        Refusal: `invalid`, for its id or for what it answers to.
    """
    if data.id is not None and idempotency_key is not None and data.id != idempotency_key:
        wrong = dict.fromkeys(("id", "Idempotency-Key"), "must be the same")
        raise Refusal(Code.INVALID, "id and Idempotency-Key differ.", fields=wrong)
    given = data.id if data.id is not None else idempotency_key
    own_id = time_ordered_id(clock.now_ms(), secrets.token_bytes(10)) if given is None else given
    if not is_id(own_id):
        name = "id" if data.id is not None else "Idempotency-Key"
        raise Refusal(Code.INVALID, f"{name} is not valid.", fields={name: "must be 1-64 of A-Z a-z 0-9 _ -"})
    if data.reply_to is not None and not is_id(data.reply_to):
        raise Refusal(Code.INVALID, "reply_to is no message_id.", fields={"reply_to": "must be a message_id"})
    return SendRequest(
        id=ClientId(own_id),
        content=data.content,
        to=to,
        conversation_id=None if conversation_id is None else conversation(conversation_id),
        content_type=data.content_type,
        reply_to=None if data.reply_to is None else MessageId(data.reply_to),
        mentions=data.mentions,
        seen_seq=data.seen_seq,
    )


def _outcome(outcome: Stored | Queued) -> Response[bytes]:
    if isinstance(outcome, Queued):
        body = QueuedMessage(outcome.message_id, outcome.conversation_id, "queued")
        return answer(body, 202, {"location": f"/api/v1/messages/{outcome.message_id}/status"})
    sent = SentMessage(
        message_id=outcome.message_id,
        conversation_id=outcome.conversation_id,
        seq=outcome.seq,
        rev=outcome.rev,
        status="sent",
        sent_at=rfc3339(outcome.sent_at_ms),
        duplicate=outcome.duplicate,
    )
    status = 200 if outcome.duplicate else 201
    return answer(sent, status, {"location": f"/api/v1/messages/{outcome.message_id}"})
