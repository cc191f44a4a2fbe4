"""What the gateway knows and tells of who is there, as one part for sockets and HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.gateway.fanout import attendance, ears, hellos, pollers, watching
from services.gateway.fanout.acquaintances import Acquaintances
from services.gateway.fanout.attendance import Attendance
from services.gateway.fanout.ears import Ears
from services.gateway.fanout.hellos import Hellos
from services.gateway.fanout.pollers import Pollers
from services.gateway.fanout.watcher import OFFLINE, Shown
from services.gateway.fanout.watching import FindUsers, Watching
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts.ids import GatewayId, UserId, Username
from shared.contracts.presence import ChosenStatus, GetPresence, PresenceSet, PresenceStates, SetPresence
from shared.contracts.subjects import PRESENCE, SET_PRESENCE
from shared.runtime.metrics import Metrics

ASK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Presence:
    """Made by `running`."""

    attendance: Attendance
    pollers: Pollers
    watching: Watching
    ears: Ears
    hellos: Hellos
    acquaintances: Acquaintances
    connection: Connection
    find_users: FindUsers

    async def shown(self, asker: UserId, username: Username) -> Shown:
        """Tell how somebody is, as far as the asker may know: strangers and nobody are offline alike.

        Raises:
            Refusal: `unavailable`.
        """
        user = (await self.find_users([username])).get(username)
        if user is None or user.id not in await self.acquaintances.among(asker, [user.id]):
            return OFFLINE
        states = await ask(self.connection, PRESENCE, GetPresence([user.id]), PresenceStates, ASK_S)
        for state in states.states:
            return Shown(state.status, state.last_seen_ms)
        return OFFLINE

    async def choose(self, user_id: UserId, status: ChosenStatus) -> ChosenStatus:
        """Choose a status, for all devices and until another is chosen; returns what is chosen now.

        Raises:
            Refusal: `unavailable`.
        """
        return (await ask(self.connection, SET_PRESENCE, SetPresence(user_id, status), PresenceSet, ASK_S)).chosen

    async def chosen(self, user_id: UserId) -> ChosenStatus:
        """Tell which status a user has chosen.

        Raises:
            Refusal: `unavailable`.
        """
        return (await ask(self.connection, SET_PRESENCE, SetPresence(user_id), PresenceSet, ASK_S)).chosen


@asynccontextmanager
async def running(
    connection: Connection, find_users: FindUsers, gateway_id: GatewayId, metrics: Metrics
) -> AsyncIterator[Presence]:
    """Take part in presence until the block ends."""
    acquaintances = Acquaintances(connection, metrics)
    async with (
        attendance.running(connection, gateway_id, metrics) as present,
        pollers.running(present, gateway_id, metrics) as polling,
        watching.running(connection, find_users, acquaintances, metrics) as watches,
        ears.running(watches, metrics) as listening,
        hellos.running(connection, metrics) as greetings,
    ):
        yield Presence(present, polling, watches, listening, greetings, acquaintances, connection, find_users)
