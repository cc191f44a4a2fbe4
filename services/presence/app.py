"""Presence, as a process: a place at the broker, with its health and its metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faststream.asgi import AsgiFastStream

from services.presence.settings import Settings, load
from shared.broker.connection import Connection
from shared.broker.frame import open_broker
from shared.runtime import logs, serve
from shared.runtime.health import Health, Probe, routes
from shared.runtime.metrics import Metrics


def build(settings: Settings) -> AsgiFastStream:
    """Wire the service; nothing is opened before its lifespan begins."""
    connection = Connection(settings.nats_url, "presence")
    broker = open_broker(connection)
    health = Health([Probe("broker", connection.probe)])

    async def adopt() -> None:
        connection.adopt(await broker.connect())

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await health.close()

    return AsgiFastStream(
        broker,
        lifespan=lifespan,
        after_startup=[adopt],  # health is served while the broker is still awaited
        asgi_routes=routes(health, Metrics("presence")),
        logger=None,
    )


async def main() -> None:
    """Run the service until a signal."""
    settings = load()
    logs.configure("presence", json=logs.wants_json(settings.log_format), level=settings.log_level)
    await serve.serve(build(settings), host=settings.http_host, port=settings.http_port)


if __name__ == "__main__":
    serve.run(main())
