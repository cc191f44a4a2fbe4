"""Request-reply between services: a typed question, a typed reply, or the refusal that was meant."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
import nats.errors

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import is_id
from shared.contracts.queries import QueryFailed
from shared.contracts.subjects import Query
from shared.runtime import telemetry
from shared.runtime.telemetry import Traces, requested, within

P = TypeVar("P")
R = TypeVar("R")

FAILED_HEADER: Final = "Parley-Failed"
"""Set on a reply that is a `QueryFailed`."""

REQUEST_ID_HEADER: Final = "Parley-Request-Id"
"""Names the request for whose sake a question is asked; there is none on what a service asks of its own accord."""
TRACE_HEADER: Final = "traceparent"
"""The span that a question is asked in (W3C Trace Context); only where that is traced."""

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}  # one per type of reply
_encode = msgspec.json.Encoder().encode
_decode_failure = msgspec.json.Decoder(QueryFailed).decode


async def ask(connection: Connection, query: Query[P, Any], question: P, reply: type[R], timeout_s: float = 2.0) -> R:
    """Ask a service. `reply` says how to read the answer, for instance `Page[msgspec.Raw]` for `Page`.

    Raises:
        Refusal: what the service refused with, or `unavailable` where it cannot be reached.
    """
    span = telemetry.current()
    with within(None if span is None else span.child(f"ask {query}", "client")):
        return await _ask(connection, query, _encode(question), reply, timeout_s)


@contextmanager
def answering(traces: Traces, subject: str, headers: Mapping[str, str] | None) -> Iterator[None]:
    """Answer a question in the block: for the request, and within the trace, that its headers name."""
    headers = headers or {}
    with within(traces.follow(headers.get(TRACE_HEADER), f"answer {subject}", "server")) as span:
        request_id = headers.get(REQUEST_ID_HEADER, "")
        if not is_id(request_id):
            yield
            return
        if span is not None:
            span.describe({telemetry.REQUEST_ID: request_id})
        with requested(request_id):
            yield


async def _ask(connection: Connection, query: str, question: bytes, reply: type[R], timeout_s: float) -> R:
    try:
        answer = await connection.request(query, question, timeout_s=timeout_s, headers=_headers())
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


def _headers() -> dict[str, str] | None:
    """Say for which request, and in which span, a question is asked."""
    request_id, span = telemetry.request_id(), telemetry.current()
    headers: dict[str, str] = {}
    if request_id:
        headers[REQUEST_ID_HEADER] = request_id
    if span is not None:
        headers[TRACE_HEADER] = span.context
    return headers or None
