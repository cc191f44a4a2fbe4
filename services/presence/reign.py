"""One time of leading: from reading the bucket, over telling every change, until something disturbs it."""

import asyncio
import contextlib
from typing import Final, Protocol

import msgspec

from services.presence.handlers import Presence
from shared.broker import buckets
from shared.broker.buckets import BUCKET_GONE, Entry
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.lease import Lease
from shared.contracts import subjects
from shared.contracts.presence import PresenceReset
from shared.runtime import clock, logs

PATIENCE_S: Final = 5.0
TICK_S: Final = 0.1
FINISH_S: Final = 2.0
HURRY_S: Final = 0.1
EARLY_EVENTS: Final = 200_000
"""What is heard before the bucket was read; when there is more, it is read anew."""

STOPPING: Final = "stopping"

_encode = msgspec.json.Encoder().encode
_log = logs.get(__name__)


class Answering(Protocol):
    """The subscriptions to the questions of gateways."""

    async def start(self) -> None:
        """Answer from now on."""

    async def stop(self) -> None:
        """Finish what is being answered, and leave the next question to another replica."""


class Memory:
    """What one reign leaves to the next of the same replica; a replica that stood by remembers nothing.

    `bucket` is the incarnation of the bucket that was read, "" where nothing is known. `was_cut_off`: the connection
    broke since then, so that gateways may have been unable to say that they live.
    """

    def __init__(self) -> None:
        self.bucket = ""
        self.was_cut_off = False


class Reign:
    """One reign; `run` it. `disturb` ends it, with the reason that `disturbance` then is."""

    def __init__(
        self, connection: Connection, presence: Presence, answers: Answering, lease: Lease, memory: Memory
    ) -> None:
        self.disturbance = ""
        self._connection = connection
        self._presence = presence
        self._answers = answers
        self._lease = lease
        self._memory = memory
        self._early: list[Entry] | None = []  # what is heard before the bucket was read
        self._read_up_to_seq = 0

    def disturb(self, reason: str) -> None:
        """End the reign: what is known may be wrong, or is told by somebody else."""
        self.disturbance = self.disturbance or reason
        self._presence.work.set()

    async def run(self) -> None:
        """Lead until disturbed.

        Raises:
            One of BROKER_ERRORS.
        """
        events = await buckets.watch_presence(self._connection, self._on_entry)
        try:
            if not await self._connection.flushed(PATIENCE_S):
                raise TimeoutError("the broker may not know yet that events are listened to")
            await self._run()
        finally:
            self._presence.is_told = False
            await self._answers.stop()
            with contextlib.suppress(*BROKER_ERRORS):
                await events.unsubscribe()

    async def _run(self) -> None:
        presence, failure = self._presence, None
        async with asyncio.TaskGroup() as tasks:
            work = (self._keep_lease, presence.read_unread, presence.store.writes.run, presence.store.removals.run)
            running = [tasks.create_task(chore()) for chore in work]
            try:
                await self._rebuild()
                await self._lead()
            except BROKER_ERRORS as error:
                failure = error  # as itself, not in a group
            finally:
                for task in running:
                    task.cancel()
        if failure is not None:
            raise failure

    async def _rebuild(self) -> None:
        """Read the bucket, and what is kept of everybody in it."""
        connection, memory, presence = self._connection, self._memory, self._presence
        await buckets.identity_of(connection, subjects.LAST_SEEN_BUCKET)
        bucket = await buckets.identity_of(connection, subjects.PRESENCE_BUCKET)
        entries = await buckets.read_presence(connection)
        await presence.settle()  # what was heard in the last reign
        presence.begin_again(
            entries,
            holds_gateways=memory.was_cut_off or bucket != memory.bucket,
            holds_sessions=bucket != memory.bucket,
        )
        memory.bucket, memory.was_cut_off = bucket, False
        self._read_up_to_seq = max((entry.seq for entry in entries), default=0)
        early, self._early = self._early or [], None
        for entry in early:
            self._on_entry(entry)
        await presence.settle()
        while presence.people.unread and self._goes_on:
            await self._breathe()
            await presence.settle()
        _log.info("presence_read", keys=len(entries), sessions=presence.people.sessions)

    async def _lead(self) -> None:
        """Answer, and tell every change."""
        presence = self._presence
        if self._goes_on:
            presence.is_told = True
            await self._answers.start()
            reset = PresenceReset(clock.now_ms())
            await self._connection.publish(subjects.PRESENCE_RESET, _encode(reset))
        while self._goes_on:
            await presence.settle()
            await self._breathe()
        if self.disturbance == STOPPING and presence.is_leading:
            await presence.settle_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_S):
                    await presence.store.writes.emptied()

    @property
    def _goes_on(self) -> bool:
        return not self.disturbance and self._lease.is_held

    async def _breathe(self) -> None:
        """Wait until there is something to settle, for a moment at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._presence.work.wait()

    def _on_entry(self, entry: Entry) -> None:
        if self._early is not None:
            if len(self._early) < EARLY_EVENTS:
                self._early.append(entry)
            else:
                self.disturb("too much happens while the bucket is read")
        elif entry.seq > self._read_up_to_seq:  # the rest was in what was read, in its newest form
            self._presence.on_entry(entry)

    async def _keep_lease(self) -> None:
        """Refresh the lease, and look whether the bucket is still the one that was read."""
        pause_s = every_s = self._lease.life_s / 3
        while True:
            await asyncio.sleep(pause_s)
            pause_s = HURRY_S
            try:
                async with asyncio.timeout(every_s):
                    if not await self._lease.claim():
                        self.disturb("another replica leads")
                    bucket = await buckets.identity_of(self._connection, subjects.PRESENCE_BUCKET)
            except BUCKET_GONE:
                self.disturb("the broker has lost its memory")
            except BROKER_ERRORS as error:
                _log.debug("lease_not_refreshed", error=repr(error))
            else:
                pause_s = every_s
                if self._early is None and bucket != self._memory.bucket:
                    self.disturb("the broker has lost its memory")
