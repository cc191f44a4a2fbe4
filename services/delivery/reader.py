"""The worker: session after session over the log, each from the stored position until something disturbs it."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from services.delivery.domain.values import Outcome
from services.delivery.store import STORE_ERRORS, Advance, Overtaken, Place, Store
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.log import Bundle, LogGap, LogReplaced, OrderedReader
from shared.broker.streams import LogState, log_state
from shared.contracts.ids import LogId
from shared.runtime.logs import brief

BATCH_BYTES: Final = 1024 * 1024
"""How much of the log goes into one transaction; some 4,000 short messages."""
IDLE_S: Final = 1.0

log = structlog.get_logger("worker")


class Reading(Protocol):
    """What a session needs of the ordered reader."""

    @property
    def arrived(self) -> asyncio.Event:
        """Set when there is something to take, or a failure to raise."""

    @property
    def has_more(self) -> bool:
        """Whether something can be taken at once."""

    async def take(self, max_bytes: int) -> list[Bundle]:
        """Return what is queued, in order."""


class Handling(Protocol):
    """What is done with a batch."""

    async def apply(self, bundles: Sequence[Bundle], applied: dict[int, int], advance: Advance) -> list[Outcome]:
        """Apply and store it; returns what came of it."""


class Announcing(Protocol):
    """What tells of it, and knows whether that was heard."""

    async def announce(self, outcomes: Sequence[Outcome]) -> None:
        """Answer and announce."""

    async def confirm(self) -> bool:
        """Tell whether the broker has all that was announced."""


class Reporting(Protocol):
    """Where a session says how far it is."""

    problem: str
    positions: dict[int, Place]


class Worker:
    """Reads every partition, in order; `run` it. `problem` says why it cannot go on, "" while it can."""

    def __init__(self, connection: Connection, store: Store, handler: Handling, announcer: Announcing) -> None:
        self.problem = "not started yet"
        self.overtaken = 0
        self.positions: dict[int, Place] = {}
        self._connection = connection
        self._store = store
        self._handler = handler
        self._announcer = announcer
        self._reader: OrderedReader | None = None

    @property
    def silent_s(self) -> float:
        """Seconds since the log was last heard of; infinite while no session runs."""
        return time.monotonic() - self._reader.last_read_at if self._reader is not None else float("inf")

    @property
    def read_ahead(self) -> int:
        """How many bundles are read and not taken yet."""
        return self._reader.waiting if self._reader is not None else 0

    @property
    def announced_seq(self) -> int:
        """The sequence up to which everything is applied and announced, in every partition."""
        return min((place.announced_seq for place in self.positions.values()), default=0)

    async def run(self) -> None:
        """Work until cancelled."""
        pause = 0.1
        await self._connection.opened()
        while True:
            started = time.monotonic()
            try:
                await self._session()
            except Overtaken:
                self.overtaken += 1
                await asyncio.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - not a secret
                continue
            except LogReplaced as replaced:
                log.warning("log_replaced", reason=str(replaced))
                continue
            except LogGap as gap:
                self.problem = str(gap)
                log.error("log_gap", reason=str(gap))  # noqa: TRY400 - its text is all there is to say
                pause = 2.0
            except (*BROKER_ERRORS, *STORE_ERRORS) as error:
                self._wait_for(error)
            except Exception as error:
                self.problem = f"failing: {error!r}"
                log.exception("session_failed")
            finally:
                self._reader = None
            pause = 0.1 if time.monotonic() - started > 5 else min(0.5, pause * 2)  # noqa: PLR2004 - seconds
            await asyncio.sleep(pause)

    def _wait_for(self, error: BaseException) -> None:
        """Note what is waited for; say it once, however long it takes."""
        problem = f"waiting: {brief(error)}"
        (log.warning if problem != self.problem else log.debug)("session_ended", error=problem)
        self.problem = problem

    async def _session(self) -> None:
        """Read from what is known to be announced: what is stored but maybe not announced is announced again."""
        self._store.forget()
        state = await log_state(self._connection)
        self.positions = places = await self._places(state)
        next_seq = min(place.announced_seq for place in places.values()) + 1
        async with OrderedReader(self._connection, places, state.log_id, next_seq) as reader:
            self._reader = reader
            await Session(self, reader, state.log_id, self._handler, self._announcer).run()

    async def _places(self, state: LogState) -> dict[int, Place]:
        """Return the positions, counted in the present log."""
        places = await self._store.places()
        logs = {place.log_id for place in places.values()}
        if logs == {state.log_id}:
            return places
        if not places:
            # Nothing was ever applied: all there ever was must still be there, or the reader says that it is not.
            await self._store.begin_log(state.log_id, state.partitions, after_seq=0, replaces=None)
        for old in logs - {state.log_id}:
            await self._store.begin_log(
                state.log_id, state.partitions, after_seq=state.first_seq - 1, replaces=LogId(old)
            )
            log.warning("log_begun_anew", old=old, new=state.log_id, after_seq=state.first_seq - 1)
        places = await self._store.places()
        if {place.log_id for place in places.values()} != {state.log_id}:
            raise Overtaken
        return places


class Session:
    """One run over an undisturbed log: takes what is queued, has it applied, and keeps count.

    What a batch brought about is told while the next one is being committed; each needs the processor when the
    other waits.
    """

    def __init__(
        self,
        worker: Reporting,
        reader: Reading,
        log_id: LogId,
        handler: Handling,
        announcer: Announcing,
    ) -> None:
        self._worker = worker
        self._reader = reader
        self._log_id = log_id
        self._handler = handler
        self._announcer = announcer
        self._applied = {partition: place.stream_seq for partition, place in worker.positions.items()}
        self._announced = {partition: place.announced_seq for partition, place in worker.positions.items()}
        self._saved = dict(self._announced)
        self._skip = dict(self._announced)
        self._read_up_to = self._handled_up_to = min(self._announced.values())
        self._untold: list[Outcome] = []
        self._told = dict(self._announced)
        self._confirming: asyncio.Task[bool] | None = None
        self._confirming_up_to: dict[int, int] = {}

    async def run(self) -> None:
        """Go on until something raises."""
        try:
            while True:
                is_idle = not self._untold and not await _is_set(self._reader.arrived, IDLE_S)
                self._worker.problem = ""
                await self._step(is_idle=is_idle)
        finally:
            if self._confirming is not None:
                await asyncio.wait({self._confirming})  # bounded by itself; a flush is never cancelled

    async def _step(self, *, is_idle: bool) -> None:
        self._reader.arrived.clear()
        taken = await self._reader.take(BATCH_BYTES)
        if self._reader.has_more:
            self._reader.arrived.set()
        self._note_confirmed()
        if taken:
            self._read_up_to = max(self._read_up_to, taken[-1].seq)
        bundles = [bundle for bundle in taken if bundle.seq > self._skip[bundle.partition]]
        if bundles or (is_idle and self._saved != self._announced):
            await self._apply(bundles)
        else:
            await self._tell()
        if self._confirming is None and self._told != self._announced:
            self._confirming_up_to = dict(self._told)
            self._confirming = asyncio.ensure_future(self._announcer.confirm())

    async def _apply(self, bundles: Sequence[Bundle]) -> None:
        announced, handled_up_to = dict(self._announced), self._read_up_to
        after = {partition: max(seq, self._read_up_to) for partition, seq in self._applied.items()}
        moves = {p: (self._applied[p], after[p], announced[p]) for p in after}
        applying = asyncio.ensure_future(self._handler.apply(bundles, self._applied, Advance(self._log_id, moves)))
        try:
            await asyncio.sleep(0)  # lets the transaction begin
            await self._tell()
        finally:
            await _ended(applying)  # a transaction that has begun runs to its end, whatever else happens
        self._untold = applying.result()
        self._applied, self._saved = after, announced
        self._handled_up_to = handled_up_to
        self._worker.positions = {p: Place(self._log_id, after[p], announced[p]) for p in after}

    async def _tell(self) -> None:
        """Tell what came of all that was handled; what an earlier session applied may not have come by yet."""
        outcomes, self._untold = self._untold, []
        told = {p: max(self._announced[p], min(seq, self._handled_up_to)) for p, seq in self._applied.items()}
        await self._announcer.announce(outcomes)
        self._told = told

    def _note_confirmed(self) -> None:
        if self._confirming is None or not self._confirming.done():
            return
        confirmed, self._confirming = self._confirming.result(), None
        if not confirmed:
            raise TimeoutError("the announcements may not have reached the broker")
        self._announced = {p: max(seq, self._announced[p]) for p, seq in self._confirming_up_to.items()}


async def _is_set(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event, so long at most; tells whether it came."""
    if not event.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()
    return event.is_set()


async def _ended(task: asyncio.Task[list[Outcome]]) -> None:
    """Wait for the end of a task; a cancellation meanwhile is passed on after it."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at; what it says is moot now
        raise cancelled
