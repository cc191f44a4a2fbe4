"""How much of what the broker sent still waits in this process."""

from shared.broker.connection import BROKER_ERRORS, Connection


def pending_messages(connection: Connection) -> int:
    """Count what waits in the subscriptions of a connection, those of FastStream among them."""
    try:
        client = connection.client
    except BROKER_ERRORS:  # not connected yet, or no more
        return 0
    return sum(subscription.pending_msgs for subscription in client._subs.values())  # noqa: SLF001 - nats-py tells it of one at a time
