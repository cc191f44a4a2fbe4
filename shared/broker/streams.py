"""The provisioner: the one place that creates or updates the broker's streams and buckets (services never declare)."""

import contextlib
import secrets
from dataclasses import dataclass, field
from typing import Final

import nats.js.errors
import structlog
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
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


async def provision(connection: Connection, settings: StreamSettings) -> None:
    """Create what is missing and update what differs; what a running log says about itself is kept.

    Raises:
        One of BROKER_ERRORS.
    """
    await _let_go_of_schedules(connection, settings)
    streams = (_chat(settings), _dead_letters(settings), _schedules(settings))
    for config in (*streams, *buckets.configs(settings.stream_replicas)):
        await _ensure(connection, config)
    await connection.jetstream(5).add_consumer(subjects.RETRY_STREAM, _due())


async def provision_memory(connection: Connection, replicas: int) -> None:
    """Create what a broker forgot that came back without its memory; what is there stays as it is.

    Raises:
        One of BROKER_ERRORS.
    """
    for config in buckets.memory_configs(replicas):
        await _ensure(connection, config)


async def _let_go_of_schedules(connection: Connection, settings: StreamSettings) -> None:
    """Delete the schedules where they are to be written another way, which no update can do; they are made again."""
    jetstream = connection.jetstream(5)
    with contextlib.suppress(nats.js.errors.NotFoundError):
        present = (await jetstream.stream_info(subjects.RETRY_STREAM)).config
        if present.persist_mode != _schedules(settings).persist_mode:
            await jetstream.delete_stream(subjects.RETRY_STREAM)


async def _ensure(connection: Connection, config: StreamConfig) -> None:
    jetstream = connection.jetstream(5)
    assert config.name is not None  # noqa: S101 - every config here and in `buckets` has one
    try:
        present = (await jetstream.stream_info(config.name)).config
    except nats.js.errors.NotFoundError:
        await jetstream.add_stream(config)
        log.info("stream_created", stream=config.name)
    else:
        wanted = config.evolve(metadata=present.metadata)
        if any(getattr(wanted, name) != getattr(present, name) for name in _UPDATED):
            await jetstream.update_stream(wanted)
            log.info("stream_updated", stream=config.name)


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


async def trim_log(connection: Connection, keep_from_seq: int) -> None:
    """Drop everything before a sequence from the log.

    Raises:
        One of BROKER_ERRORS.
    """
    await connection.jetstream(5).purge_stream(subjects.CHAT_STREAM, seq=keep_from_seq)


_UPDATED: Final = (
    "subjects",
    "max_age",
    "max_bytes",
    "max_msg_size",
    "num_replicas",
    "duplicate_window",
    "discard",
    "allow_atomic",
)


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
