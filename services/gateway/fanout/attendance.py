"""Who is here: presence is told of every session of this gateway, behind the sockets' backs, until it knows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Final, NamedTuple

from shared.broker.buckets import drop_gateway, drop_session, put_session, refresh_gateway
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.contracts.presence import GATEWAY_REFRESH_S, SessionRecord
from shared.runtime import logs
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

AT_ONCE: Final = 64
"""How many sessions are told of at the same time."""
RETRY_S: Final = 1.0
MAX_LEFT: Final = 50_000
"""Sessions that are over and not yet taken back; where there are more, the gateway begins anew."""
LEAVE_S: Final = 4.0
LEAVE_GATEWAY_S: Final = 1.0

_log = logs.get(__name__)


class _Key(NamedTuple):
    user_id: UserId
    session_id: SessionId


class Attendance:
    """The sessions of this gateway; made by `running`.

    A session is told of once when it comes and once when it goes: at rest there is only the gateway's own key, put
    again every 10 s. Sessions stand behind that key, so that they end with a gateway that was killed; a gateway
    whose key was forgotten puts them all again.
    """

    def __init__(self, connection: Connection, gateway_id: GatewayId, metrics: Metrics) -> None:
        self._connection = connection
        self._gateway_id = gateway_id
        self._present: dict[_Key, SessionRecord] = {}
        self._told: set[_Key] = set()  # presence may know of them
        self._dirty: dict[_Key, None] = {}
        self._is_full = False
        self._work = asyncio.Event()
        self._refresh = asyncio.Event()
        self._is_known = asyncio.Event()
        metrics.gauge("sessions_present", "Sessions of sockets and long polls here.").set_function(
            lambda: len(self._present)
        )
        metrics.gauge("sessions_untold", "Sessions of which presence is still to be told.").set_function(
            lambda: len(self._dirty)
        )
        self._failed = metrics.counter("sessions_not_told", "Times presence could not be told of a session.")
        self._anew = metrics.counter(
            "attendances_begun_anew", "Times all sessions were put again, by reason.", ("reason",)
        )

    def come(self, user_id: UserId, session_id: SessionId, *, shows_last_seen: bool) -> None:
        """Let a session be there, and tell whether others may see when it was last; again, where that changed."""
        key, record = _Key(user_id, session_id), SessionRecord(self._gateway_id, shows_last_seen)
        if self._present.get(key) != record:
            self._present[key] = record
            self._touch(key)

    def go(self, user_id: UserId, session_id: SessionId) -> None:
        """Let a session be over; it need not have come."""
        key = _Key(user_id, session_id)
        if self._present.pop(key, None) is None:
            return
        if key in self._told:
            self._touch(key)
        else:
            self._dirty.pop(key, None)
        if len(self._told) - len(self._present) > MAX_LEFT and not self._is_full:
            self._is_full = True
            self._refresh.set()

    async def leave(self) -> None:
        """Take everything back, because this gateway ends; within 5 s."""
        self._present.clear()
        self._dirty = dict.fromkeys(self._told)
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while self._dirty and await self._settle():
                    pass
        with suppress(*BROKER_ERRORS):
            async with asyncio.timeout(LEAVE_GATEWAY_S):
                await drop_gateway(self._connection, self._gateway_id)
        if self._told:
            _log.info("sessions_left_behind", sessions=len(self._told))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell presence until the block ends, then take everything back."""
        self._connection.on_reconnect.append(self._on_reconnect)
        try:
            async with beside(self._keep_known(), self._keep_telling()):
                yield
        finally:
            self._connection.on_reconnect.remove(self._on_reconnect)
            await self.leave()

    async def _keep_known(self) -> None:
        """Put the gateway's own key again and again."""
        while True:
            self._refresh.clear()
            pause_s: float = GATEWAY_REFRESH_S
            try:
                if self._is_full:
                    await self._begin_anew()
                elif not await refresh_gateway(self._connection, self._gateway_id):
                    self._put_all("forgotten")
                self._is_known.set()
            except BROKER_ERRORS as error:
                _log.debug("gateway_not_refreshed", error=repr(error))
                pause_s = RETRY_S
            except Exception:  # noqa: BLE001 - top of a task: it is tried again
                _log.exception("gateway_not_refreshed")
                pause_s = RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._refresh.wait()

    async def _begin_anew(self) -> None:
        """Have all sessions of this gateway forgotten, with those that are over, and put again those that are there."""
        self._is_known.clear()
        await drop_gateway(self._connection, self._gateway_id)
        await refresh_gateway(self._connection, self._gateway_id)
        self._told.intersection_update(self._present)
        self._dirty.clear()
        self._is_full = False
        self._put_all("too_many_left")

    async def _keep_telling(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._dirty:
                await self._is_known.wait()
                is_told = False
                try:
                    is_told = await self._settle()
                except Exception:  # noqa: BLE001 - top of a task: what was not told is told later
                    _log.exception("sessions_not_told")
                if not is_told:
                    await asyncio.sleep(RETRY_S)

    async def _settle(self) -> bool:
        """Tell of some sessions as they are now; False: of some of them it failed, they stay."""
        keys = list(islice(self._dirty, AT_ONCE))
        for key in keys:
            del self._dirty[key]
        async with asyncio.TaskGroup() as tasks:
            telling = [tasks.create_task(self._tell(key)) for key in keys]
        return all(task.result() for task in telling)

    async def _tell(self, key: _Key) -> bool:
        record = self._present.get(key)
        try:
            if record is None:
                await drop_session(self._connection, *key)
                if key not in self._present:
                    self._told.discard(key)
            else:
                self._told.add(key)
                await put_session(self._connection, *key, record)
        except BROKER_ERRORS:
            self._failed.inc()
            self._touch(key)
            return False
        return True

    def _put_all(self, reason: str) -> None:
        if self._present:
            self._anew.labels(reason).inc()
            self._dirty |= dict.fromkeys(self._present)
            self._work.set()

    def _touch(self, key: _Key) -> None:
        self._dirty[key] = None
        self._work.set()

    def _on_reconnect(self) -> None:
        self._is_known.clear()
        self._put_all("reconnect")
        self._refresh.set()


@asynccontextmanager
async def running(connection: Connection, gateway_id: GatewayId, metrics: Metrics) -> AsyncIterator[Attendance]:
    """Keep presence informed until the block ends."""
    attendance = Attendance(connection, gateway_id, metrics)
    async with attendance.running():
        yield attendance
