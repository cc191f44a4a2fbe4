"""The buckets, key by key: sessions and gateways in memory, what was last seen of users on disk.

Every write is acknowledged by the broker. nats-py's own interface is not used: it puts no key with a life, takes the
marker of a key that ended for a value, and its watchers are blind for a while after the broker came back.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import nats.js.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import DiscardPolicy, RePublish, StorageType, StreamConfig

from shared.broker.connection import BROKER_ERRORS, PENDING_BYTES, PENDING_MESSAGES, Connection
from shared.contracts import subjects
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.contracts.presence import GATEWAY_LIFE_S, SessionRecord, gateway_key, session_key

MARKER_LIFE_S: Final = 60
"""How long it stays written that a key ended, and when."""
MAX_VALUE_BYTES: Final = 4096
PRESENCE_MAX_BYTES: Final = 128 * 1024 * 1024
"""Some 500,000 sessions; what comes on top is refused."""
PAGE: Final = 1000
"""How many keys the broker hands out at once."""

# the broker's own numbers and states
_WRONG_LAST_SEQUENCE: Final = (10071, 10164)
_NO_SUCH_WRITE: Final = (10043, 10057)
_END: Final = "204"
_NOTHING: Final = "404"
_PATIENCE_S: Final = 5.0

_encode = msgspec.json.Encoder().encode


BUCKET_GONE: Final = (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError)
"""What is raised, of BROKER_ERRORS, where there is no such bucket (any more)."""


class Entry(NamedTuple):
    """A key as it is, or as it became; `seq` grows with every change of the bucket.

    `value` is None when it ended, at `ended_ms` (Unix, by the broker's clock); `has_expired`: because its life ended.
    """

    key: str
    value: bytes | None
    seq: int
    ended_ms: int = 0
    has_expired: bool = False


def configs(replicas: int) -> list[StreamConfig]:
    """Return what the provisioner makes of the buckets."""
    last_seen = _bucket(subjects.LAST_SEEN_BUCKET, StorageType.FILE, replicas, allow_atomic=True)
    return [*memory_configs(replicas), last_seen]


def memory_configs(replicas: int) -> list[StreamConfig]:
    """Return those that are gone when the broker restarts."""
    presence = _bucket(
        subjects.PRESENCE_BUCKET,
        StorageType.MEMORY,
        replicas,
        max_bytes=PRESENCE_MAX_BYTES,
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=MARKER_LIFE_S,
        republish=RePublish(src=_subject(subjects.PRESENCE_BUCKET, ">"), dest=f"{subjects.PRESENCE_EVENTS}.>"),
    )
    # Without markers: a lease that ran out is as if it had never been.
    leases = _bucket(subjects.LEASES_BUCKET, StorageType.MEMORY, replicas, allow_msg_ttl=True)
    return [presence, leases]


def stream_of(bucket: str) -> str:
    """Name the stream of a bucket."""
    return f"KV_{bucket}"


async def put_session(connection: Connection, user: UserId, session: SessionId, record: SessionRecord) -> None:
    """Tell presence of a session; again with the same record is harmless. Its gateway's key must be put before.

    Raises:
        One of BROKER_ERRORS.
    """
    await put(connection, subjects.PRESENCE_BUCKET, session_key(user, session), _encode(record))


async def drop_session(connection: Connection, user: UserId, session: SessionId, *, only_seq: int = 0) -> bool:
    """Tell presence that a session is over, one that it never heard of too.

    With `only_seq` only as it was put then, for who clears away what its gateway left behind: that the session is
    over was known before, so no marker stays to tell when. False: it was put again since, and remains.

    Raises:
        One of BROKER_ERRORS.
    """
    return await _end(connection, session_key(user, session), only_seq)


async def refresh_gateway(connection: Connection, gateway: GatewayId, life_s: int = GATEWAY_LIFE_S) -> bool:
    """Tell presence that a gateway lives, and its sessions with it.

    False: presence had forgotten the gateway, or had never known it: every session must be put again now.

    Raises:
        One of BROKER_ERRORS.
    """
    key = gateway_key(gateway)
    known = await last(connection, subjects.PRESENCE_BUCKET, key)
    after_seq = known.seq if known is not None and known.value is not None else None
    seq = await put(connection, subjects.PRESENCE_BUCKET, key, b"1", life_s=life_s, after_seq=after_seq)
    if seq is None:  # its life ended just now
        after_seq = None
        await put(connection, subjects.PRESENCE_BUCKET, key, b"1", life_s=life_s)
    return after_seq is not None


async def drop_gateway(connection: Connection, gateway: GatewayId) -> None:
    """Tell presence that a gateway ends, so that nobody waits for its key to run out.

    Raises:
        One of BROKER_ERRORS.
    """
    await _end(connection, gateway_key(gateway))


async def read_presence(connection: Connection) -> list[Entry]:
    """Read all sessions and gateways, and the markers of those that ended lately.

    Raises:
        One of BROKER_ERRORS; BUCKET_GONE.
    """
    entries: list[Entry] = []
    seq = 1
    while True:
        question = {"batch": PAGE, "seq": seq, "next_by_subj": _subject(subjects.PRESENCE_BUCKET, ">")}
        page, is_last = await _get(connection, subjects.PRESENCE_BUCKET, question)
        entries += page
        if is_last or not page:
            return entries
        seq = page[-1].seq + 1


async def watch_presence(connection: Connection, on_entry: Callable[[Entry], None]) -> Subscription:
    """Call `on_entry` with every change of sessions and gateways from now on, in order, until unsubscribed.

    A full queue drops and tells the connection's `on_dropped`.

    Raises:
        One of BROKER_ERRORS.
    """
    behind = len(subjects.PRESENCE_EVENTS) + 1

    async def on_message(message: Msg) -> None:
        on_entry(_entry(message.subject[behind:], message))

    return await connection.client.subscribe(
        f"{subjects.PRESENCE_EVENTS}.>",
        cb=on_message,
        pending_msgs_limit=PENDING_MESSAGES,
        pending_bytes_limit=PENDING_BYTES,
    )


async def last_seen_of(connection: Connection, users: Iterable[UserId]) -> dict[UserId, bytes]:
    """Read what is kept of some users, at most a thousand; of whom nothing is kept is left out.

    Raises:
        One of BROKER_ERRORS.
    """
    entries = await _last(connection, subjects.LAST_SEEN_BUCKET, users)
    return {UserId(entry.key): entry.value for entry in entries if entry.value is not None}


async def put_last_seen(connection: Connection, values: Mapping[UserId, bytes]) -> None:
    """Keep something of some users, at most a thousand, instead of what was kept before: of all of them, or of none.

    Together, because the broker flushes each write to disk, but those of a batch once.

    Raises:
        One of BROKER_ERRORS.
    """
    batch = secrets.token_hex(16)
    rest = dict(values)
    user, value = rest.popitem()
    for number, (other, kept) in enumerate(rest.items(), 1):
        headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        await connection.publish(_subject(subjects.LAST_SEEN_BUCKET, other), kept, headers)
    if not rest:
        await put(connection, subjects.LAST_SEEN_BUCKET, user, value)
        return
    headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(values)), "Nats-Batch-Commit": "1"}
    await _publish(connection, subjects.LAST_SEEN_BUCKET, user, value, headers)


async def identity_of(connection: Connection, bucket: str) -> str:
    """Tell one incarnation of a bucket from the next: a bucket that was lost and made again has another identity.

    Raises:
        One of BROKER_ERRORS; BUCKET_GONE.
    """
    return str((await connection.jetstream().stream_info(stream_of(bucket))).created)


async def put(
    connection: Connection,
    bucket: str,
    key: str,
    value: bytes,
    *,
    life_s: int | None = None,
    after_seq: int | None = None,
) -> int | None:
    """Write a key and return its sequence. With `after_seq` only as its next change (0: its first), else None.

    Raises:
        One of BROKER_ERRORS; BUCKET_GONE.
    """
    headers = {} if after_seq is None else {"Nats-Expected-Last-Subject-Sequence": str(after_seq)}
    if life_s is not None:
        headers["Nats-TTL"] = str(life_s)
    return await _publish(connection, bucket, key, value, headers)


async def last(connection: Connection, bucket: str, key: str) -> Entry | None:
    """Read a key; None where there is none.

    Raises:
        One of BROKER_ERRORS.
    """
    for entry in await _last(connection, bucket, [key]):
        return entry
    return None


async def erase(connection: Connection, bucket: str, seq: int) -> None:
    """Remove one write without a trace, if it is still the last of its key.

    Raises:
        One of BROKER_ERRORS.
    """
    try:
        await connection.jetstream().delete_msg(stream_of(bucket), seq)
    except nats.js.errors.APIError as error:
        if error.err_code not in _NO_SUCH_WRITE:
            raise


async def _end(connection: Connection, key: str, only_seq: int = 0) -> bool:
    headers = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": str(1 if only_seq else MARKER_LIFE_S)}
    if only_seq:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(only_seq)
    return await _publish(connection, subjects.PRESENCE_BUCKET, key, b"", headers) is not None


async def _publish(connection: Connection, bucket: str, key: str, value: bytes, headers: dict[str, str]) -> int | None:
    """Publish with an acknowledgement; None: somebody else changed the key."""
    try:
        ack = await connection.jetstream().publish(_subject(bucket, key), value, headers=headers or None)
    except nats.js.errors.APIError as error:
        if error.err_code in _WRONG_LAST_SEQUENCE:
            return None
        raise
    return int(ack.seq)


async def _last(connection: Connection, bucket: str, keys: Iterable[str]) -> list[Entry]:
    question = {"multi_last": [_subject(bucket, key) for key in keys]}
    return (await _get(connection, bucket, question))[0] if question["multi_last"] else []


async def _get(connection: Connection, bucket: str, question: dict[str, Any]) -> tuple[list[Entry], bool]:
    """Ask the broker for many keys at once (ADR-31 of NATS); returns them, and whether there are no more.

    Raises:
        One of BROKER_ERRORS.
    """
    client = connection.client
    behind = len(_subject(bucket, ""))
    entries: list[Entry] = []
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def on_message(message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            entries.append(_entry(headers["Nats-Subject"][behind:], message))
        elif ended.done():
            return
        elif status in (_END, _NOTHING):
            ended.set_result(int(headers.get("Nats-Num-Pending", 0)) == 0)
        else:
            ended.set_exception(nats.js.errors.NoStreamResponseError())

    inbox = client.new_inbox()
    answers = await client.subscribe(inbox, cb=on_message)
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream_of(bucket)}", json.dumps(question).encode(), reply=inbox)
        async with asyncio.timeout(_PATIENCE_S):
            return entries, await ended
    finally:
        ended.cancel()
        with contextlib.suppress(*BROKER_ERRORS):
            await answers.unsubscribe()


def _entry(key: str, message: Msg) -> Entry:
    headers = message.headers or {}
    seq = int(headers["Nats-Sequence"])
    has_expired = "Nats-Marker-Reason" in headers
    if message.data and not has_expired and "KV-Operation" not in headers:
        return Entry(key, message.data, seq)
    ended = datetime.fromisoformat(headers["Nats-Time-Stamp"])
    return Entry(key, None, seq, int(ended.timestamp() * 1000), has_expired)


def _subject(bucket: str, key: str) -> str:
    return f"$KV.{bucket}.{key}"


def _bucket(name: str, storage: StorageType, replicas: int, *, max_bytes: int = -1, **more: Any) -> StreamConfig:
    return StreamConfig(
        name=stream_of(name),
        subjects=[_subject(name, ">")],
        storage=storage,
        num_replicas=replicas,
        max_age=0,
        max_bytes=max_bytes,
        max_msg_size=MAX_VALUE_BYTES,
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        duplicate_window=60,
        allow_direct=True,
        **more,
    )
