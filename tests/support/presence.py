"""Presence under test: the service in this process on a real broker, and a stand-in for what uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from faststream.asgi import AsgiFastStream

from services.presence.app import build
from services.presence.settings import Settings
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.broker.streams import StreamSettings, provision
from shared.contracts import subjects
from shared.contracts.ids import UserId
from shared.contracts.presence import (
    ChosenStatus,
    GetPresence,
    PresenceReset,
    PresenceSet,
    PresenceState,
    PresenceStates,
    SetPresence,
)
from tests.support.history import Asker, _lifespan


class Presence(Asker):
    """A replica of the service, and a watcher of everybody: what it said of users, and when it began anew."""

    def __init__(self, app: AsgiFastStream, connection: Connection) -> None:
        """Begin with nothing heard; `listen` to hear."""
        super().__init__(app, connection)
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


async def fresh_buckets(nats_url: str) -> None:
    """Make the streams and the buckets where they are missing."""
    connection = Connection(nats_url, "test-provisioner")
    await connection.open()
    await provision(connection, StreamSettings(log_max_bytes=64 * 1024 * 1024))
    await connection.close()


@asynccontextmanager
async def started_presence(nats_url: str) -> AsyncIterator[Presence]:
    """Run a replica in this loop, ready or not, leading or not."""
    app = build(Settings(nats_url=nats_url))
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
async def running_presence(nats_url: str) -> AsyncIterator[Presence]:
    """Make the buckets, and run the service in this loop until it is ready to answer."""
    await fresh_buckets(nats_url)
    async with started_presence(nats_url) as presence:
        await presence.until_ready()
        yield presence
