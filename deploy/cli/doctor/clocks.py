"""The clocks of this machine, the broker and the database: sign-ins, retries and times in chats rest on them."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from deploy.cli.doctor.broker import Reached
from deploy.cli.doctor.database import Moment, Seen
from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.runtime import clock

NAME: Final = "clock"
WARNING: Final = timedelta(seconds=1)
FAILURE: Final = timedelta(seconds=10)
_BEYOND_MICROSECONDS: Final = re.compile(r"(\.\d{6})\d+")


async def check(reached: Reached, seen: Seen, now: Callable[[], datetime] = clock.now) -> list[Finding]:
    """Compare our clock with the broker's and with the database's."""
    moments = {"the broker": await _of_broker(reached.connection, now) if reached.connection else None}
    moments["PostgreSQL"] = seen.moment
    rows = [of_moment(whose, moment) for whose, moment in moments.items() if moment is not None]
    return rows or [skip(NAME, "neither broker nor database could be asked for the time")]


def of_moment(whose: str, moment: Moment) -> Finding:
    """Judge how far a clock is from ours; how long the answer took is not held against it."""
    difference = moment.difference
    apart = abs(difference)
    if apart <= WARNING:
        return fine(NAME, f"within {WARNING.total_seconds():g} s of that of {whose}")
    way = "behind" if difference > timedelta() else "ahead of"
    seen = f"this machine's clock is {apart.total_seconds():,.1f} s {way} that of {whose}"
    advice = "set both machines by NTP (timedatectl set-ntp true): sign-ins, retries and times in chats rest on clocks"
    return fail(NAME, seen, advice) if apart > FAILURE else warn(NAME, seen, advice)


async def _of_broker(connection: Connection, now: Callable[[], datetime]) -> Moment | None:
    """Ask for a stream: the broker writes the time on its answer, also when there is none. Older brokers don't."""
    before = now()
    answer = json.loads((await connection.request(f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}", b"")).payload)
    after = now()
    written = answer.get("ts")
    if not isinstance(written, str):
        return None
    # Python reads times to the microsecond, up to 3.12 no further
    theirs = datetime.fromisoformat(_BEYOND_MICROSECONDS.sub(r"\1", written))
    return Moment(theirs, before, after)
