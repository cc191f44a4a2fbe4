"""Builds and wires delivery: FastStream is its frame (connection, lifespan), the log has its own reader."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fast_depends.msgspec import MsgSpecSerializer
from faststream.asgi import AsgiFastStream

from services.delivery.announcer import Announcer
from services.delivery.handlers import BatchHandler
from services.delivery.keeper import Keeper
from services.delivery.legs import Legs
from services.delivery.reader import Worker
from services.delivery.retries import Retries, RetryCounts
from services.delivery.retries.questions import serve as serve_questions
from services.delivery.settings import Settings, load
from services.delivery.store import CACHED_CONVERSATIONS, RetryStore, Store
from shared.broker.access import access
from shared.broker.connection import Connection
from shared.broker.frame import open_broker
from shared.broker.log import ROOM
from shared.broker.pending import pending_messages
from shared.database.schema import Schema
from shared.runtime import logs
from shared.runtime.broker_metrics import watch_broker
from shared.runtime.health import Health, Probe, Unhealthy, routes
from shared.runtime.metrics import Metrics
from shared.runtime.serve import end, run, serve
from shared.runtime.tasks import beside
from shared.runtime.tracing import open_traces

SILENT_S: Final = 10.0
GRACE_S: Final = 5.0


class Counts:
    """Delivery's metrics of the work done."""

    def __init__(self, metrics: Metrics) -> None:
        self._commands = metrics.counter("delivery_commands", "Commands applied.")
        self._transactions = metrics.counter("delivery_transactions", "Transactions that applied commands.")
        self._recalled = metrics.counter("delivery_announced_again", "Commands announced again after a disturbance.")
        self._buried = metrics.counter("dead_letters", "Commands that went to the dead letters.")

    def applied(self, commands: int) -> None:
        """Count commands applied in one transaction."""
        if commands:
            self._commands.inc(commands)
            self._transactions.inc()

    def recalled(self, commands: int) -> None:
        """Count commands, applied earlier, that were announced again."""
        self._recalled.inc(commands)

    def buried(self) -> None:
        """Count a command that went to the dead letters."""
        self._buried.inc()


def build(settings: Settings) -> AsgiFastStream:
    """Make the service; nothing is opened before its lifespan begins."""
    metrics = Metrics("delivery")
    traces = open_traces("delivery", settings, metrics)
    connection = Connection(access(settings, "delivery"), "parley-delivery")
    connection.on_shut_out.append(end)
    broker = open_broker(connection, apply_types=False, serializer=MsgSpecSerializer(), graceful_timeout=GRACE_S)
    store = Store(settings.database_url)
    legs = Legs(metrics, traces)
    announcer = Announcer(connection, settings.announce_shards, legs)
    retry_store = RetryStore(store, settings.database_url)
    retries = Retries(connection, retry_store, announcer, settings, RetryCounts(metrics))
    serve_questions(broker, retries.redrives, traces)
    handler = BatchHandler(connection, store, announcer, Counts(metrics), retries, legs)
    worker = Worker(connection, store, handler, announcer)
    keeper = Keeper(connection, worker)
    _watch(metrics, connection, worker, keeper)
    _watch_store(metrics, store, retry_store)
    health = Health(
        [
            Probe("broker", connection.probe),
            Probe("database", store.ping),
            Probe("schema", Schema(settings.database_url).ping),
            Probe("log", lambda: _log(worker, keeper)),
            Probe("retries", retries.describe),
        ]
    )

    async def adopt() -> None:
        connection.adopt(await broker.connect())

    @asynccontextmanager
    async def lifespan(_context: Any = None) -> AsyncIterator[None]:
        async with beside(worker.run(), keeper.run(), retries.run()):
            yield
        await health.close()
        await retry_store.close()
        await store.close()
        await traces.close()

    return AsgiFastStream(
        broker,
        lifespan=lifespan,
        after_startup=[adopt],  # health is served while the broker is still awaited
        asgi_routes=routes(health, metrics),
        logger=None,
    )


async def _log(worker: Worker, keeper: Keeper) -> str:
    if worker.problem:
        raise Unhealthy(worker.problem)
    if worker.silent_s > SILENT_S:
        raise Unhealthy(f"nothing heard of the log for {worker.silent_s:.0f} s")
    behind = keeper.state.last_seq - worker.announced_seq if keeper.state is not None else 0
    return f"heard of {worker.silent_s:.1f} s ago, {max(0, behind)} bundles behind"


def _watch(metrics: Metrics, connection: Connection, worker: Worker, keeper: Keeper) -> None:
    watch_broker(metrics, connection, lambda: pending_messages(connection))
    _watch_log(metrics, worker, keeper)
    metrics.bounded(
        "log_read_ahead", "Bundles of the log that are read and not applied.", limit=ROOM, now=lambda: worker.read_ahead
    )
    metrics.counter_read(
        "delivery_overtaken", "Times another delivery was faster, and this one began again.", lambda: worker.overtaken
    )
    metrics.gauge(
        "delivery_working", "Whether the log is being applied (1) or something is in the way (0)."
    ).set_function(lambda: not worker.problem)


def _watch_log(metrics: Metrics, worker: Worker, keeper: Keeper) -> None:
    def of_log(name: str) -> float:
        return getattr(keeper.state, name) if keeper.state is not None else 0

    def behind() -> dict[str, float]:
        head = of_log("last_seq")
        return {str(p): max(0, head - place.announced_seq) for p, place in worker.positions.items()}

    metrics.gauge_by(
        "log_position",
        "Sequence up to which the log is applied and announced, by partition.",
        "partition",
        lambda: {str(p): place.announced_seq for p, place in worker.positions.items()},
    )
    metrics.gauge_by(
        "log_applied",
        "Sequence up to which the log is applied, by partition.",
        "partition",
        lambda: {str(p): place.stream_seq for p, place in worker.positions.items()},
    )
    metrics.gauge_by(
        "log_lag", "Bundles of the log that are not applied and announced yet, by partition.", "partition", behind
    )
    metrics.gauge("log_head", "Last sequence of the log.").set_function(lambda: of_log("last_seq"))
    metrics.gauge("log_messages", "Bundles in the log.").set_function(lambda: of_log("messages"))
    metrics.gauge("log_bytes", "Bytes in the log.").set_function(lambda: of_log("bytes"))
    metrics.gauge("log_max_bytes", "Bytes at which the log refuses new messages.").set_function(
        lambda: of_log("max_bytes")
    )
    metrics.gauge("log_trimmed_seq", "Sequence up to which the log was trimmed by this process.").set_function(
        lambda: keeper.trimmed_up_to
    )
    others = keeper.others
    metrics.gauge_by(
        "stream_messages",
        "Messages in the streams beside the log, by stream.",
        "stream",
        lambda: {stream: used.messages for stream, used in others.items()},
    )
    metrics.gauge_by(
        "stream_bytes",
        "Bytes in the streams beside the log, by stream.",
        "stream",
        lambda: {stream: used.bytes for stream, used in others.items()},
    )
    metrics.gauge_by(
        "stream_max_bytes",
        "Bytes at which these streams let go of their oldest, by stream.",
        "stream",
        lambda: {stream: used.max_bytes for stream, used in others.items()},
    )


def _watch_store(metrics: Metrics, store: Store, retry_store: RetryStore) -> None:
    metrics.bounded(
        "conversations_kept",
        "Conversations whose members are remembered.",
        limit=CACHED_CONVERSATIONS,
        now=lambda: store.remembered,
        kind="cache",
    )
    metrics.database_pool(limit=store.room + retry_store.room, in_use=lambda: store.in_use + retry_store.in_use)


async def main() -> None:
    """Run the service until it is told to stop."""
    settings = load()
    logs.configure("delivery", json=logs.wants_json(settings.log_format), level=settings.log_level)
    await serve(build(settings), host=settings.http_host, port=settings.http_port)


if __name__ == "__main__":
    run(main())
