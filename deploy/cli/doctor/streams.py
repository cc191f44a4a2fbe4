"""What the broker keeps: its streams as they are wanted, the log's room, its dead letters."""

from typing import Final

import nats.js.errors

from deploy.cli.doctor.broker import AWAY, Reached
from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from deploy.cli.doctor.place import size
from deploy.cli.doctor.settings import Told
from shared.broker.connection import Connection
from shared.broker.streams import differences, log_state
from shared.contracts import subjects

STREAMS: Final = "streams"
ROOM: Final = "log room"
LETTERS: Final = "dead letters"
FULL_SHARE: Final = 0.95
FILLING_SHARE: Final = 0.75
"""Delivery trims the log when it is filled to 60 %."""
_SHOWN: Final = 5


async def check(told: Told, reached: Reached) -> list[Finding]:
    """Look at the streams."""
    connection = reached.connection
    if connection is None:
        return [skip(name, AWAY) for name in (STREAMS, ROOM, LETTERS)]
    return [*await _of_streams(connection, told), await _of_room(connection), await _of_letters(connection)]


async def _of_streams(connection: Connection, told: Told) -> list[Finding]:
    if told.streams is None:
        return [skip(STREAMS, "how they are wanted, the settings don't say")]
    found = await differences(connection, told.streams)
    rows = [
        fail(STREAMS, str(each), "`parley migrate` makes it so; where it can't, it says why") for each in found[:_SHOWN]
    ]
    if more := len(found) - len(rows):
        rows.append(fail(STREAMS, f"and {more} more: `parley migrate --check` lists them", "`parley migrate`"))
    return rows or [fine(STREAMS, "streams, buckets and consumers are as wanted")]


async def _of_room(connection: Connection) -> Finding:
    try:
        state = await log_state(connection)
    except nats.js.errors.NotFoundError:
        return skip(ROOM, "there is no log")
    except ValueError as error:
        return fail(ROOM, str(error), "rename that stream, or use another broker, then `parley migrate`")
    return of_room(state.bytes, state.max_bytes)


def of_room(used: int, limit: int) -> Finding:
    """Judge how full the log is: a full one refuses new messages."""
    if limit <= 0:
        return warn(ROOM, "the log has no limit: it grows until the disk is full", "`parley migrate` sets one")
    seen = f"{size(used)} of {size(limit)} ({used / limit:.0%})"
    advice = (
        "delivery trims it once it has applied and announced what is in it: look at delivery and at the log's lag; "
        "PARLEY_LOG_MAX_BYTES and `parley migrate` give it more room"
    )
    if used >= FULL_SHARE * limit:
        return fail(ROOM, f"{seen}: new messages are refused, or will be at once", advice)
    if used >= FILLING_SHARE * limit:
        return warn(ROOM, seen, advice)
    return fine(ROOM, seen)


async def _of_letters(connection: Connection) -> Finding:
    try:
        state = (await connection.jetstream(3).stream_info(subjects.DLQ_STREAM)).state
    except nats.js.errors.NotFoundError:
        return skip(LETTERS, "there is no stream for them")
    if not state.messages:
        return fine(LETTERS, "none")
    return warn(
        LETTERS,
        f"{state.messages} commands could not be applied",
        "`parley dead-letters list` says why; `retry` or `drop` each. They are kept for seven days",
    )
