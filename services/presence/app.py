"""Presence, as a process: FastStream carries the questions, which only the replica that leads is subscribed to."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
from fast_depends.msgspec import MsgSpecSerializer
from faststream import BaseMiddleware, Response, StreamMessage
from faststream.asgi import AsgiFastStream
from faststream.exceptions import SkipMessage
from faststream.nats import NatsBroker

from services.presence.backlog import LIMIT
from services.presence.handlers import NotLeading, Presence
from services.presence.leader import LEASE, Leader
from services.presence.settings import Settings, Timing, load
from services.presence.store import Store
from shared.broker.access import access
from shared.broker.connection import Connection
from shared.broker.frame import FramedBroker, options
from shared.broker.lease import Lease
from shared.broker.pending import pending_messages
from shared.broker.rpc import FAILED_HEADER, answering
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.presence import GetPresence, SetPresence
from shared.contracts.queries import QueryFailed
from shared.contracts.subjects import Query
from shared.runtime import logs, serve
from shared.runtime.broker_metrics import watch_broker
from shared.runtime.health import Health, Probe, Unhealthy, routes
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import Traces
from shared.runtime.tracing import open_traces

Q = TypeVar("Q")
R = TypeVar("R")

AT_ONCE: Final = 64
"""Questions of one kind that are in work at the same time; more wait in the subscription."""
WAITING: Final = 4096
"""Questions of one kind that may wait; what comes on top is dropped, and its asker hears nothing."""
GRACE_S: Final = 2.0

_log = logs.get(__name__)


class LedBroker(FramedBroker):
    """Only connects when the service starts; whoever leads starts the subscribers, and stops them."""

    async def start(self) -> None:
        """Connect."""
        await self.connect()
        self.running = True


class Answers:
    """The subscribers to the questions, to be started and stopped with leading."""

    def __init__(self, broker: NatsBroker) -> None:
        self._broker = broker

    def serve(self, subject: Query[Q, R], question: type[Q], handler: Callable[[Q], Awaitable[R]]) -> None:
        """Answer the questions on a subject, when started."""
        read = msgspec.json.Decoder(question).decode

        async def decode(message: StreamMessage[Any]) -> Q:
            return read(message.body)

        # In no queue group: a leader that is frozen would still get its share there, and answer none of it.
        subscriber = self._broker.subscriber(subject, decoder=decode, max_workers=AT_ONCE, pending_msgs_limit=WAITING)
        subscriber(handler)

    async def start(self) -> None:
        """Answer from now on."""
        for subscriber in self._broker.subscribers:
            await subscriber.start()

    async def stop(self) -> None:
        """Finish what is being answered, and leave the next question to another replica."""
        for subscriber in self._broker.subscribers:
            if subscriber.running:
                await subscriber.stop()


class Failures:
    """Makes an answer of why a question has none, and counts it."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        self._traces = traces
        self._failures = metrics.counter("presence_query_failures", "Questions answered with a code.", ("code",))
        self._seconds = metrics.histogram("presence_query_seconds", "Time to answer a question, by query.", ("query",))

    def __call__(self, message: Any, /, *, context: Any) -> "_Answer":
        """Open the way of one question (FastStream's form of a middleware)."""
        return _Answer(self, message, context=context)

    async def answer(self, question: StreamMessage[Any], reply: Callable[[StreamMessage[Any]], Awaitable[Any]]) -> Any:
        """Answer with the reply or with why there is none."""
        with answering(self._traces, question.raw_message.subject, question.headers):
            return await self._answer(question, reply)

    async def _answer(self, question: StreamMessage[Any], reply: Callable[[StreamMessage[Any]], Awaitable[Any]]) -> Any:
        try:
            with self._seconds.labels(question.raw_message.subject.rpartition(".")[2]).time():
                return await reply(question)
        except Refusal as refusal:
            return self._failed(refusal.code, refusal.detail)
        except NotLeading as error:
            raise SkipMessage from error  # FastStream then sends no reply
        except msgspec.MsgspecError as error:
            return self._failed(Code.INVALID, f"The question cannot be read: {error}")
        except Exception:  # noqa: BLE001 - the top of a question's task; its decision is to say so
            _log.exception("query_failed", subject=question.raw_message.subject)
            return self._failed(Code.INTERNAL, "Something went wrong here. It was noted.")

    def _failed(self, code: Code, detail: str) -> Response:
        self._failures.labels(code).inc()
        return Response(QueryFailed(code, detail), headers={FAILED_HEADER: "1"})


class _Answer(BaseMiddleware):
    def __init__(self, failures: Failures, message: Any, *, context: Any) -> None:
        super().__init__(message, context=context)
        self._failures = failures

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        return await self._failures.answer(msg, call_next)


class Counts:
    """Presence's metrics of the work done."""

    def __init__(self, metrics: Metrics) -> None:
        self._events = metrics.counter("presence_events", "Changes of sessions and gateways heard of.")
        self._changes = metrics.counter("presence_changes", "Changes of how a user looks, published.")

    def heard(self) -> None:
        """Count an event of the bucket."""
        self._events.inc()

    def told(self) -> None:
        """Count a change that was published."""
        self._changes.inc()


def build(settings: Settings, timing: Timing | None = None) -> AsgiFastStream:
    """Wire the service; nothing is opened before its lifespan begins."""
    timing = timing or Timing()
    metrics = Metrics("presence")
    traces = open_traces("presence", settings, metrics)
    connection = Connection(access(settings, "presence"), "parley-presence")
    connection.on_shut_out.append(serve.end)
    broker = LedBroker(
        **options(connection),
        apply_types=False,  # questions are decoded into their types by msgspec, once
        serializer=MsgSpecSerializer(),
        middlewares=[Failures(metrics, traces)],
        graceful_timeout=GRACE_S,
    )
    lease = Lease(connection, LEASE, secrets.token_hex(8), timing.lease_life_s)
    store = Store(connection, lease)
    presence = Presence(connection, lease, store, timing, Counts(metrics))
    answers = Answers(broker)
    answers.serve(subjects.PRESENCE, GetPresence, presence.states)
    answers.serve(subjects.SET_PRESENCE, SetPresence, presence.choose)
    leader = Leader(connection, presence, answers, lease, replicas=settings.stream_replicas)
    _watch(metrics, presence, leader)
    watch_broker(metrics, connection, lambda: pending_messages(connection))
    health = Health([Probe("broker", connection.probe), Probe("presence", lambda: _phase(leader, presence))])

    async def adopt() -> None:
        connection.adopt(await broker.connect())
        leader.hurry()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(leader.run())
            try:
                yield
            finally:
                running.cancel()
                await health.close()
                await traces.close()

    return AsgiFastStream(
        broker,
        lifespan=lifespan,
        after_startup=[adopt],  # health is served while the broker is still awaited
        on_shutdown=[leader.stop],  # while there is a connection
        asgi_routes=routes(health, metrics),
        logger=None,
    )


async def _phase(leader: Leader, presence: Presence) -> str:
    phase = leader.phase
    if phase == "waits":
        raise Unhealthy(leader.problem)
    if phase == "rebuilds":
        raise Unhealthy("rebuilding: reads who is there")
    if phase == "stands by":
        return "stands by"
    people = presence.people
    held = ", waits for gateways to put their sessions again" if people.held_until_s is not None else ""
    return f"leads: {people.sessions} sessions, {people.online} users online{held}"


def _watch(metrics: Metrics, presence: Presence, leader: Leader) -> None:
    store = presence.store
    sessions = metrics.gauge("presence_sessions", "Sessions known here, while this replica leads.")
    sessions.set_function(lambda: presence.people.sessions)
    online = metrics.gauge("presence_users_online", "Users who look to be there, while this replica leads.")
    online.set_function(lambda: presence.people.online)
    metrics.bounded(
        "presence_last_seen_waiting",
        "Users of whom something waits to be kept.",
        limit=LIMIT,
        now=lambda: len(store.writes),
    )
    metrics.counter_read(
        "presence_last_seen_dropped",
        "Users of whom something was not kept: too many waited.",
        lambda: store.writes.dropped,
    )
    metrics.bounded(
        "presence_removals_waiting",
        "Session keys of dead gateways that wait to be removed.",
        limit=LIMIT,
        now=lambda: len(store.removals),
    )
    leads = metrics.gauge("presence_is_leader", "Whether this replica leads (1) or not (0).")
    leads.set_function(lambda: presence.is_leading)
    metrics.counter_read("presence_reigns", "Times this replica began to lead, or began anew.", lambda: leader.reigns)


async def main() -> None:
    """Run the service until a signal."""
    settings = load()
    logs.configure("presence", json=logs.wants_json(settings.log_format), level=settings.log_level)
    await serve.serve(build(settings), host=settings.http_host, port=settings.http_port)


if __name__ == "__main__":
    serve.run(main())
