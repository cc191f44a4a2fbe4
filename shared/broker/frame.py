"""FastStream as the frame of a service, over a connection with the house's settings."""

from typing import Any

from faststream.nats import NatsBroker

from shared.broker.connection import Connection


def open_broker(connection: Connection, **more: Any) -> NatsBroker:
    """Make a FastStream broker that will connect with the connection's settings; nothing is opened yet.

    After `await broker.connect()` give its client to `connection.adopt`.
    """
    return NatsBroker(connection.url, **connection.options(), **more)
