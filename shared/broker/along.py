"""What goes along with one of many in a message, as a header: the request it came with, the span it belongs to."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from nats.aio.msg import Msg

from shared.broker.connection import PENDING_BYTES, PENDING_MESSAGES, Connection

REQUESTS: Final = "Parley-Requests"
"""Ids of requests, by the place of their command in a bundle; only where the request has a name of its own."""
TRACES: Final = "Parley-Traces"
"""Contexts of spans: by the place of a command in a bundle, by `conversation.rev` among announcements; only sampled."""

Headers = Mapping[str, str]


class Along(NamedTuple):
    """What goes along with a command: the id of its request, and the context (`traceparent`) of its span, or ""."""

    request_id: str = ""
    trace: str = ""


NOTHING: Final = Along()


def headers_of(commands: Iterable[tuple[int, Along]]) -> dict[str, str]:
    """Write what goes along with commands, each by its place."""
    found = list(commands)
    headers = {
        REQUESTS: write((place, along.request_id) for place, along in found if along.request_id),
        TRACES: write((place, along.trace) for place, along in found if along.trace),
    }
    return {name: value for name, value in headers.items() if value}


def along_with(headers: Headers | None) -> dict[int, Along]:
    """Read what goes along with the commands of a bundle, by their place; mostly that is nothing."""
    if not headers or not (REQUESTS in headers or TRACES in headers):
        return {}
    requests, traces = read(headers.get(REQUESTS, "")), read(headers.get(TRACES, ""))
    places = {place for place in (*requests, *traces) if place.isdecimal()}
    return {int(place): Along(requests.get(place, ""), traces.get(place, "")) for place in places}


def write(values: Iterable[tuple[object, str]]) -> str:
    """Write values by their keys."""
    return ",".join(f"{key}={value}" for key, value in values)


def read(header: str) -> dict[str, str]:
    """Read values by their keys; what is none is left out."""
    parts = (part.partition("=") for part in header.split(","))
    return {key: value for key, equals, value in parts if equals}


async def subscribe_along(
    connection: Connection, subject: str, handler: Callable[[bytes, Headers | None], None]
) -> None:
    """Call `handler` with each payload and what goes along with it, as `Connection.subscribe` does, `only_newer`."""

    async def on_message(message: Msg) -> None:
        if not connection.is_overtaken(message):
            handler(message.data, message.headers)

    await connection.client.subscribe(
        subject, cb=on_message, pending_msgs_limit=PENDING_MESSAGES, pending_bytes_limit=PENDING_BYTES
    )
