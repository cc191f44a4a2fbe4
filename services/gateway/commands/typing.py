"""Who is typing: checked, told to the other members at once, kept nowhere but here, and over by itself."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import msgspec

from services.gateway.commands.commands import Later
from services.gateway.commands.pending import Socket
from services.gateway.commands.targets import Audience, Targets
from services.gateway.domain import Principal
from services.gateway.protocol import outbound
from services.gateway.protocol.inbound import TypingRequest, TypingState, check_typing
from services.gateway.settings import Settings
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Announcement
from shared.contracts.ids import ConversationId, SessionId, UserId, Username, shard_of
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

TTL_S: Final = 7.0
"""How long a `start` holds, as clients are told."""
SCAN_S: Final = 0.25
MAX_TYPING: Final = 20_000
MAX_PER_SOCKET: Final = 32
MAX_STARTS: Final = 50_000
MAX_UNTOLD: Final = 10_000
MAX_PUBLISH_BYTES: Final = 512 * 1024

_log = logs.get(__name__)
_encode = msgspec.msgpack.Encoder().encode


class _Typist(NamedTuple):
    """Somebody in a conversation."""

    user_id: UserId
    conversation_id: ConversationId


class _Started(NamedTuple):
    """Somebody types: who is told of it, until when, and by which socket it was said ("": by HTTP)."""

    username: Username
    others: tuple[UserId, ...]
    until_s: float
    session_id: SessionId


class Typing:
    """Made by `running`. Nothing here is certain to arrive: whoever is told forgets it after the same time.

    While nobody can be asked who is in a conversation, typing there is told to nobody. Where too many type, whoever
    began first is told to have stopped.
    """

    def __init__(
        self, connection: Connection, targets: Targets, settings: Settings, metrics: Metrics, *, ttl_s: float
    ) -> None:
        self._connection = connection
        self._targets = targets
        self._shards = settings.announce_shards
        self._most_members = settings.limit_typing_members
        self._pause_s = settings.limit_typing_s if settings.rate_limits else 0
        self._ttl_s = ttl_s
        self._typing: dict[_Typist, _Started] = {}  # the first is over first
        self._of_socket: dict[SessionId, dict[_Typist, None]] = {}
        self._starts: dict[_Typist, float] = {}  # when each was last told to start, the oldest first
        self._untold: list[Announcement] = []
        self._wakes = asyncio.Event()
        targets.on_changed.append(self._on_changed)
        metrics.bounded(
            "typing",
            "Users told to be typing, by conversation.",
            limit=MAX_TYPING,
            now=lambda: len(self._typing),
            kind="cache",
        )
        metrics.bounded(
            "typing_starts",
            "Users and conversations whose rate of typing is kept.",
            limit=MAX_STARTS,
            now=lambda: len(self._starts),
            kind="cache",
        )
        metrics.bounded(
            "typing_untold", "Typing that is about to be told.", limit=MAX_UNTOLD, now=lambda: len(self._untold)
        )
        self._told = metrics.counter("typing_told", "Typing told to the other members, by state.", ("state",))
        self._dropped = metrics.counter("typing_dropped", "Typing told to nobody, by reason.", ("reason",))

    def submit(self, who: Principal, request: TypingRequest, socket: Socket) -> Later | None:
        """Tell what a socket said; returns what is left to do where somebody must be asked first.

        Raises:
            Refusal: `invalid`, `not_found` or `not_member`; so may what is left to do.
        """
        if not self._is_shown(who, request):
            return None
        audience = self._targets.known_audience(who, request)
        if audience is None:
            return partial(self._submit_later, who, request, socket)
        self._take(who, audience, request.state, socket.session_id)
        return None

    async def tell(self, who: Principal, request: TypingRequest) -> None:
        """Tell what was said without a socket.

        Raises:
            Refusal: `invalid`, `not_found` or `not_member`.
        """
        if self._is_shown(who, request):
            audience = self._targets.known_audience(who, request) or await self._targets.find_audience(who, request)
            self._take(who, audience, request.state, SessionId(""))

    def stop(self, user_id: UserId, conversation_id: ConversationId) -> None:
        """Tell that somebody who was typing has stopped: the message is here."""
        if self._typing:
            self._stop(_Typist(user_id, conversation_id))

    def leave(self, session_id: SessionId) -> None:
        """Tell that a closed socket's user has stopped."""
        for typist in tuple(self._of_socket.get(session_id, ())):
            self._stop(typist)

    async def run(self) -> None:
        """Tell what is to be told, and what is over, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SCAN_S if self._typing or self._starts else None):
                    await self._wakes.wait()
            except TimeoutError:
                pass
            self._wakes.clear()
            try:
                self._end_overdue(monotonic())
                await self._publish()
            except Exception:  # noqa: BLE001 - top of a task: the next scan goes on
                _log.exception("typing_failed")

    # --- one request

    async def _submit_later(self, who: Principal, request: TypingRequest, socket: Socket) -> None:
        audience = await self._targets.find_audience(who, request)
        if socket.is_open:
            self._take(who, audience, request.state, socket.session_id)

    def _is_shown(self, who: Principal, request: TypingRequest) -> bool:
        refused = check_typing(request)
        if refused is not None:
            raise refused
        if not who.choices.typing:
            self._dropped.labels("not_shown").inc()
        return who.choices.typing

    def _take(self, who: Principal, audience: Audience | None, state: TypingState, session_id: SessionId) -> None:
        if audience is None:
            self._dropped.labels("members_not_known").inc()
            return
        if len(audience.others) >= self._most_members:
            detail = f"Typing is shown among at most {self._most_members} members."
            raise Refusal(Code.INVALID, detail, fields={"conversation_id": "has too many members"})
        typist = _Typist(who.user_id, audience.conversation_id)
        if audience.is_blocked:
            self._dropped.labels("blocked").inc()
        elif state == "stop":  # also where this gateway did not hear of the start
            self._forget(typist)
            self._say(typist, who.username, audience.others, "stop")
        elif self._may_start(typist, now_s := monotonic()):
            self._forget(typist)
            self._remember(typist, _Started(who.username, audience.others, now_s + self._ttl_s, session_id))
            self._say(typist, who.username, audience.others, "start")
        else:
            self._dropped.labels("rate").inc()

    def _may_start(self, typist: _Typist, now_s: float) -> bool:
        if not self._pause_s:
            return True
        if self._starts.get(typist, -self._pause_s) + self._pause_s > now_s:
            return False
        self._starts.pop(typist, None)
        self._starts[typist] = now_s
        if len(self._starts) > MAX_STARTS:
            del self._starts[next(iter(self._starts))]
        return True

    # --- who is typing

    def _remember(self, typist: _Typist, started: _Started) -> None:
        if len(self._typing) >= MAX_TYPING:
            self._stop(next(iter(self._typing)))
        self._typing[typist] = started
        if started.session_id:
            own = self._of_socket.setdefault(started.session_id, {})
            if len(own) >= MAX_PER_SOCKET:
                self._stop(next(iter(own)))
            own[typist] = None

    def _forget(self, typist: _Typist) -> _Started | None:
        started = self._typing.pop(typist, None)
        if started is not None and started.session_id:
            own = self._of_socket[started.session_id]
            del own[typist]
            if not own:
                del self._of_socket[started.session_id]
        return started

    def _stop(self, typist: _Typist) -> None:
        started = self._forget(typist)
        if started is not None:
            self._say(typist, started.username, started.others, "stop")

    def _end_overdue(self, now_s: float) -> None:
        while self._typing and next(iter(self._typing.values())).until_s <= now_s:
            self._stop(next(iter(self._typing)))
        while self._starts and next(iter(self._starts.values())) + self._pause_s <= now_s:
            del self._starts[next(iter(self._starts))]

    def _on_changed(self, conversation_id: ConversationId) -> None:
        """Tell nothing more to whoever was a member, or was not blocked, when the typing began."""
        for typist in [typist for typist in self._typing if typist.conversation_id == conversation_id]:
            self._forget(typist)

    # --- what is told

    def _say(self, typist: _Typist, username: Username, others: tuple[UserId, ...], state: TypingState) -> None:
        if len(self._untold) >= MAX_UNTOLD:
            self._dropped.labels("full").inc()
            return
        frame = outbound.typing(typist.conversation_id, username, state, int(self._ttl_s * 1000))
        self._untold.append(Announcement(others, typist.conversation_id, 0, frame))
        self._told.labels(state).inc()
        self._wakes.set()

    async def _publish(self) -> None:
        untold, self._untold = self._untold, []
        for shard, announcements in self._by_shard(untold).items():
            for part in _parts(announcements):
                try:
                    await self._connection.publish(subjects.typing(shard), part)
                except BROKER_ERRORS:
                    self._dropped.labels("broker").inc()

    def _by_shard(self, announcements: list[Announcement]) -> dict[int, list[Announcement]]:
        if not announcements or self._shards == 1:
            return {0: announcements}
        by_shard: defaultdict[int, list[Announcement]] = defaultdict(list)
        for announcement in announcements:
            users: defaultdict[int, list[UserId]] = defaultdict(list)
            for user_id in announcement.to:
                users[shard_of(user_id, self._shards)].append(user_id)
            for shard, to in users.items():
                by_shard[shard].append(announcement._replace(to=tuple(to)))
        return by_shard


@asynccontextmanager
async def running(
    connection: Connection, targets: Targets, settings: Settings, metrics: Metrics, *, ttl_s: float = TTL_S
) -> AsyncIterator[Typing]:
    """Tell who is typing until the block ends."""
    typing = Typing(connection, targets, settings, metrics, ttl_s=ttl_s)
    async with beside(typing.run()):
        yield typing


def _parts(announcements: Sequence[Announcement]) -> Iterable[bytes]:
    """Encode a list in parts that fit into a message of the broker."""
    if not announcements:
        return
    whole = _encode(announcements)
    if len(whole) <= MAX_PUBLISH_BYTES or len(announcements) == 1:
        yield whole
        return
    middle = len(announcements) // 2
    yield from _parts(announcements[:middle])
    yield from _parts(announcements[middle:])
