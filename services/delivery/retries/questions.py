"""The questions about entries at the broker: one subscriber each, and every one of them is answered."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import structlog
from faststream import Response, StreamMessage
from faststream.nats import NatsBroker

from services.delivery.retries.patience import AWAY
from services.delivery.retries.redrives import Redrives
from shared.broker.rpc import FAILED_HEADER, answering
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.queries import QueryFailed
from shared.contracts.retries import HellosSaid, ListRetries, ProcessRetries, RetryMessage
from shared.runtime.logs import brief
from shared.runtime.telemetry import Traces

Q = TypeVar("Q")
R = TypeVar("R")

QUEUE: Final = "delivery"
AT_ONCE: Final = 4
"""Questions of one kind that are in work at the same time; more wait in the subscription."""
WAITING: Final = 4096
"""Questions of one kind that may wait; what comes on top is dropped, and its asker hears nothing."""

log = structlog.get_logger("retries")


class _Question(NamedTuple):
    payload: bytes
    headers: Mapping[str, str]


def serve(broker: NatsBroker, redrives: Redrives, traces: Traces) -> None:
    """Subscribe to the questions about entries, and to hellos; of several deliveries one gets each."""
    _answer(broker, traces, subjects.RETRY_MESSAGE, RetryMessage, redrives.retry_message)
    _answer(broker, traces, subjects.LIST_RETRIES, ListRetries, redrives.list_retries)
    _answer(broker, traces, subjects.PROCESS_RETRIES, ProcessRetries, redrives.process_retries)
    _answer(broker, traces, subjects.HELLOS_SAID, HellosSaid, redrives.on_hellos_said)


def _answer(
    broker: NatsBroker, traces: Traces, subject: str, question: type[Q], handler: Callable[[Q], Awaitable[R]]
) -> None:
    read = msgspec.json.Decoder(question).decode

    async def keep(message: StreamMessage[Any]) -> _Question:
        # read below, so that what cannot be read is answered too
        return _Question(bytes(message.body), message.headers)

    async def answer(asked: _Question) -> R | Response:
        with answering(traces, subject, asked.headers):
            return await answered(asked.payload)

    async def answered(payload: bytes) -> R | Response:
        try:
            return await handler(read(payload))
        except Refusal as refusal:
            return _failed(refusal.code, refusal.detail)
        except msgspec.MsgspecError as error:
            return _failed(Code.INVALID, f"The question cannot be read: {error}")
        except AWAY as error:
            log.warning("retries_not_asked", subject=subject, reason=brief(error))
            return _failed(Code.UNAVAILABLE, "The queue cannot be read right now. Try again.")
        except Exception:  # the top of a question's task; its decision is to say so
            log.exception("question_failed", subject=subject)
            return _failed(Code.INTERNAL, "Something went wrong here. It was noted.")

    broker.subscriber(subject, queue=QUEUE, decoder=keep, max_workers=AT_ONCE, pending_msgs_limit=WAITING)(answer)


def _failed(code: Code, detail: str) -> Response:
    return Response(QueryFailed(code, detail), headers={FAILED_HEADER: "1"})
