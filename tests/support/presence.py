"""Presence under test: the service in this process on a real broker, and a stand-in for what uses it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import msgspec
from faststream.asgi import AsgiFastStream

from services.presence.app import build
from services.presence.settings import Settings, Timing
from shared.broker import buckets
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.rpc import ask
from shared.broker.streams import StreamSettings, provision
from shared.contracts import subjects
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.contracts.presence import (
    ChosenStatus,
    GetPresence,
    PresenceReset,
    PresenceSet,
    PresenceState,
    PresenceStates,
    SessionRecord,
    SetPresence,
)
from tests.support.children import spawn, stop
from tests.support.history import Asker, _lifespan
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


class Watcher:
    """Somebody who watches everybody: what was said of users, and when it was begun anew."""

    def __init__(self, connection: Connection) -> None:
        """Begin with nothing heard; `listen` to hear."""
        self.connection = connection
        self.said: list[PresenceState] = []
        self.resets: list[PresenceReset] = []

    async def listen(self) -> None:
        """Hear all changes, and all new beginnings, from now on."""
        change, reset = msgspec.json.Decoder(PresenceState), msgspec.json.Decoder(PresenceReset)
        await self.connection.subscribe(
            subjects.presence_of(UserId("*")), lambda payload: self.said.append(change.decode(payload))
        )
        await self.connection.subscribe(
            subjects.PRESENCE_RESET, lambda payload: self.resets.append(reset.decode(payload))
        )
        await self.connection.flushed(5)

    async def states(self, *users: UserId) -> list[PresenceState]:
        """Ask how users are."""
        return (await ask(self.connection, subjects.PRESENCE, GetPresence(list(users)), PresenceStates)).states

    async def choose(
        self, user: UserId, status: ChosenStatus | None = None, *, shows_last_seen: bool | None = None
    ) -> PresenceSet:
        """Choose for a user."""
        question = SetPresence(user, status, shows_last_seen)
        return await ask(self.connection, subjects.SET_PRESENCE, question, PresenceSet)

    def said_of(self, user: UserId) -> list[str]:
        """List what was said of a user's status, in order."""
        return [state.status for state in self.said if state.user_id == user]


class Presence(Watcher, Asker):
    """A replica of the service, with somebody who watches everybody."""

    def __init__(self, app: AsgiFastStream, connection: Connection) -> None:
        """Begin with nothing heard; `listen` to hear."""
        Asker.__init__(self, app, connection)
        Watcher.__init__(self, connection)


class StandIn:
    """A gateway as presence knows one: it keeps its sessions, and puts them again when it must."""

    def __init__(self, connection: Connection, name: str = "g-one") -> None:
        """Begin without sessions; `live` once before the first."""
        self.id = GatewayId(name)
        self.sessions: dict[tuple[UserId, SessionId], bool] = {}
        self._connection = connection

    async def live(self, life_s: int = 60) -> bool:
        """Say that it lives; True: it was known to."""
        return await buckets.refresh_gateway(self._connection, self.id, life_s)

    async def live_again(self, life_s: int = 60) -> None:
        """Say so until the broker has heard it, and put the sessions again where they were forgotten."""
        while True:
            with suppress(*BROKER_ERRORS):
                if not await self.live(life_s):
                    for user, session in list(self.sessions):
                        await self.put(user, str(session), shows_last_seen=self.sessions[user, session])
                return
            await asyncio.sleep(0.05)

    async def put(self, user: UserId, session: str = "phone", *, shows_last_seen: bool = True) -> None:
        """Begin a session."""
        self.sessions[user, SessionId(session)] = shows_last_seen
        await buckets.put_session(self._connection, user, SessionId(session), SessionRecord(self.id, shows_last_seen))

    async def drop(self, user: UserId, session: str = "phone") -> None:
        """End a session."""
        self.sessions.pop((user, SessionId(session)), None)
        await buckets.drop_session(self._connection, user, SessionId(session))


async def fresh_buckets(nats_url: str) -> None:
    """Make the streams and the buckets where they are missing."""
    connection = Connection(nats_url, "test-provisioner")
    await connection.open()
    await provision(connection, StreamSettings(log_max_bytes=64 * 1024 * 1024))
    await connection.close()


@asynccontextmanager
async def watching(nats_url: str) -> AsyncIterator[Watcher]:
    """Watch everybody, whoever tells of them."""
    connection = Connection(nats_url, "test-watcher")
    await connection.open()
    try:
        watcher = Watcher(connection)
        await watcher.listen()
        yield watcher
    finally:
        await connection.close()


@asynccontextmanager
async def started_presence(nats_url: str, timing: Timing | None = None) -> AsyncIterator[Presence]:
    """Run a replica in this loop, ready or not, leading or not."""
    app = build(Settings(nats_url=nats_url), timing)
    connection = Connection(nats_url, "test-watcher")
    async with _lifespan(app):
        await connection.open()
        try:
            presence = Presence(app, connection)
            await presence.listen()
            yield presence
        finally:
            await connection.close()


@asynccontextmanager
async def running_presence(nats_url: str, timing: Timing | None = None) -> AsyncIterator[Presence]:
    """Make the buckets, and run the service in this loop until it is ready to answer."""
    await fresh_buckets(nats_url)
    async with started_presence(nats_url, timing) as presence:
        await presence.until_ready()
        yield presence


@contextmanager
def presence_process(nats_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a replica as a process, to be killed or frozen."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    environ |= {"PARLEY_NATS_URL": nats_url, "PARLEY_HTTP_PORT": str(free_port())}
    child = spawn([sys.executable, "-m", "services.presence.app"], log=log, env=environ, cwd=ROOT)
    try:
        yield child
    finally:
        stop(child, how=SIGKILL)
