"""FastStream as the frame of a service, over a connection with the house's settings."""

from collections.abc import Awaitable, Callable
from typing import Any

from faststream.nats import NatsBroker
from faststream.nats.security import NatsNKey, NatsSecurity

from shared.broker.connection import Connection


class FramedBroker(NatsBroker):
    """FastStream's broker with the connection's patience.

    By itself FastStream gives up where a broker does not take the key (yet), or is slow to, and the service ends.
    """

    def _log_connection_broken(
        self, error_cb: Callable[[Exception], Awaitable[None]] | None = None
    ) -> Callable[[Exception], Awaitable[None]]:
        return error_cb or super()._log_connection_broken()


def open_broker(connection: Connection, **more: Any) -> FramedBroker:
    """Make a FastStream broker that will connect with the connection's settings; nothing is opened yet.

    After `await broker.connect()` give its client to `connection.adopt`.
    """
    return FramedBroker(**options(connection), **more)


def options(connection: Connection) -> dict[str, Any]:
    """Return all that FastStream's broker must know to connect as the connection would."""
    return {
        "servers": connection.access.servers,
        "security": _security(connection),
        **connection.options(),
    }


def _security(connection: Connection) -> NatsSecurity | None:
    tls, nkey = connection.access.tls, connection.access.nkey
    if nkey:
        return NatsNKey.from_seed(nkey, ssl_context=tls)
    return None if tls is None else NatsSecurity(ssl_context=tls)
