"""The keeper: trims what is applied and announced, so that the log never fills and refuses new messages."""

import asyncio
import time
from typing import Final, Protocol

import structlog

from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import LogState, StreamUsage, log_state, stream_usage, trim_log
from shared.contracts import subjects

TRIM_ABOVE: Final = 0.6
TRIM_TO: Final = 0.4
EVERY_S: Final = 1.0
OTHERS_EVERY_S: Final = 10.0
OTHERS: Final = (subjects.DLQ_STREAM, subjects.RETRY_STREAM)
"""Streams that nobody trims; how full they are is told with the metrics."""

log = structlog.get_logger("keeper")


class Progress(Protocol):
    """What the keeper needs to know of the worker."""

    @property
    def announced_seq(self) -> int:
        """The stored sequence up to which everything is applied and announced, in every partition."""


class Keeper:
    """Looks at the log once a second, and at the other streams now and then; `run` it."""

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self.state: LogState | None = None
        self.trimmed_up_to = 0
        self.others: dict[str, StreamUsage] = {}
        self._others_at_s = 0.0
        self._connection = connection
        self._progress = progress

    async def run(self) -> None:
        """Keep until cancelled."""
        while True:
            try:
                self.state = await log_state(self._connection)
                await self._trim(self.state)
                await self._look_at_others()
            except (*BROKER_ERRORS, ValueError) as error:
                log.debug("keeper_waits", error=repr(error))
            await asyncio.sleep(EVERY_S)

    async def _look_at_others(self) -> None:
        if time.monotonic() < self._others_at_s:
            return
        self._others_at_s = time.monotonic() + OTHERS_EVERY_S
        for stream in OTHERS:
            try:
                self.others[stream] = await stream_usage(self._connection, stream)
            except BROKER_ERRORS as error:
                self.others.pop(stream, None)
                log.debug("stream_not_seen", stream=stream, error=repr(error))

    async def _trim(self, state: LogState) -> None:
        keep_from = keep_from_seq(state, self._progress.announced_seq)
        if keep_from > state.first_seq:
            await trim_log(self._connection, keep_from)
            self.trimmed_up_to = keep_from - 1
            log.info("log_trimmed", up_to=keep_from - 1, bytes=state.bytes, max_bytes=state.max_bytes)


def keep_from_seq(state: LogState, announced_seq: int) -> int:
    """Tell from which sequence on the log is kept: all of it while it is under 60 % of its limit.

    Over that, it is brought back to about 40 %, but never past what is announced. Sequences are taken to be of
    the same size; the next look corrects it.
    """
    if state.max_bytes <= 0 or state.messages == 0 or state.bytes <= TRIM_ABOVE * state.max_bytes:
        return state.first_seq
    superfluous = (state.bytes - TRIM_TO * state.max_bytes) / state.bytes
    span = state.last_seq + 1 - state.first_seq
    return min(state.first_seq + int(superfluous * span) + 1, announced_seq + 1)
