"""Leads or stands by: one replica at a time knows who is there, and begins anew after every disturbance."""

import asyncio
import contextlib
from typing import Final, Literal

from services.presence.handlers import Presence
from services.presence.reign import STOPPING, Answering, Memory, Reign
from shared.broker.buckets import BUCKET_GONE
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.lease import Lease
from shared.broker.streams import provision_memory
from shared.contracts import subjects
from shared.runtime import clock, logs

LEASE: Final = "presence"
ASK_EVERY_S: Final = 0.5
"""How often a replica that stands by asks for the lease."""
STOP_S: Final = 3.0

Phase = Literal["waits", "stands by", "rebuilds", "leads"]

_log = logs.get(__name__)


class Leader:
    """One replica; `run` it, and `stop` it while its connection still is there.

    `replicas`: on how many nodes of the broker what it lost is made again.
    """

    def __init__(
        self, connection: Connection, presence: Presence, answers: Answering, lease: Lease, *, replicas: int
    ) -> None:
        self.reigns = 0
        self.problem = "not started yet"
        """What is waited for, "" while nothing is."""
        self._connection = connection
        self._presence = presence
        self._answers = answers
        self._lease = lease
        self._replicas = replicas
        self._memory = Memory()
        self._reign: Reign | None = None
        self._stands_back_until_s = 0.0
        self._is_stopping = False
        self._again = asyncio.Event()
        self._has_ended = asyncio.Event()
        connection.on_disconnect.append(self._on_disconnect)
        connection.on_reconnect.append(self._on_reconnect)
        connection.on_dropped.append(self._on_dropped)

    @property
    def phase(self) -> Phase:
        """What this replica is doing."""
        if self._reign is not None:
            return "leads" if self._presence.is_leading else "rebuilds"
        return "waits" if self.problem else "stands by"

    async def run(self) -> None:
        """Lead or stand by until stopped or cancelled."""
        try:
            while not self._is_stopping:
                self._again.clear()
                await self._turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ASK_EVERY_S):
                        await self._again.wait()
        finally:
            self._has_ended.set()

    def hurry(self) -> None:
        """Try now what is tried every half second else."""
        self._again.set()

    async def stop(self) -> None:
        """Leave in good order: settle whoever left, keep it, and let another replica lead at once."""
        self._is_stopping = True
        self._disturb(STOPPING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._has_ended.wait()

    async def _turn(self) -> None:
        if not self._connection.is_connected:
            self.problem = "not connected to the broker"
            return
        try:
            if await self._claim():
                await self._lead()
            else:
                self.problem = ""
        except BROKER_ERRORS as error:
            problem = f"waiting: {error!r}"
            (_log.warning if problem != self.problem else _log.debug)("presence_waits", error=repr(error))
            self.problem = problem
        except Exception as error:  # noqa: BLE001 - the top of the task; its decision is to try again
            self.problem = f"failing: {error!r}"
            _log.exception("reign_failed")

    async def _claim(self) -> bool:
        """Take or keep the lease, on a broker that has just lost its memory too; tells whether this replica leads."""
        if clock.monotonic() < self._stands_back_until_s:
            return False
        try:
            is_leader = await self._lease.claim()
        except BUCKET_GONE:
            await self._provision()
            is_leader = await self._lease.claim()
        if not is_leader and self._memory.bucket:
            _log.warning("presence_deposed", by=self._lease.other)
            self._memory = Memory()
            self._presence.forget()
        return is_leader

    async def _lead(self) -> None:
        reign = self._reign = Reign(self._connection, self._presence, self._answers, self._lease, self._memory)
        self.reigns += 1
        try:
            await reign.run()
        except BUCKET_GONE:
            await self._provision()
            raise
        finally:
            self._reign = None
            self.problem = f"its reign ended: {reign.disturbance or 'the lease ran out, or the broker does not answer'}"
            _log.info("presence_reign_ended", reason=self.problem)
            if self._is_stopping:
                with contextlib.suppress(*BROKER_ERRORS):
                    await self._lease.release()

    async def _provision(self) -> None:
        _log.warning("broker_lost_its_memory")
        await provision_memory(self._connection, self._replicas)

    # --- hooks of the connection, and whoever stops it

    def _on_disconnect(self) -> None:
        self._memory.was_cut_off = True
        self._disturb("disconnected")

    def _on_reconnect(self) -> None:
        self._lease.doubt()
        if not self._memory.bucket:  # whoever led remembers who was there, and comes first
            self._stands_back_until_s = clock.monotonic() + self._lease.life_s
        self._disturb("reconnected")

    def _on_dropped(self, subject: str) -> None:
        if subject.startswith(subjects.PRESENCE_EVENTS):
            self._disturb("events were dropped")

    def _disturb(self, reason: str) -> None:
        if self._reign is not None:
            self._reign.disturb(reason)
        self.hurry()
