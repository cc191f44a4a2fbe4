"""History as a process: FastStream carries the questions, one subscriber each, and every one of them is answered."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
from fast_depends.msgspec import MsgSpecSerializer
from faststream import BaseMiddleware, Response, StreamMessage
from faststream.asgi import AsgiFastStream
from faststream.nats import NatsBroker

from services.history.handlers import History
from services.history.settings import Settings, load
from services.history.store import CONNECTIONS, DatabaseAway, Store, epoch
from shared.broker.access import access
from shared.broker.connection import Connection
from shared.broker.frame import open_broker
from shared.broker.pending import pending_messages
from shared.broker.rpc import FAILED_HEADER, answering
from shared.contracts import queries, subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.queries import QueryFailed
from shared.contracts.subjects import Query
from shared.database.schema import Schema
from shared.runtime import logs, serve
from shared.runtime.broker_metrics import watch_broker
from shared.runtime.health import Health, Probe, routes
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import Traces
from shared.runtime.tracing import open_traces

Q = TypeVar("Q")
R = TypeVar("R")

QUEUE: Final = "history"
AT_ONCE: Final = 16
"""Questions of one kind that are in work at the same time; more wait in the subscription."""
WAITING: Final = 4096
"""Questions of one kind that may wait; what comes on top is dropped, and its asker hears nothing."""
IDLE_S: Final = 5.0
GRACE_S: Final = 5.0

_log = logs.get(__name__)


class Answers:
    """Makes an answer of whatever becomes of a question, counts and times it."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        self._traces = traces
        self._seconds = metrics.histogram("history_query_seconds", "Time to answer a question.", ("query",))
        self._failures = metrics.counter("history_query_failures", "Questions answered with a code.", ("query", "code"))
        self._running = metrics.gauge(
            "history_queries_running", f"Questions being answered. At most {AT_ONCE} of a kind."
        )

    def __call__(self, message: Any, /, *, context: Any) -> "_Answer":
        """Open the way of one question (FastStream's form of a middleware)."""
        return _Answer(self, message, context=context)

    async def answer(self, question: StreamMessage[Any], reply: Callable[[StreamMessage[Any]], Awaitable[Any]]) -> Any:
        """Answer with the reply or with why there is none."""
        subject: str = question.raw_message.subject
        query = subject.rpartition(".")[2]
        begun = time.perf_counter()
        with answering(self._traces, subject, question.headers):
            return await self._answer(query, question, reply, begun)

    async def _answer(
        self,
        query: str,
        question: StreamMessage[Any],
        reply: Callable[[StreamMessage[Any]], Awaitable[Any]],
        begun: float,
    ) -> Any:
        self._running.inc()
        try:
            return await reply(question)
        except Refusal as refusal:
            return self._failed(query, refusal.code, refusal.detail)
        except msgspec.MsgspecError as error:
            return self._failed(query, Code.INVALID, f"The question cannot be read: {error}")
        except DatabaseAway as error:
            _log.warning("database_away", query=query, error=str(error))
            return self._failed(query, Code.UNAVAILABLE, "The history cannot be read right now. Try again.")
        except Exception:  # noqa: BLE001 - the top of a question's task; its decision is to say so
            _log.exception("query_failed", query=query)
            return self._failed(query, Code.INTERNAL, "Something went wrong here. It was noted.")
        finally:
            self._running.dec()
            self._seconds.labels(query).observe(time.perf_counter() - begun)

    def _failed(self, query: str, code: Code, detail: str) -> Response:
        self._failures.labels(query, code).inc()
        return Response(QueryFailed(code, detail), headers={FAILED_HEADER: "1"})


class _Answer(BaseMiddleware):
    def __init__(self, answers: Answers, message: Any, *, context: Any) -> None:
        super().__init__(message, context=context)
        self._answers = answers

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        return await self._answers.answer(msg, call_next)


def build(settings: Settings) -> AsgiFastStream:
    """Wire the service; nothing is opened before its lifespan begins."""
    metrics = Metrics("history")
    traces = open_traces("history", settings, metrics)
    connection = Connection(access(settings, "history"), "parley-history")
    connection.on_shut_out.append(serve.end)
    broker = open_broker(
        connection,
        apply_types=False,  # questions are decoded into their types by msgspec, once
        serializer=MsgSpecSerializer(),
        middlewares=[Answers(metrics, traces)],
        graceful_timeout=GRACE_S,
    )
    store = Store(settings.database_url)
    watch_broker(metrics, connection, lambda: pending_messages(connection))
    metrics.database_pool(limit=CONNECTIONS, in_use=lambda: store.in_use)
    history = History(store)
    _serve(broker, subjects.MEMBERS, queries.GetMembers, history.members)
    _serve(broker, subjects.PAGE, queries.GetPage, history.page)
    _serve(broker, subjects.RESUME, queries.Resume, history.resume)
    _serve(broker, subjects.SYNC, queries.Sync, history.sync)
    _serve(broker, subjects.OUTCOMES, queries.FindOutcomes, history.outcomes)
    _serve(broker, subjects.MESSAGE, queries.GetMessage, history.message)
    _serve(broker, subjects.CONVERSATIONS, queries.GetConversations, history.conversations)
    _serve(broker, subjects.CONVERSATION, queries.GetConversation, history.conversation)
    _serve(broker, subjects.UNDELIVERED, queries.GetUndelivered, history.undelivered)
    _serve(broker, subjects.TIMELINE, queries.GetTimeline, history.timeline)
    _serve(broker, subjects.RECEIPTS, queries.GetReceipts, history.receipts)
    _serve(broker, subjects.ACQUAINTED, queries.FindAcquainted, history.acquainted)
    health = Health(
        [
            Probe("broker", connection.probe),
            Probe("database", lambda: _read_now(store)),
            Probe("schema", Schema(settings.database_url).ping),
            Probe("last_read", lambda: _last_read(store)),
        ]
    )

    async def adopt() -> None:
        connection.adopt(await broker.connect())

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await health.close()
            await store.close()
            await traces.close()

    return AsgiFastStream(
        broker,
        lifespan=lifespan,
        after_startup=[adopt],  # health is served while the broker is still awaited
        asgi_routes=routes(health, metrics),
        logger=None,
    )


def _serve(broker: NatsBroker, subject: Query[Q, R], question: type[Q], handler: Callable[[Q], Awaitable[R]]) -> None:
    """Subscribe a handler to its questions."""
    read = msgspec.json.Decoder(question).decode

    async def decode(message: StreamMessage[Any]) -> Q:
        return read(message.body)

    broker.subscriber(subject, queue=QUEUE, decoder=decode, max_workers=AT_ONCE, pending_msgs_limit=WAITING)(handler)


async def _read_now(store: Store) -> str:
    begun = time.perf_counter()
    await store.read(epoch())
    return f"read in {(time.perf_counter() - begun) * 1000:.1f} ms"


async def _last_read(store: Store) -> str:
    """Tell how long ago a read succeeded; where nobody asked for a while, read."""
    if store.last_read is None or time.monotonic() - store.last_read > IDLE_S:
        await store.read(epoch())
    return f"{time.monotonic() - (store.last_read or 0):.1f} s ago"


async def main() -> None:
    """Run the service until a signal."""
    settings = load()
    logs.configure("history", json=logs.wants_json(settings.log_format), level=settings.log_level)
    await serve.serve(build(settings), host=settings.http_host, port=settings.http_port)


if __name__ == "__main__":
    serve.run(main())
