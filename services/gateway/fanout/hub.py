"""The hub: every socket of this gateway, and what concerns many of them at once."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final, Protocol

import msgspec

from services.gateway.domain import Choices, Principal
from services.gateway.fanout.announcements import Announcements, Listener
from services.gateway.fanout.changes import MAX_KEPT, Changes
from services.gateway.fanout.watch import Watch
from services.gateway.protocol import closing
from services.gateway.protocol.closing import Closing
from services.gateway.protocol.outbound import ResyncReason
from services.gateway.settings import Settings
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import AccountChanged, DeviceTaken
from shared.contracts.ids import GatewayId, UserId
from shared.runtime import logs
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside
from shared.runtime.telemetry import Traces

SPREAD_S: Final = 5.0
"""Over how long what concerns all sockets is spread."""
STEPS: Final = 50
MAX_WATCHES: Final = 10_000
MAX_ENDED: Final = 10_000
SIGN_INS_AT_ONCE: Final = 500
CHECK_AGAIN_S: Final = 1.0
COMING_IN_S: Final = 10.0
"""How long a socket may take from the proof of who it is until it is let in."""
DRAIN_CLOSE_S: Final = 2.0

StillSignedIn = Callable[[Sequence[str]], Awaitable[Mapping[str, Principal]]]
"""Which of these sign-ins are still good, and whose; raises `Refusal` while that can't be known."""

_log = logs.get(__name__)
_encode = msgspec.json.Encoder().encode
_decode_taken = msgspec.json.Decoder(DeviceTaken).decode


class Session(Listener, Protocol):
    """A socket as the hub sees it. `device_id` is "" before its first hello, at `hello_at_ms`."""

    @property
    def user_id(self) -> UserId:
        """Whose socket it is."""

    @property
    def sign_in_id(self) -> str:
        """What its user signed in with."""

    @property
    def device_id(self) -> str:
        """The device that said hello."""

    @property
    def hello_at_ms(self) -> int:
        """When it first said so."""

    def become(self, display_name: str, choices: Choices) -> None:
        """Go by another name for display, and other choices, from now on."""

    def resync(self, reason: ResyncReason) -> None:
        """Tell the client to say hello again."""

    def close(self, why: Closing, after_ms: int = 0) -> None:
        """Say goodbye and close."""


class Hub:
    """Sockets by user; made by `running`. A user may have as many as the limit says, on this gateway."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        gateway_id: GatewayId,
        metrics: Metrics,
        traces: Traces,
        still_signed_in: StillSignedIn,
    ) -> None:
        self._connection = connection
        self._gateway_id = gateway_id
        self._sockets_per_user = settings.limit_sockets_per_user
        self._still_signed_in = still_signed_in
        self._announcements = Announcements(connection, settings.announce_shards, metrics, traces)
        self._sessions: dict[UserId, list[Session]] = {}
        self._watches: set[Watch] = set()
        self._ended: dict[str, None] = {}
        self._changes = Changes()
        self._disturbed = asyncio.Event()
        self._reason: ResyncReason = "broker_reconnect"
        self._is_draining = False
        metrics.gauge("sockets", "Open sockets.").set_function(lambda: sum(map(len, self._sessions.values())))
        metrics.bounded("long_polls", "Long polls that wait.", limit=MAX_WATCHES, now=lambda: len(self._watches))
        self._refused = metrics.sheds("long_polls")
        metrics.bounded(
            "account_changes_kept",
            "Users whose latest change of name or choices is kept.",
            limit=MAX_KEPT,
            now=lambda: len(self._changes),
            kind="cache",
        )
        metrics.gauge("draining", "Whether this gateway says goodbye to everybody (1) or not (0).").set_function(
            lambda: self._is_draining
        )
        self._waves = metrics.counter("resync_waves", "Times all sockets were told to resync, by reason.", ("reason",))

    def sessions(self) -> Iterator[Session]:
        """Walk over all sockets; don't let any in or out meanwhile."""
        for sessions in self._sessions.values():
            yield from sessions

    def join(self, session: Session) -> Closing | None:
        """Take a socket in; or tell why it is to be closed."""
        if self._is_draining:
            return closing.GOING_AWAY
        if session.sign_in_id in self._ended:
            return closing.SIGNED_OUT
        sessions = self._sessions.setdefault(session.user_id, [])
        if len(sessions) >= self._sockets_per_user:
            return closing.TOO_MANY_SOCKETS
        sessions.append(session)
        if (change := self._changes.since(session.user_id, monotonic() - COMING_IN_S)) is not None:
            session.become(change.display_name, change.choices)
        return None

    async def listen(self, session: Session) -> None:
        """Let a socket hear what is announced to its user.

        Raises:
            Refusal: `unavailable`.
        """
        await self._announcements.add(session.user_id, session)

    def leave(self, session: Session) -> None:
        """Let a socket go; it need not have joined."""
        self._announcements.remove(session.user_id, session)
        sessions = self._sessions.get(session.user_id)
        if sessions is not None and session in sessions:
            sessions.remove(session)
            if not sessions:
                del self._sessions[session.user_id]

    async def take_device(self, session: Session) -> None:
        """Close the older sockets of a session's device, on every gateway."""
        taken = DeviceTaken(
            session.user_id, session.device_id, session.session_id, session.hello_at_ms, self._gateway_id
        )
        self._on_taken(taken)
        try:
            await self._connection.publish(subjects.DEVICE_TAKEN, _encode(taken))
        except BROKER_ERRORS as error:
            _log.warning("device_not_told", session_id=session.session_id, error=repr(error))

    def end_sign_ins(self, user_id: UserId, sign_in_ids: Iterable[str]) -> None:
        """Close the sockets of sign-ins that ended, also of those that are just coming in."""
        ended = dict.fromkeys(sign_in_ids)
        self._ended |= ended
        for sign_in_id in list(islice(self._ended, max(0, len(self._ended) - MAX_ENDED))):
            del self._ended[sign_in_id]
        for session in list(self._sessions.get(user_id, ())):
            if session.sign_in_id in ended:
                session.close(closing.SIGNED_OUT)

    def change_account(self, changed: AccountChanged) -> None:
        """Let the sockets of a user know its new name or choices, also those that are just coming in."""
        change = self._changes.note(changed)
        for session in self._sessions.get(changed.user_id, ()):
            session.become(change.display_name, change.choices)

    @asynccontextmanager
    async def watch(self, user_id: UserId) -> AsyncIterator[Watch]:
        """Listen for a long poll; what is announced from now on is not missed.

        Raises:
            Refusal: `unavailable`, where too many wait already.
        """
        if len(self._watches) >= MAX_WATCHES:
            self._refused.inc()
            raise Refusal(Code.UNAVAILABLE, "Too many wait for news right now. Try again.", 1000)
        watch = Watch()
        self._watches.add(watch)
        try:
            await self._announcements.add(user_id, watch)
            yield watch
        finally:
            self._announcements.remove(user_id, watch)
            self._watches.discard(watch)

    def disturb(self, reason: ResyncReason) -> None:
        """Have all sockets resync, spread over 5 s: something may have been missed."""
        self._reason = reason
        self._disturbed.set()
        for watch in self._watches:
            watch.wake()

    async def drain(self) -> None:
        """Say goodbye to everybody: the sockets close at once, and come back spread over 5 s."""
        self._is_draining = True
        for session in list(self.sessions()):
            session.close(closing.GOING_AWAY, random.randrange(int(SPREAD_S * 1000)))  # noqa: S311 - no secret
        for watch in self._watches:
            watch.wake()
        deadline = asyncio.get_running_loop().time() + DRAIN_CLOSE_S
        while self._sessions and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hear what concerns sockets, and tend to them, until the block ends."""
        self._connection.on_reconnect.append(self._on_reconnect)
        self._connection.on_dropped.append(self._on_dropped)
        await self._connection.subscribe(subjects.DEVICE_TAKEN, self._on_device_taken)
        try:
            async with beside(self._tend()):
                yield
        finally:
            self._connection.on_reconnect.remove(self._on_reconnect)
            self._connection.on_dropped.remove(self._on_dropped)

    async def _tend(self) -> None:
        while True:
            await self._disturbed.wait()
            self._disturbed.clear()
            try:
                self._waves.labels(self._reason).inc()
                is_checked = await self._check_sign_ins()
                await self._resync_all(self._reason)
                while not is_checked and not self._disturbed.is_set():
                    await asyncio.sleep(CHECK_AGAIN_S)
                    is_checked = await self._check_sign_ins()
            except Exception:  # noqa: BLE001 - top of a task: the next disturbance is handled
                _log.exception("resync_wave_failed")

    async def _resync_all(self, reason: ResyncReason) -> None:
        sessions = list(self.sessions())
        random.shuffle(sessions)
        for step in range(STEPS):
            for session in sessions[step::STEPS]:
                session.resync(reason)
            await asyncio.sleep(SPREAD_S / STEPS)

    async def _check_sign_ins(self) -> bool:
        """Make up for what ended or changed while this gateway could not be told; False: ask again."""
        sessions: dict[str, list[Session]] = {}
        for session in self.sessions():
            sessions.setdefault(session.sign_in_id, []).append(session)
        ids = list(sessions)
        for start in range(0, len(ids), SIGN_INS_AT_ONCE):
            asked = ids[start : start + SIGN_INS_AT_ONCE]
            asked_at_s = monotonic()
            try:
                good = await self._still_signed_in(asked)
            except Refusal as refusal:
                _log.warning("sign_ins_not_checked", reason=refusal.detail)
                return False
            for sign_in_id in asked:
                who = good.get(sign_in_id)
                if who is None:
                    self.end_sign_ins(sessions[sign_in_id][0].user_id, [sign_in_id])
                elif self._changes.since(who.user_id, asked_at_s) is None:  # what was heard since then is newer
                    for session in sessions[sign_in_id]:
                        session.become(who.display_name, who.choices)
        return True

    def _on_device_taken(self, payload: bytes) -> None:
        self._on_taken(_decode_taken(payload))

    def _on_taken(self, taken: DeviceTaken) -> None:
        newer = (taken.at_ms, taken.session_id)
        for session in list(self._sessions.get(taken.user_id, ())):
            if session.device_id == taken.device_id and (session.hello_at_ms, session.session_id) < newer:
                session.close(closing.DEVICE_TAKEN)

    def _on_reconnect(self) -> None:
        self.disturb("broker_reconnect")

    def _on_dropped(self, subject: str) -> None:
        if Announcements.is_subject(subject):
            self.disturb("broker_reconnect")


@asynccontextmanager
async def running(
    connection: Connection,
    settings: Settings,
    gateway_id: GatewayId,
    metrics: Metrics,
    traces: Traces,
    still_signed_in: StillSignedIn,
) -> AsyncIterator[Hub]:
    """Make the hub and keep it hearing."""
    hub = Hub(connection, settings, gateway_id, metrics, traces, still_signed_in)
    async with hub.opened():
        yield hub
