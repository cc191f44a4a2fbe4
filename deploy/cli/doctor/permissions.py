"""What the operator's key may do at the broker: each thing is asked for in a way that changes nothing."""

import asyncio
import json
from typing import Final

from deploy.cli.doctor.broker import AWAY, Reached
from deploy.cli.doctor.findings import Finding, fail, fine, skip
from shared.broker.buckets import stream_of
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import DUE_CONSUMER
from shared.contracts import subjects

NAME: Final = "broker key"
_ANSWER_S: Final = 1.5
_SETTLE_S: Final = 0.2
_SHOWN: Final = 3
_NOT_JSON: Final = b"?"
"""Refused by the broker before it does anything, but after it has looked at who asks."""

_STREAMS: Final = (
    *(subjects.CHAT_STREAM, subjects.DLQ_STREAM, subjects.RETRY_STREAM),
    *map(stream_of, (subjects.PRESENCE_BUCKET, subjects.LAST_SEEN_BUCKET, subjects.LEASES_BUCKET)),
)
_HARMLESS: Final = (
    *((f"$JS.API.STREAM.INFO.{stream}", b"") for stream in _STREAMS),
    *((f"$JS.API.STREAM.CREATE.{stream}", _NOT_JSON) for stream in _STREAMS),
    *((f"$JS.API.STREAM.UPDATE.{stream}", _NOT_JSON) for stream in _STREAMS),
    (f"$JS.API.CONSUMER.INFO.{subjects.RETRY_STREAM}.{DUE_CONSUMER}", b""),
    (f"$JS.API.STREAM.MSG.GET.{subjects.DLQ_STREAM}", json.dumps({"seq": 1}).encode()),
    (f"$JS.API.STREAM.MSG.DELETE.{subjects.DLQ_STREAM}", _NOT_JSON),
)
"""What the commands ask the broker for (`migrate`, `dead-letters`, `doctor`)."""


async def check(reached: Reached) -> list[Finding]:
    """Try what the commands need; the broker says on the side what it denies."""
    connection = reached.connection
    if connection is None:
        return [skip(NAME, AWAY)]
    before = len(reached.complaints)
    answered = await asyncio.gather(*(_is_answered(connection, *each) for each in _HARMLESS))
    await asyncio.sleep(_SETTLE_S)  # what the broker says on the side may come a little later
    denied = [said for said in reached.complaints[before:] if "permissions violation" in said.lower()]
    if denied:
        wanted = [subject for subject, _ in _HARMLESS if any(f'"{subject.lower()}"' in said.lower() for said in denied)]
        what = ", ".join(wanted[:_SHOWN]) + (" and others" if len(wanted) > _SHOWN else "") if wanted else denied[0]
        return [
            fail(
                NAME,
                f"the broker denies {len(denied)} of {len(_HARMLESS)} things that the commands need: {what}",
                "use the operator's key (PARLEY_NATS_NKEY_FILE=./secrets/nats_operator.nk), or give this one its "
                "permissions, as ./secrets/nats_users.conf has them",
            )
        ]
    if silent := answered.count(False):
        return [
            fail(
                NAME,
                f"the broker leaves {silent} of {len(_HARMLESS)} questions unanswered",
                "its JetStream may have no leader: look at `parley doctor` again in a minute, then at its log",
            )
        ]
    if not connection.access.nkey:
        return [fine(NAME, "none is needed: the broker lets anybody in")]
    return [fine(NAME, "accepted, with all that the commands need")]


async def _is_answered(connection: Connection, subject: str, payload: bytes) -> bool:
    try:
        await connection.request(subject, payload, timeout_s=_ANSWER_S)
    except BROKER_ERRORS:
        return False
    return True
