"""How the users are whom somebody here watches: one subscription for each, asked for once and then heard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from services.gateway.fanout.watcher import Shown
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.rpc import ask
from shared.contracts.errors import Refusal
from shared.contracts.ids import UserId
from shared.contracts.presence import MAX_ASKED, GetPresence, PresenceState, PresenceStates
from shared.contracts.subjects import PRESENCE, PRESENCE_RESET, presence_of
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

ASK_S: Final = 2.0
FLUSH_S: Final = 5.0
RETRY_S: Final = 1.0
LINGER_S: Final = 5.0
"""How long a user is still followed when nobody wants it any more: a page that is loaded again wants the same."""

_log = logs.get(__name__)
_decode = msgspec.json.Decoder(PresenceState).decode
_SUBJECTS: Final = presence_of(UserId(""))


class _User:
    """`shown` is None until it is known; `changes` counts what was heard."""

    __slots__ = ("changes", "is_heard", "shown", "unsubscribe")

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.changes = 0
        self.is_heard = False
        self.unsubscribe: Callable[[], Awaitable[None]] | None = None


class Followed:
    """As many users as are watched; `on_change` is called whenever it is known anew how one is."""

    def __init__(self, connection: Connection, metrics: Metrics, on_change: Callable[[UserId], None]) -> None:
        self._connection = connection
        self._on_change = on_change
        self._users: dict[UserId, _User] = {}
        self._unknown: dict[UserId, None] = {}
        self._left: dict[UserId, float] = {}
        self._work = asyncio.Event()
        metrics.gauge("presence_followed", "Users whose presence is listened to.").set_function(
            lambda: len(self._users)
        )
        metrics.gauge("presence_unknown", "Users of whom presence is about to be asked.").set_function(
            lambda: len(self._unknown)
        )
        self._failed = metrics.counter("presence_unasked", "Times presence, or the broker, could not be asked.")

    def follow(self, user_id: UserId) -> None:
        """Listen to a user, and find out how it is."""
        self._left.pop(user_id, None)
        if user_id not in self._users:
            self._users[user_id] = _User()
            self._unknown[user_id] = None
            self._work.set()

    def unfollow(self, user_id: UserId) -> None:
        """Listen no more, after a while."""
        self._left[user_id] = monotonic() + LINGER_S

    def shown(self, user_id: UserId) -> Shown | None:
        """Tell how a followed user is, as far as it is known."""
        return self._users[user_id].shown

    def ask_all(self) -> None:
        """Find out anew how everybody is: something may have been missed."""
        self._unknown |= dict.fromkeys(self._users)
        self._work.set()

    def tick(self, now_s: float) -> None:
        """Notice, now and then, whom nobody has wanted for a while."""
        if self._left and next(iter(self._left.values())) <= now_s:
            self._work.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Find out what is asked until the block ends.

        Raises:
            One of BROKER_ERRORS.
        """
        self._connection.on_reconnect.append(self.ask_all)
        self._connection.on_dropped.append(self._on_dropped)
        await self._connection.subscribe(PRESENCE_RESET, self._on_reset)
        try:
            async with beside(self._find_out()):
                yield
        finally:
            self._connection.on_reconnect.remove(self.ask_all)
            self._connection.on_dropped.remove(self._on_dropped)

    async def _find_out(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            is_done = False
            try:
                await self._leave(monotonic())
                is_done = await self._round()
            except Exception:  # noqa: BLE001 - top of a task: it is tried again
                _log.exception("presence_not_found_out")
                self._unknown |= {user_id: None for user_id, user in self._users.items() if user.shown is None}
            if not is_done:
                self._failed.inc()
                await asyncio.sleep(RETRY_S)
                self._work.set()

    async def _round(self) -> bool:
        """Ask for everybody who is unknown; False: some are left for the next time."""
        if not await self._hear():
            return False
        asked = [user_id for user_id in self._unknown if self._users[user_id].is_heard]
        for start in range(0, len(asked), MAX_ASKED):
            if not await self._ask(asked[start : start + MAX_ASKED]):
                return False
        return True

    async def _hear(self) -> bool:
        """Subscribe to whom is asked for: what changes after the question is not missed then."""
        unheard = [user_id for user_id in self._unknown if not self._users[user_id].is_heard]
        if not unheard:
            return True
        try:
            for user_id in unheard:
                user = self._users[user_id]
                if user.unsubscribe is None:
                    subscription = await self._connection.subscribe(
                        presence_of(user_id), self._on_state, only_newer=True
                    )
                    user.unsubscribe = subscription.unsubscribe
            is_heard = await self._connection.flushed(FLUSH_S)
        except BROKER_ERRORS:
            return False
        for user_id in unheard:
            self._users[user_id].is_heard = is_heard
        return is_heard

    async def _ask(self, user_ids: list[UserId]) -> bool:
        """Ask how users are; what was heard of one meanwhile is newer than the answer."""
        changes = {user_id: self._users[user_id].changes for user_id in user_ids}
        for user_id in user_ids:
            self._unknown.pop(user_id, None)
        try:
            states = await ask(self._connection, PRESENCE, GetPresence(user_ids), PresenceStates, timeout_s=ASK_S)
        except Refusal:
            self._unknown |= dict.fromkeys(user_ids)
            return False
        for state in states.states:
            user = self._users.get(state.user_id)
            if user is not None and user.changes == changes.get(state.user_id):
                self._learn(user, state)
        return True

    async def _leave(self, now_s: float) -> None:
        for user_id in [user_id for user_id, until_s in self._left.items() if until_s <= now_s]:
            del self._left[user_id]
            self._unknown.pop(user_id, None)
            unsubscribe = self._users.pop(user_id).unsubscribe
            if unsubscribe is not None:
                with suppress(*BROKER_ERRORS):
                    await unsubscribe()

    def _learn(self, user: _User, state: PresenceState) -> None:
        user.shown = Shown(state.status, state.last_seen_ms)
        self._on_change(state.user_id)

    def _on_state(self, payload: bytes) -> None:
        try:
            state = _decode(payload)
        except msgspec.DecodeError as error:
            _log.warning("presence_unreadable", error=str(error))
            return
        user = self._users.get(state.user_id)
        if user is not None:
            user.changes += 1
            self._learn(user, state)

    def _on_reset(self, _payload: bytes) -> None:
        self.ask_all()

    def _on_dropped(self, subject: str) -> None:
        if subject == PRESENCE_RESET:
            self.ask_all()
        elif subject.startswith(_SUBJECTS):
            user_id = UserId(subject.removeprefix(_SUBJECTS))
            if user_id in self._users:
                self._unknown[user_id] = None
                self._work.set()
