"""One socket: who it is, what its client may send, and what is answered."""

import asyncio
import random
import secrets
from dataclasses import replace
from functools import partial
from typing import Final, assert_never

from services.gateway.domain import Choices, Principal
from services.gateway.protocol import closing, outbound
from services.gateway.protocol.closing import Closing
from services.gateway.protocol.inbound import (
    VERSION,
    BadFrame,
    Hello,
    Inbound,
    Ping,
    Pong,
    ReadReceipt,
    SendRequest,
    StatusRequest,
    SyncRequest,
    TypingRequest,
    check_sync,
    decode,
)
from services.gateway.protocol.outbound import ResyncReason, ServerPing, ServerPong
from services.gateway.ws.connection import Connection
from services.gateway.ws.intake import Intake
from services.gateway.ws.lane import Lane, Work
from services.gateway.ws.life import Life, Sign
from services.gateway.ws.outbox import Outbox
from services.gateway.ws.receipts import Receipts
from services.gateway.ws.replay import Replay
from services.gateway.ws.statuses import Statuses
from services.gateway.ws.surroundings import Surroundings
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, SessionId, UserId
from shared.runtime import logs
from shared.runtime.clock import monotonic, now_ms
from shared.runtime.telemetry import requested

PROTOCOL_ERRORS: Final = 3
PROTOCOL_ERRORS_S: Final = 60.0
BACK_AFTER_MS: Final = 2_000
"""Over how long those who are sent away because of us come back."""
FLOOD_AFTER_MS: Final = 10_000
LAST_WORK_S: Final = 5.0
"""How long what came before the end may take to be accepted."""

_log = logs.get(__name__)


class Session:
    """One open socket. Everything it does is a callback of its connection; `run` owns the few tasks that it needs."""

    __slots__ = (
        "_around", "_choices", "_connection", "_errors_s", "_has_caught_up", "_has_greeted", "_intake",
        "_is_listening", "_life", "_opened_s", "_ordered", "_outbox", "_pauses", "_reads", "_receipts", "_statuses",
        "device_id", "hello_at_ms", "is_open", "session_id", "who",
    )  # fmt: skip

    _ordered: Lane
    _reads: Lane
    _choices: Lane

    def __init__(self, around: Surroundings, connection: Connection, who: Principal, session_id: SessionId) -> None:
        self.who = who
        self.session_id = session_id
        self.device_id = ""
        self.hello_at_ms = 0
        self.is_open = True
        self._around = around
        self._connection = connection
        self._outbox = Outbox(connection, self._on_too_slow)
        self._intake: Intake | None = None
        if around.frame_rate is not None:
            self._intake = Intake(
                around.frame_rate,
                self._take,
                on_full=self._pause,
                on_empty=self._resume,
                on_flood=self._on_flood,
            )
        self._receipts: Receipts | None = None
        self._statuses: Statuses | None = None
        self._has_greeted = False
        self._has_caught_up = False
        self._is_listening = False
        self._opened_s = monotonic()
        self._life = Life(around.patience.heartbeat_s, around.patience.life_s, self._opened_s)
        self._errors_s: tuple[float, ...] = ()
        self._pauses = 0

    @property
    def user_id(self) -> UserId:
        """Whose socket it is."""
        return self.who.user_id

    @property
    def sign_in_id(self) -> str:
        """What its user signed in with."""
        return self.who.sign_in_id

    @property
    def waiting(self) -> int:
        """How many frames wait to be sent."""
        return self._outbox.waiting

    def become(self, display_name: str, choices: Choices) -> None:
        """Go by another name for display, and other choices, from now on."""
        self.who = replace(self.who, display_name=display_name, choices=choices)
        if self._receipts is not None:
            self._receipts.who = self.who
        if self._is_listening:
            self._attend()

    async def run(self) -> None:
        """Serve the socket until it is closed, by whomever."""
        connection = self._connection
        try:
            async with asyncio.TaskGroup() as tasks:
                self._ordered = Lane(tasks, self._pause, self._resume)
                self._reads = Lane(tasks, self._pause, self._resume)
                self._choices = Lane(tasks, self._pause, self._resume)
                connection.on_close = self._on_close
                connection.on_writable = self._outbox.on_writable
                connection.on_binary = self._on_binary
                connection.on_text = self._on_text
                if (refused := self._around.hub.join(self)) is not None:
                    self.close(refused, FLOOD_AFTER_MS + _spread(BACK_AFTER_MS) if refused.may_reconnect else 0)
                await connection.wait_closed()
                self._on_close(0)
                self._reads.stop()
                if self._receipts is not None:
                    self._receipts.flush()
                for lane in (self._ordered, self._choices):
                    if not lane.is_free:  # what came before the end is still accepted, within bounds
                        asyncio.get_running_loop().call_later(LAST_WORK_S, lane.stop)
        finally:
            self._around.hub.leave(self)
            if self._receipts is not None:
                self._receipts.close()
            if self._statuses is not None:
                self._statuses.close()

    # --- what goes out

    def deliver(self, conversation_id: ConversationId, rev: int, frame: bytes) -> None:
        """Send what was announced to the user."""
        self._outbox.deliver(conversation_id, rev, frame)

    def hint(self, frame: bytes) -> bool:
        """Send what nobody misses for long, where nothing waits."""
        return self._has_greeted and self._outbox.hint(frame)

    def answer(self, frame: bytes) -> None:
        """Send what came of a request of this socket."""
        self._outbox.answer(frame)

    def resync(self, reason: ResyncReason) -> None:
        """Tell the client to say hello again; after the replay, where one is going on."""
        if self._has_greeted and not self._outbox.overflow():
            self._outbox.send(outbound.resync(reason))

    def close(self, why: Closing, after_ms: int = 0) -> None:
        """Say goodbye and close; only the first time."""
        if self.is_open:
            self._on_close(why.close_code)
            self._around.on_closed(why)
            self._outbox.close(why, after_ms)

    def beat(self, now_s: float, unix_ms: int) -> None:
        """Look after the socket, once a second: a sign-in that holds, hello in time, a sign of life."""
        if unix_ms >= self.who.expires_at_ms:
            self.close(closing.SIGNED_OUT)
        elif not self._has_greeted:
            if now_s - self._opened_s >= self._around.patience.hello_s:
                self.close(closing.NO_HELLO)
        elif self._pauses or (self._intake is not None and self._intake.is_behind):
            self._life.hear()  # it is not silent, it is not listened to
        else:
            self._look_for_life(now_s)

    def _look_for_life(self, now_s: float) -> None:
        sign = self._life.look(now_s)
        if sign is Sign.PING:
            self._outbox.send(outbound.encode(ServerPing(int(now_s))))
        elif sign is Sign.DEAD:
            self.close(closing.NO_LIFE, _spread(BACK_AFTER_MS))

    # --- what comes in

    def _on_text(self, text: str) -> None:
        self._life.hear()
        if self._intake is None:
            self._take(text)
        elif self.is_open:
            self._intake.take(text)

    def _take(self, text: str) -> None:
        if not self.is_open:
            return
        if len(text) * 4 > self._around.frame_bytes and len(text.encode()) > self._around.frame_bytes:
            self.close(closing.TOO_LARGE)
            return
        try:
            frame = decode(text)
        except BadFrame as bad:
            self._on_bad_frame(bad)
            return
        try:
            self._on_frame(frame)
        except Refusal as refusal:
            self._outbox.send(outbound.error(refusal, getattr(frame, "id", None)))
        except Exception:  # noqa: BLE001 - top of a callback: one bad handler must not end the socket
            self._on_failure(getattr(frame, "id", None))

    def _on_frame(self, frame: Inbound) -> None:  # noqa: C901 - one case per type of frame
        if isinstance(frame, Hello):
            self._on_hello(frame)
        elif not self._has_greeted:
            refusal = Refusal(Code.INVALID, "The first frame must be a hello.")
            self._on_bad_frame(BadFrame(refusal, getattr(frame, "id", None), is_protocol_error=True))
        elif isinstance(frame, SendRequest):
            if not self._ordered.is_free:
                self._ordered.put(partial(self._submit, frame))
            elif (work := self._submit(frame)) is not None:
                self._ordered.begin(work)
        elif isinstance(frame, ReadReceipt):
            self._take_receipt(frame)
        elif isinstance(frame, TypingRequest):
            self._ordered.put(partial(self._say_typing, frame))
        elif isinstance(frame, StatusRequest):
            self._take_status(frame)
        elif isinstance(frame, SyncRequest):
            if (refused := check_sync(frame)) is not None:
                raise refused
            self._reads.put(lambda: partial(self._guarded, partial(self._sync, frame), frame.id))
        elif isinstance(frame, Ping):
            self._outbox.send(outbound.encode(ServerPong(frame.n)))
        elif not isinstance(frame, Pong):
            assert_never(frame)

    def _on_hello(self, hello: Hello) -> None:
        if hello.v != VERSION:
            self.close(closing.WRONG_VERSION)
            return
        if hello.device_id != self.device_id:
            self.device_id, self.hello_at_ms = hello.device_id, now_ms()
        self._has_greeted = True
        self._reads.put(lambda: partial(self._guarded, partial(self._replay, hello), None))

    def _on_binary(self) -> None:
        self._life.hear()
        if self.is_open:
            self._on_bad_frame(BadFrame(Refusal(Code.INVALID, "The frame is binary."), is_protocol_error=True))

    def _on_bad_frame(self, bad: BadFrame) -> None:
        self._outbox.send(outbound.error(bad.refusal, bad.re))
        if bad.is_protocol_error:
            now_s = monotonic()
            self._errors_s = (*(at for at in self._errors_s if now_s - at < PROTOCOL_ERRORS_S), now_s)
            if len(self._errors_s) >= PROTOCOL_ERRORS:
                self.close(closing.PROTOCOL_ERRORS)

    def _on_failure(self, re: str | None) -> None:
        _log.exception("frame_failed", session_id=self.session_id)
        self._outbox.send(outbound.error(Refusal(Code.INTERNAL, "Something went wrong on our side. Try again."), re))

    def _on_flood(self) -> None:
        self.close(closing.TOO_MANY_FRAMES, FLOOD_AFTER_MS + _spread(BACK_AFTER_MS))

    def _on_too_slow(self) -> None:
        self.close(closing.TOO_SLOW)

    def _on_close(self, _code: int) -> None:
        self.is_open = False
        self._around.typing.leave(self.session_id)
        self._around.presence.attendance.go(self.user_id, self.session_id)
        if self._intake is not None:
            self._intake.stop()

    def _pause(self) -> None:
        self._pauses += 1
        self._connection.pause_reading()

    def _resume(self) -> None:
        self._pauses -= 1
        if not self._pauses:
            self._connection.resume_reading()

    # --- messages and receipts

    def _take_receipt(self, frame: ReadReceipt) -> None:
        around = self._around
        if self._receipts is None:
            self._receipts = Receipts(
                around.commands, around.receipt_rate, self.who, self.session_id, self._outbox, self._ordered
            )
        self._receipts.take(frame)

    def _submit(self, request: SendRequest) -> Work | None:
        try:
            later = self._around.commands.submit(self.who, request, self)
        except Refusal as refusal:
            self._outbox.send(outbound.error(refusal, request.id))
            return None
        except Exception:  # noqa: BLE001 - it may run in a lane, where nobody else would answer
            self._on_failure(request.id)
            return None
        return None if later is None else partial(self._guarded, later, request.id)

    def _say_typing(self, request: TypingRequest) -> Work | None:
        try:
            later = self._around.typing.submit(self.who, request, self)
        except Refusal as refusal:
            self._outbox.send(outbound.error(refusal))
            return None
        except Exception:  # noqa: BLE001 - it may run in a lane, where nobody else would answer
            self._on_failure(None)
            return None
        return None if later is None else partial(self._guarded, later, None)

    # --- presence

    def _attend(self) -> None:
        if self.is_open:
            self._around.presence.attendance.come(
                self.user_id, self.session_id, shows_last_seen=self.who.choices.last_seen
            )

    def _take_status(self, frame: StatusRequest) -> None:
        if self._statuses is None:
            self._statuses = Statuses(
                self._around.presence,
                self.user_id,
                lambda shown: self._has_caught_up and self._outbox.hint(shown),
                lambda work: partial(self._guarded, work, None),
                self._choices,
            )
        self._statuses.take(frame)

    # --- reading

    async def _guarded(self, work: Work, re: str | None) -> None:
        """Do what takes its time, as a request of its own; whatever happens is answered."""
        with requested(secrets.token_hex(12)):
            try:
                await work()
            except Refusal as refusal:
                self._outbox.send(outbound.error(refusal, re))
            except Exception:  # noqa: BLE001 - top of a task
                self._on_failure(re)

    async def _replay(self, hello: Hello) -> None:
        around = self._around
        try:
            self._outbox.hold()
            if not self._is_listening:
                await around.hub.listen(self)
                self._is_listening = True
            self._attend()
            around.presence.hellos.say(self.user_id)
            await around.hub.take_device(self)
            welcome = partial(around.welcome, self.session_id, self.who)
            replay = Replay(around.history, self._outbox, self.user_id, hello, welcome)
            await replay.run(around.patience.store_s)
            self._has_caught_up = True
            if self._statuses is not None:
                self._statuses.catch_up()
        except Refusal as refusal:
            _log.warning("replay_given_up", session_id=self.session_id, reason=refusal.detail)
            self.close(closing.UNAVAILABLE, _spread(BACK_AFTER_MS))
        except Exception:  # noqa: BLE001 - top of a task
            _log.exception("replay_failed", session_id=self.session_id)
            self.close(closing.INTERNAL, _spread(BACK_AFTER_MS))

    async def _sync(self, request: SyncRequest) -> None:
        await self._outbox.write(await self._around.history.sync_page(self.user_id, request))


def _spread(most_ms: int) -> int:
    return random.randrange(most_ms)  # noqa: S311 - no secret
