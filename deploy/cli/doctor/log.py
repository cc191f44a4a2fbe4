"""The log beside the database: whether they fit together, and whether delivery keeps up."""

import asyncio
from typing import Final

import nats.js.errors

from deploy.cli.doctor import broker, database
from deploy.cli.doctor.broker import Reached
from deploy.cli.doctor.database import Position, Seen
from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from deploy.cli.doctor.settings import Told
from shared.broker.connection import Connection
from shared.broker.log import LogGap, LogReplaced, check_log
from shared.broker.streams import LogState, log_state

FIT: Final = "log and database"
LAG: Final = "log lag"
MANY: Final = 10_000
"""Bundles that wait; delivery applies some thousands a second."""
WATCH_S: Final = 2.0
"""Delivery notes its position once it has been idle for a second."""
_TRIES: Final = 2


async def check(told: Told, reached: Reached, seen: Seen) -> list[Finding]:
    """Look at the position in the database and at the log, twice where something waits."""
    if reached.connection is None or told.local is None:
        return [skip(name, broker.AWAY) for name in (FIT, LAG)]
    if seen.schema is None:
        return [skip(name, database.AWAY) for name in (FIT, LAG)]
    if seen.schema.revision is None or any("log_position" in each for each in seen.schema.lacking):
        return [skip(name, "the database has no tables yet") for name in (FIT, LAG)]
    try:
        return await _look(reached.connection, told.local.database)
    except nats.js.errors.NotFoundError:
        return [skip(name, "there is no log") for name in (FIT, LAG)]
    except ValueError as error:
        return [skip(name, str(error)) for name in (FIT, LAG)]


async def _look(connection: Connection, url: str) -> list[Finding]:
    for again in range(_TRIES):
        place = await database.position(url)
        state = await log_state(connection)  # read after the position, which may only be behind it then
        try:
            check_log(state, place.log_id if place else state.log_id, (place.announced_seq if place else 0) + 1)
        except LogReplaced:
            return [
                warn(
                    FIT,
                    "the broker has another log than the one the database was counting in: it lost its store",
                    "delivery begins the new one by itself as soon as it runs; if it does not, look at its log",
                ),
                skip(LAG, "the position is counted in another log"),
            ]
        except LogGap as gap:
            if again:
                return [
                    fail(
                        FIT,
                        _sentence(gap),
                        "stop the services, then restore a newer copy of the one that is behind (`parley restore`); "
                        "where there is none: `parley restore --accept-gap`, which gives up what is in neither",
                    ),
                    skip(LAG, "they don't fit together"),
                ]
            await asyncio.sleep(WATCH_S / 10)  # delivery may have trimmed the log between the two looks
        else:
            return [fine(FIT, _fitting(place, state)), await _of_lag(connection, url, place, state)]
    raise AssertionError("every way out of the loop is above")


async def _of_lag(connection: Connection, url: str, place: Position | None, state: LogState) -> Finding:
    reached = place.announced_seq if place else 0
    waiting = state.last_seq - reached
    if waiting <= 0:
        return fine(LAG, "nothing waits")
    await asyncio.sleep(WATCH_S)
    later = await database.position(url)
    moved = (later.announced_seq if later else 0) - reached
    waiting = (await log_state(connection)).last_seq - reached - moved
    if moved <= 0 and waiting > 0:
        return fail(
            LAG,
            f"{waiting:,} bundles wait, and delivery applies none of them",
            "is delivery up? Its /health/ready says what it waits for",
        )
    if waiting > MANY:
        return warn(
            LAG,
            f"{waiting:,} bundles wait; {moved / WATCH_S:,.0f} a second are applied",
            "messages come late until it has caught up: give the database a faster disk, or wait",
        )
    return fine(LAG, f"{waiting:,} bundles wait; {moved / WATCH_S:,.0f} a second are applied")


def _fitting(place: Position | None, state: LogState) -> str:
    log = f"log {state.log_id} from {state.first_seq} to {state.last_seq}"
    return f"{log}, applied up to {place.announced_seq}" if place else f"{log}, a new database"


def _sentence(gap: LogGap) -> str:
    """Say what was seen; what to do has a place of its own."""
    return str(gap).partition(" Restore ")[0].rstrip(".")
