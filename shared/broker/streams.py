"""The provisioner: the one place that creates or updates the broker's streams and buckets (services never declare)."""

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import nats.js.errors
import structlog
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DiscardPolicy,
    PersistMode,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)

from shared.broker import buckets
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.ids import LogId

LOG_ID: Final = "parley-log-id"
PARTITIONS: Final = "parley-partitions"
WEEK_S: Final = 7 * 86_400
MAX_MSG_BYTES: Final = 512 * 1024
DUPLICATE_WINDOW_S: Final = 600
DUE_CONSUMER: Final = "due"
"""The consumer that all deliveries share: hands out each wake-up of an entry until one of them has seen to it."""
DUE_ACK_S: Final = 15
DUE_UNACKED: Final = 1000

log = structlog.get_logger("streams")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What an operator may choose about the streams; `log_partitions` counts only when the log is created."""

    log_partitions: int = field(default=4, metadata={"min": 1, "max": 256})
    log_max_bytes: int = field(default=1024**3, metadata={"min": 1024**2})
    stream_replicas: int = field(default=1, metadata={"min": 1, "max": 5})


@dataclass(frozen=True, slots=True)
class LogState:
    """The log as it is now: which incarnation, its partitions, its span of sequences, its bytes.

    An empty log has `first_seq` = `last_seq` + 1.
    """

    log_id: LogId
    partitions: int
    first_seq: int
    last_seq: int
    messages: int
    bytes: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the broker is not as wanted.

    `consumer`: of which consumer of the stream, else it is the stream itself. `field`: which of its settings, by the
    broker's name for it, with what it is and what is wanted; None: the stream or consumer is missing.
    """

    stream: str
    consumer: str | None = None
    field: str | None = None
    present: object = None
    wanted: object = None

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"stream {self.stream}"
        if self.consumer is not None:
            what = f"consumer {self.consumer} of {what}"
        if self.field is None:
            return f"{what}: missing"
        return f"{what}: {self.field} is {_said(self.present)}, wanted is {_said(self.wanted)}"


async def differences(connection: Connection, settings: StreamSettings) -> list[Difference]:
    """Tell what `provision` would change; empty: everything is as wanted. Nothing is changed.

    Raises:
        One of BROKER_ERRORS.
    """
    found: list[Difference] = []
    for config in _streams(settings):
        found += _differences_of_stream(config, await _present(connection, _name_of(config)))
    present = await _present_consumer(connection, subjects.RETRY_STREAM, DUE_CONSUMER)
    return found + _differences_of_due(present)


@dataclass(frozen=True, slots=True)
class StreamUsage:
    """How much is in a stream now, and how many bytes may be (0: no limit)."""

    messages: int
    bytes: int
    max_bytes: int


async def provision(connection: Connection, settings: StreamSettings) -> None:
    """Create what is missing and update what differs; what a running log says about itself is kept.

    Raises:
        One of BROKER_ERRORS.
    """
    for config in _streams(settings):
        await _ensure(connection, config)
    present = await _present_consumer(connection, subjects.RETRY_STREAM, DUE_CONSUMER)
    if _differences_of_due(present):
        await connection.jetstream(5).add_consumer(subjects.RETRY_STREAM, _due())


async def provision_memory(connection: Connection, replicas: int) -> None:
    """Create what a broker forgot that came back without its memory; what is there stays as it is.

    So a service of another version, while they are rolled one by one, undoes nothing of the provisioner's.

    Raises:
        One of BROKER_ERRORS.
    """
    for config in buckets.memory_configs(replicas):
        if await _present(connection, _name_of(config)) is None:
            await _create(connection, config)


async def _ensure(connection: Connection, config: StreamConfig) -> None:
    present = await _present(connection, _name_of(config))
    differing = {difference.field for difference in _differences_of_stream(config, present)}
    if present is None:
        await _create(connection, config)
    elif differing & _REMADE and config.name == subjects.RETRY_STREAM:
        # No update can do it. Schedules may be let go of: they are made again.
        await connection.jetstream(5).delete_stream(subjects.RETRY_STREAM)
        await _create(connection, config)
    elif differing:
        kept = {field: getattr(config, field) or getattr(present, field) for field in _NEVER_TAKEN_BACK}
        await connection.jetstream(5).update_stream(config.evolve(metadata=present.metadata, **kept))
        log.info("stream_updated", stream=config.name, fields=sorted(map(str, differing)))


async def _create(connection: Connection, config: StreamConfig) -> None:
    await connection.jetstream(5).add_stream(config)
    log.info("stream_created", stream=config.name)


async def _present(connection: Connection, stream: str) -> StreamConfig | None:
    try:
        info: StreamInfo = await connection.jetstream(5).stream_info(stream)
    except nats.js.errors.NotFoundError:
        return None
    return info.config


async def _present_consumer(connection: Connection, stream: str, consumer: str) -> ConsumerConfig | None:
    try:
        info: ConsumerInfo = await connection.jetstream(5).consumer_info(stream, consumer)
    except nats.js.errors.NotFoundError:
        return None
    return info.config


def _differences_of_stream(wanted: StreamConfig, present: StreamConfig | None) -> list[Difference]:
    stream = _name_of(wanted)
    if present is None:
        return [Difference(stream)]
    return [
        Difference(stream, None, field, getattr(present, field), getattr(wanted, field))
        for field in _COMPARED
        if _differ(getattr(wanted, field), getattr(present, field))
        and (getattr(wanted, field) or field not in _NEVER_TAKEN_BACK)
    ]


def _differences_of_due(present: ConsumerConfig | None) -> list[Difference]:
    stream, wanted = subjects.RETRY_STREAM, _due()
    if present is None:
        return [Difference(stream, DUE_CONSUMER)]
    return [
        Difference(stream, DUE_CONSUMER, field, getattr(present, field), getattr(wanted, field))
        for field in _COMPARED_OF_CONSUMERS
        if _differ(getattr(wanted, field), getattr(present, field))
    ]


def _differ(wanted: object, present: object) -> bool:
    """Compare two values of a setting; the broker says False or 0 where nothing was asked for."""
    return (wanted or None) != (present or None)


def _said(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return "unset" if value is None else str(value)


def _name_of(config: StreamConfig) -> str:
    assert config.name is not None  # noqa: S101 - every config here and in `buckets` has one
    return config.name


async def log_state(connection: Connection, timeout_s: float = 3.0) -> LogState:
    """Look at the log.

    Raises:
        One of BROKER_ERRORS; NotFoundError where there is none yet.
        ValueError: the stream was not made by the provisioner.
    """
    info: StreamInfo = await connection.jetstream(timeout_s).stream_info(subjects.CHAT_STREAM)
    metadata = info.config.metadata or {}
    if LOG_ID not in metadata or PARTITIONS not in metadata:
        problem = f"The stream {subjects.CHAT_STREAM} has no {LOG_ID}: it was not made by `parley migrate`."
        raise ValueError(problem)
    state = info.state
    return LogState(
        log_id=LogId(metadata[LOG_ID]),
        partitions=int(metadata[PARTITIONS]),
        first_seq=max(1, state.first_seq),
        last_seq=state.last_seq,
        messages=state.messages,
        bytes=state.bytes,
        max_bytes=info.config.max_bytes or 0,
    )


async def stream_usage(connection: Connection, name: str, timeout_s: float = 3.0) -> StreamUsage:
    """Look at how full a stream is.

    Raises:
        One of BROKER_ERRORS; NotFoundError where there is none yet.
    """
    info: StreamInfo = await connection.jetstream(timeout_s).stream_info(name)
    return StreamUsage(info.state.messages, info.state.bytes, max(0, info.config.max_bytes or 0))


async def trim_log(connection: Connection, keep_from_seq: int) -> None:
    """Drop everything before a sequence from the log.

    Raises:
        One of BROKER_ERRORS.
    """
    await connection.jetstream(5).purge_stream(subjects.CHAT_STREAM, seq=keep_from_seq)


_REMADE: Final = frozenset({"storage", "persist_mode"})
"""What no update can change: the broker refuses and says so, except where the stream may be made anew."""
_NEVER_TAKEN_BACK: Final = frozenset({"allow_msg_ttl", "allow_msg_schedules", "allow_rollup_hdrs"})
"""What the broker can't turn off again, or turns on by itself: more than is wanted is no difference."""
_COMPARED: Final = (
    "subjects",
    "storage",
    "persist_mode",
    "max_age",
    "max_bytes",
    "max_msg_size",
    "max_msgs_per_subject",
    "num_replicas",
    "duplicate_window",
    "discard",
    "republish",
    "subject_delete_marker_ttl",
    "allow_atomic",
    "allow_direct",
    "allow_msg_ttl",
    "allow_msg_schedules",
    "allow_rollup_hdrs",
)
_COMPARED_OF_CONSUMERS: Final = ("filter_subject", "ack_policy", "ack_wait", "max_ack_pending")


def _streams(settings: StreamSettings) -> list[StreamConfig]:
    """Return all that is wanted, each before what needs it."""
    streams = [_chat(settings), _dead_letters(settings), _schedules(settings)]
    return [*streams, *buckets.configs(settings.stream_replicas)]


def _chat(settings: StreamSettings) -> StreamConfig:
    return StreamConfig(
        name=subjects.CHAT_STREAM,
        subjects=[subjects.ALL_LOG],
        storage=StorageType.FILE,
        num_replicas=settings.stream_replicas,
        max_age=WEEK_S,
        max_bytes=settings.log_max_bytes,
        max_msg_size=MAX_MSG_BYTES,
        discard=DiscardPolicy.NEW,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_direct=True,
        metadata={LOG_ID: secrets.token_hex(8), PARTITIONS: str(settings.log_partitions)},
    )


def _dead_letters(settings: StreamSettings) -> StreamConfig:
    return StreamConfig(
        name=subjects.DLQ_STREAM,
        subjects=[subjects.ALL_DEAD_LETTERS],
        storage=StorageType.FILE,
        num_replicas=settings.stream_replicas,
        max_age=WEEK_S,
        max_bytes=settings.log_max_bytes // 4,
        discard=DiscardPolicy.OLD,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_direct=True,
    )


def _schedules(settings: StreamSettings) -> StreamConfig:
    """Describe the stream of what wakes entries of `retry`; the oldest give way when it is full.

    It is written without waiting for the disk: what a crash takes of it, delivery's sweep makes again. Waiting would
    cost the log its disk when many schedules fire at once (2.5 s instead of 0.2 s for 5,000).
    """
    return StreamConfig(
        name=subjects.RETRY_STREAM,
        subjects=[subjects.ALL_RETRIES, subjects.ALL_DUE],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        num_replicas=settings.stream_replicas,
        persist_mode=PersistMode.ASYNC if settings.stream_replicas == 1 else None,  # replicas don't have it
        max_bytes=settings.log_max_bytes // 8,
        max_msgs_per_subject=1,
        discard=DiscardPolicy.OLD,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_msg_schedules=True,
        allow_msg_ttl=True,
    )


def _due() -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=DUE_CONSUMER,
        filter_subject=subjects.ALL_DUE,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=DUE_ACK_S,
        max_ack_pending=DUE_UNACKED,
    )
