"""Dead letters: commands that could not be decoded or applied, kept seven days for a person to look at."""

from dataclasses import dataclass
from typing import Final

import msgspec
import nats.js.errors

from shared.broker.along import REQUESTS, write
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.ids import LogId

REASON: Final = "Parley-Reason"
PARTITION: Final = "Parley-Partition"
PLACE: Final = "Parley-Place"
REQUEST: Final = "Parley-Request-Id"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A command in the dead-letter queue. `place` is `<log id>.<sequence>.<index in its bundle>`.

    `request_id` names its request in the logs, "" where that is not known.
    """

    number: int
    place: str
    partition: int
    reason: str
    item: bytes
    request_id: str = ""


async def bury(
    connection: Connection,
    *,
    log_id: LogId,
    seq: int,
    index: int,
    partition: int,
    reason: str,
    item: bytes,
    request_id: str = "",
) -> None:
    """Keep a command that cannot be applied, once however often this is repeated.

    Raises:
        One of BROKER_ERRORS.
    """
    place = f"{log_id}.{seq}.{index}"
    headers = {
        "Nats-Msg-Id": place,
        REASON: reason.replace("\n", " ")[:500],
        PARTITION: str(partition),
        PLACE: place,
    }
    if request_id:
        headers[REQUEST] = request_id
    await connection.jetstream().publish(subjects.DEAD_DELIVERY, item, headers=headers)


async def dead_letters(connection: Connection, limit: int = 100) -> list[DeadLetter]:
    """Return the oldest dead letters.

    Raises:
        One of BROKER_ERRORS.
    """
    jetstream = connection.jetstream()
    state = (await jetstream.stream_info(subjects.DLQ_STREAM)).state
    found: list[DeadLetter] = []
    for number in range(max(1, state.first_seq), state.last_seq + 1):
        if len(found) == limit:
            break
        letter = await dead_letter(connection, number)
        if letter is not None:
            found.append(letter)
    return found


async def dead_letter(connection: Connection, number: int) -> DeadLetter | None:
    """Return one dead letter by its number, None where there is none (any more).

    Raises:
        One of BROKER_ERRORS.
    """
    try:
        message = await connection.jetstream().get_msg(subjects.DLQ_STREAM, number)
    except nats.js.errors.NotFoundError:
        return None
    headers = message.headers or {}
    return DeadLetter(
        number,
        headers.get(PLACE, ""),
        int(headers.get(PARTITION, 0)),
        headers.get(REASON, ""),
        message.data or b"",
        headers.get(REQUEST, ""),
    )


async def retry_dead_letter(connection: Connection, letter: DeadLetter) -> None:
    """Append the command to the log again and drop the letter; doing it twice is harmless for a command with an id.

    Raises:
        One of BROKER_ERRORS.
    """
    bundle = msgspec.msgpack.encode([msgspec.Raw(letter.item)])
    headers = {REQUESTS: write([(0, letter.request_id)])} if letter.request_id else None
    await connection.jetstream().publish(subjects.log(letter.partition), bundle, headers=headers)
    await drop_dead_letter(connection, letter)


async def drop_dead_letter(connection: Connection, letter: DeadLetter) -> None:
    """Forget a dead letter for good.

    Raises:
        One of BROKER_ERRORS.
    """
    await connection.jetstream().delete_msg(subjects.DLQ_STREAM, letter.number)
