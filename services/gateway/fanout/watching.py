"""Who watches whom, and may: every change of a user is told to those who watch it, once to each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final

import msgspec

from services.gateway.domain import User
from services.gateway.fanout.acquaintances import Acquaintances
from services.gateway.fanout.followed import Followed
from services.gateway.fanout.watcher import OFFLINE, Shown, Tell, Watch, Watcher
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import ConversationChanged
from shared.contracts.ids import UserId, Username
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

MAX_PER_WATCHER: Final = 1_000
MAX_WATCHES: Final = 500_000
"""Of all watchers of this gateway."""
ROUND: Final = 500
"""How many watches are judged together."""
QUESTIONS_AT_ONCE: Final = 8
PATIENCE_S: Final = 2.0
"""Of whom nothing is known so long is told to be offline, until it is known."""
TICK_S: Final = 0.25
RETRY_S: Final = 1.0

FindUsers = Callable[[Sequence[Username]], Awaitable[Mapping[Username, User]]]

_log = logs.get(__name__)
_decode_change = msgspec.json.Decoder(ConversationChanged).decode


class Watching:
    """All watches of this gateway; made by `running`. What can't be found out now is tried again every second."""

    def __init__(
        self, connection: Connection, find_users: FindUsers, acquaintances: Acquaintances, metrics: Metrics
    ) -> None:
        self._connection = connection
        self._find_users = find_users
        self._acquaintances = acquaintances
        self._followed = Followed(connection, metrics, self._on_change)
        self._watchers: dict[UserId, dict[Watcher, None]] = {}
        self._watches: dict[UserId, dict[Watch, None]] = {}  # those that are allowed, by who is watched
        self._count = 0
        self._asked: dict[Watch, None] = {}
        self._doubted: dict[Watch, None] = {}
        self._unanswered: dict[Watch, None] = {}  # the oldest first
        self._behind: dict[Watcher, None] = {}
        self._questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._work = asyncio.Event()
        metrics.bounded(
            "presence_watches", "Watches of sockets and long polls.", limit=MAX_WATCHES, now=lambda: self._count
        )
        for name, help_, counted in (
            ("presence_judging", "Watches to be judged.", lambda: len(self._asked) + len(self._doubted)),
            ("presence_unanswered", "Watches that are not answered yet.", lambda: len(self._unanswered)),
            ("presence_behind", "Watchers that can't be told right now.", lambda: len(self._behind)),
        ):
            metrics.gauge(name, help_).set_function(counted)
        self._told = metrics.counter("presence_told", "Times a watcher was told how a user is.")
        self._refused = metrics.counter("presence_watches_refused", "Frames refused because of too many watches.")

    # --- watchers

    def open(self, user_id: UserId, tell: Tell) -> Watcher:
        """Let somebody watch, until it is closed."""
        watcher = Watcher(user_id, tell)
        self._watchers.setdefault(user_id, {})[watcher] = None
        return watcher

    def close(self, watcher: Watcher) -> None:
        """Tell it nothing more."""
        self.unwatch(watcher, list(watcher.watches))
        self._behind.pop(watcher, None)
        watchers = self._watchers.get(watcher.user_id, {})
        watchers.pop(watcher, None)
        if not watchers:
            self._watchers.pop(watcher.user_id, None)

    def watch(self, watcher: Watcher, usernames: Collection[Username]) -> None:
        """Tell a watcher how these users are, now and whenever it changes; those it watches already too.

        Raises:
            Refusal: `invalid` (it would watch more than 1,000), `unavailable` (the gateway's watches are used up).
        """
        new = [username for username in usernames if username not in watcher.watches]
        if len(watcher.watches) + len(new) > MAX_PER_WATCHER:
            self._refused.inc()
            wrong = f"at most {MAX_PER_WATCHER} users can be watched at once"
            raise Refusal(Code.INVALID, f"watch: {wrong}.", fields={"watch": wrong})
        if self._count + len(new) > MAX_WATCHES:
            self._refused.inc()
            raise Refusal(Code.UNAVAILABLE, "Too many users are watched here right now. Try again.", 1000)
        now_s = monotonic()
        self._count += len(new)
        watcher.watches |= {username: Watch(watcher, username, now_s) for username in new}
        for username in usernames:
            self._begin(watcher.watches[username], now_s)

    def unwatch(self, watcher: Watcher, usernames: Iterable[Username]) -> None:
        """Tell a watcher nothing more of these."""
        for username in usernames:
            if (watch := watcher.watches.get(username)) is not None:
                self._let_go(watch)

    def nudge(self, watcher: Watcher) -> None:
        """Tell a watcher what it could not be told before."""
        watcher.is_behind = False
        self._behind.pop(watcher, None)
        while watcher.untold and not watcher.is_behind:
            watch = next(iter(watcher.untold))
            del watcher.untold[watch]
            self._settle(watch)

    # --- what is told

    def _begin(self, watch: Watch, now_s: float) -> None:
        """Have a watch answered, for the first time or again."""
        watch.told, watch.asked_at_s = None, now_s
        self._unanswered.pop(watch, None)
        self._unanswered[watch] = None
        if watch.is_allowed:
            self._settle(watch)
        else:
            watch.is_allowed = None
            self._asked[watch] = None
            self._work.set()

    def _settle(self, watch: Watch) -> None:
        """Tell a watcher what it does not know yet."""
        shown = self._shown(watch)
        if shown is None:
            return
        self._unanswered.pop(watch, None)
        watcher = watch.watcher
        if shown != watch.told:
            if watcher.is_behind or not watcher.tell(watch.username, shown):
                watcher.is_behind = True
                watcher.untold[watch] = None
                self._behind[watcher] = None
                return
            watch.told = shown
            self._told.inc()
        if watch.is_allowed is False:
            self._let_go(watch)

    def _shown(self, watch: Watch) -> Shown | None:
        if watch.is_allowed is False:
            return OFFLINE
        shown = self._followed.shown(watch.user_id) if watch.is_allowed else None
        if shown is None and (watch.told is not None or monotonic() - watch.asked_at_s >= PATIENCE_S):
            return OFFLINE
        return shown

    def _on_change(self, user_id: UserId) -> None:
        for watch in list(self._watches.get(user_id, ())):
            self._settle(watch)

    # --- what is judged

    def _allow(self, watch: Watch) -> None:
        watch.is_allowed = True
        watches = self._watches.setdefault(watch.user_id, {})
        if not watches:
            self._followed.follow(watch.user_id)
        watches[watch] = None
        self._settle(watch)

    def _refuse(self, watch: Watch) -> None:
        self._detach(watch)
        watch.is_allowed = False
        self._settle(watch)

    def _let_go(self, watch: Watch) -> None:
        self._detach(watch)
        for waiting in (self._asked, self._doubted, self._unanswered, watch.watcher.untold):
            waiting.pop(watch, None)
        if not watch.is_over:
            del watch.watcher.watches[watch.username]
            self._count -= 1

    def _detach(self, watch: Watch) -> None:
        watches = self._watches.get(watch.user_id, {})
        if watch in watches:
            del watches[watch]
            if not watches:
                del self._watches[watch.user_id]
                self._followed.unfollow(watch.user_id)

    async def _judge_all(self) -> None:
        """Judge what is asked and doubted, until cancelled; what comes during a round goes into the next one."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._asked or self._doubted:
                watches = [*islice(self._asked, ROUND)]
                watches += islice(self._doubted, ROUND - len(watches))
                for watch in watches:
                    self._asked.pop(watch, None)
                    self._doubted.pop(watch, None)
                is_judged = False
                try:
                    is_judged = await self._judge(watches)
                except Exception:  # noqa: BLE001 - top of a task: they are judged again
                    _log.exception("watches_not_judged", watches=len(watches))
                    self._again(watches)
                if not is_judged:
                    await asyncio.sleep(RETRY_S)

    async def _judge(self, watches: list[Watch]) -> bool:
        """Allow or refuse watches; False: not all of them could be judged."""
        nameless = {watch.username for watch in watches if not watch.user_id}
        try:
            users = await self._find_users(list(nameless)) if nameless else {}
        except Refusal:
            self._again(watches)
            return False
        by_user: dict[UserId, list[Watch]] = {}
        for watch in watches:
            if watch.username in users:
                watch.user_id = users[watch.username].id
            if watch.user_id:
                by_user.setdefault(watch.watcher.user_id, []).append(watch)
            elif not watch.is_over:
                self._refuse(watch)
        async with asyncio.TaskGroup() as tasks:
            judging = [tasks.create_task(self._judge_of(user_id, mine)) for user_id, mine in by_user.items()]
        return all(task.result() for task in judging)

    async def _judge_of(self, user_id: UserId, watches: list[Watch]) -> bool:
        """Judge one user's watches."""
        async with self._questions:
            try:
                allowed = await self._acquaintances.among(user_id, {watch.user_id for watch in watches})
            except Refusal:
                self._again(watches)
                return False
        for watch in watches:
            if not watch.is_over:
                (self._allow if watch.user_id in allowed else self._refuse)(watch)
        return True

    def _again(self, watches: Iterable[Watch]) -> None:
        for watch in watches:
            if not watch.is_over:
                (self._doubted if watch.is_allowed else self._asked)[watch] = None

    # --- what changes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Judge and tell until the block ends.

        Raises:
            One of BROKER_ERRORS.
        """
        self._connection.on_reconnect.append(self._doubt_all)
        self._connection.on_dropped.append(self._on_dropped)
        await self._connection.subscribe(subjects.CONVERSATION_CHANGED, self._on_conversation_changed)
        try:
            async with self._followed.running(), beside(self._judge_all(), self._tend()):
                yield
        finally:
            self._connection.on_reconnect.remove(self._doubt_all)
            self._connection.on_dropped.remove(self._on_dropped)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                now_s = monotonic()
                while self._unanswered and now_s - (oldest := next(iter(self._unanswered))).asked_at_s >= PATIENCE_S:
                    self._settle(oldest)
                for watcher in list(self._behind):
                    self.nudge(watcher)
                self._followed.tick(now_s)
            except Exception:  # noqa: BLE001 - top of a task: the next tick goes on
                _log.exception("watches_not_tended")

    def _doubt_all(self) -> None:
        """Judge everything anew: what changed may not have been heard."""
        self._acquaintances.forget_all()
        for watchers in self._watchers.values():
            for watcher in watchers:
                self._again(watcher.watches.values())
        self._work.set()

    def _on_conversation_changed(self, payload: bytes) -> None:
        try:
            user_ids = frozenset(_decode_change(payload).user_ids)
        except msgspec.DecodeError as error:
            _log.warning("control_message_unreadable", subject=subjects.CONVERSATION_CHANGED, error=str(error))
            return
        self._acquaintances.forget(user_ids)
        for user_id in user_ids:
            for watcher in self._watchers.get(user_id, ()):
                self._again(watch for watch in watcher.watches.values() if watch.user_id in user_ids)
        self._work.set()

    def _on_dropped(self, subject: str) -> None:
        if subject == subjects.CONVERSATION_CHANGED:
            self._doubt_all()


@asynccontextmanager
async def running(
    connection: Connection, find_users: FindUsers, acquaintances: Acquaintances, metrics: Metrics
) -> AsyncIterator[Watching]:
    """Make the watches and look after them until the block ends."""
    watching = Watching(connection, find_users, acquaintances, metrics)
    async with watching.running():
        yield watching
