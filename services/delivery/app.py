"""Builds and wires delivery: FastStream is its frame (connection, lifespan), the log has its own reader."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fast_depends.msgspec import MsgSpecSerializer
from faststream.asgi import AsgiFastStream

from services.delivery.announcer import Announcer
from services.delivery.handlers import BatchHandler
from services.delivery.keeper import Keeper
from services.delivery.reader import Worker
from services.delivery.retries import Retries, RetryCounts
from services.delivery.retries.questions import serve as serve_questions
from services.delivery.settings import Settings, load
from services.delivery.store import RetryStore, Store
from shared.broker.access import access
from shared.broker.connection import Connection
from shared.broker.frame import open_broker
from shared.database.schema import Schema
from shared.runtime import logs
from shared.runtime.health import Health, Probe, Unhealthy, routes
from shared.runtime.metrics import Metrics
from shared.runtime.serve import end, run, serve
from shared.runtime.tasks import beside

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
    connection = Connection(access(settings, "delivery"), "parley-delivery")
    connection.on_shut_out.append(end)
    broker = open_broker(connection, apply_types=False, serializer=MsgSpecSerializer(), graceful_timeout=GRACE_S)
    store = Store(settings.database_url)
    announcer = Announcer(connection, settings.announce_shards)
    retry_store = RetryStore(store, settings.database_url)
    retries = Retries(connection, retry_store, announcer, settings, RetryCounts(metrics))
    serve_questions(broker, retries.redrives)
    handler = BatchHandler(connection, store, announcer, Counts(metrics), retries)
    worker = Worker(connection, store, handler, announcer)
    keeper = Keeper(connection, worker)
    _watch(metrics, worker, keeper)
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


def _watch(metrics: Metrics, worker: Worker, keeper: Keeper) -> None:
    position = metrics.gauge("log_position", "Sequence up to which the log is applied and announced.")
    position.set_function(lambda: worker.announced_seq)
    head = metrics.gauge("log_head", "Last sequence of the log.")
    head.set_function(lambda: keeper.state.last_seq if keeper.state is not None else 0)
    used = metrics.gauge("log_bytes", "Bytes in the log.")
    used.set_function(lambda: keeper.state.bytes if keeper.state is not None else 0)
    limit = metrics.gauge("log_max_bytes", "Bytes at which the log refuses new messages.")
    limit.set_function(lambda: keeper.state.max_bytes if keeper.state is not None else 0)
    trimmed = metrics.gauge("log_trimmed_seq", "Sequence up to which the log was trimmed by this process.")
    trimmed.set_function(lambda: keeper.trimmed_up_to)
    overtaken = metrics.gauge("delivery_overtaken", "Times another worker was faster.")
    overtaken.set_function(lambda: worker.overtaken)


async def main() -> None:
    """Run the service until it is told to stop."""
    settings = load()
    logs.configure("delivery", json=logs.wants_json(settings.log_format), level=settings.log_level)
    await serve(build(settings), host=settings.http_host, port=settings.http_port)


if __name__ == "__main__":
    run(main())
