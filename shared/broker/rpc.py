"""Request-reply between services: a typed question, a typed reply, or the refusal that was meant."""

from typing import Any, Final, TypeVar

import msgspec
import nats.errors

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.errors import Code, Refusal
from shared.contracts.queries import QueryFailed
from shared.contracts.subjects import Query

P = TypeVar("P")
R = TypeVar("R")

FAILED_HEADER: Final = "Parley-Failed"
"""Set on a reply that is a `QueryFailed`."""

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}  # one per type of reply
_encode = msgspec.json.Encoder().encode
_decode_failure = msgspec.json.Decoder(QueryFailed).decode


async def ask(connection: Connection, query: Query[P, Any], question: P, reply: type[R], timeout_s: float = 2.0) -> R:
    """Ask a service. `reply` says how to read the answer, for instance `Page[msgspec.Raw]` for `Page`.

    Raises:
        Refusal: what the service refused with, or `unavailable` where it cannot be reached.
    """
    try:
        answer = await connection.request(query, _encode(question), timeout_s=timeout_s)
    except nats.errors.NoRespondersError as error:
        raise Refusal(Code.UNAVAILABLE, "This part of the service is not running right now. Try again.") from error
    except BROKER_ERRORS as error:
        raise Refusal(Code.UNAVAILABLE, "The service does not answer right now. Try again.") from error
    if FAILED_HEADER in answer.headers:
        failure = _decode_failure(answer.payload)
        raise Refusal(Code(failure.code), failure.detail)
    decoder = _decoders.get(reply)
    if decoder is None:
        decoder = _decoders[reply] = msgspec.json.Decoder(reply)
    decoded: R = decoder.decode(answer.payload)
    return decoded
