# ruff: noqa: D102  # the methods of `Connection` are documented there
"""The `Connection` straight on the transport: what ends it and what bounds it; no task, no await per frame."""

import asyncio
from collections.abc import Callable

import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from services.gateway.ws import connection, frames
from services.gateway.ws.connection import ignore
from services.gateway.ws.frames import Flusher, Message, ViolationError

MAX_HELD = 16
"""Messages held for whoever does not take them before the socket is no longer read."""

_IS_TEXT, _IS_CONTINUATION = WSMsgType.TEXT, WSMsgType.CONTINUATION
_IS_PING, _IS_PONG, _IS_CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class DirectConnection(WSListener):
    """A `Connection`, documented there, on a transport whose handshake is done.

    Until `on_text` is set, or `wait_closed` or (for ASGI) `next_message` is awaited, nothing is read
    and what came with the handshake is held.
    """

    __slots__ = (
        "_deliver", "_flusher", "_held", "_is_finished", "_is_gone", "_is_holding", "_is_lingering",
        "_is_paused", "_loop", "_max_message", "_message", "_on_gone", "_on_text", "_out",
        "_out_size", "_timer", "_transport", "_waiters", "close_code", "close_reason", "is_open",
        "is_writable", "on_binary", "on_close", "on_writable", "peer",
    )  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, flusher: Flusher, max_message: int, on_gone: Callable[[], None]
    ) -> None:
        self.peer: tuple[str, int] | None = None
        self.on_binary: Callable[[], None] = ignore
        self.on_writable: Callable[[], None] = ignore
        self.on_close: Callable[[int], None] = ignore
        self.is_writable = True
        self.close_code = connection.ABNORMAL
        self.close_reason = ""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._flusher = flusher
        self._max_message = max_message
        self._on_gone = on_gone
        self._on_text: Callable[[str], None] | None = None
        self._deliver: Callable[[str], None] = self._hold
        self._held: list[str | bytes] = []
        self._out: list[bytes] = []
        self._out_size = 0
        self._message: Message | None = None
        self.is_open = True  # no close frame went in either direction
        self._is_holding = True  # what comes is held
        self._is_paused = False  # because the session wants it so
        self._is_lingering = False  # what still comes is dropped unseen
        self._is_finished = False  # nothing more will be delivered
        self._is_gone = False  # and the socket is closed
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def start(self, early: bytes) -> None:
        """Take the transport over; `early` came in one read with the request."""
        self._transport.set_write_buffer_limits(connection.HIGH_WATER, connection.LOW_WATER)
        parser = frames.parser_for(self, self._max_message, self.on_violation)
        frames.feed(parser, early)
        self._transport.set_protocol(parser)

    # What the session calls.

    @property
    def on_text(self) -> Callable[[str], None]:
        return self._on_text or ignore

    @on_text.setter
    def on_text(self, callback: Callable[[str], None]) -> None:
        if self._on_text is None:
            self._loop.call_soon(self._begin)
        elif not self._is_holding and self.is_open:
            self._deliver = callback
        self._on_text = callback

    def write_buffer_size(self) -> int:
        return self._out_size + self._transport.get_write_buffer_size()

    def send(self, data: bytes | str) -> None:
        if self.is_open:
            flusher = self._flusher
            self._put(flusher.frame if data is flusher.payload else flusher.text_frame(data))

    def send_binary(self, data: bytes) -> None:
        """Send one binary frame, for ASGI."""
        if self.is_open:
            self._put(frames.frame_of(frames.BINARY, data))

    async def drained(self) -> None:
        while not self.is_writable and not self._is_finished:
            await self._woken()

    async def next_message(self) -> str | bytes | None:
        """Wait for the next message, for ASGI; None when no more will come."""
        while not self._held and not self._is_finished:
            self._transport.resume_reading()
            await self._woken()
        return self._held.pop(0) if self._held else None

    def pause_reading(self) -> None:
        self._is_paused = True
        if self.is_open:
            self._is_holding = True
            self._deliver = self._hold
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        if self._on_text is None:
            return
        while self._held and not self._is_paused:
            self._hand_over(self._held.pop(0))
        if self.is_open and not self._is_paused:
            self._is_holding = False
            self._deliver = self._on_text
            self._transport.resume_reading()

    def close(self, code: int, reason: str = "") -> None:
        if self.is_open:
            self._say_close(code, connection.cut_reason(reason))
            self._held.clear()
            self._transport.resume_reading()

    def fail(self, code: int, reason: str) -> None:
        """Close because the peer broke the rules: nothing it sends from now on is looked at."""
        if self.is_open:
            self._say_close(code, connection.cut_reason(reason))
        if not (self._is_lingering or self._is_gone):
            self._is_lingering = True
            self._transport.pause_reading()
            self._loop.call_soon(self._linger)
        self._finish()

    def abort(self) -> None:
        self._transport.abort()

    async def wait_closed(self) -> None:
        if self._on_text is None:
            self.on_text = ignore
        while not self._is_gone:
            await self._woken()

    # What picows and the transport call.

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002
        if (
            frame.msg_type is _IS_TEXT
            and frame.fin
            and self._message is None
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            try:
                text = frame.get_payload_as_utf8_text()
            except UnicodeDecodeError:
                self.fail(frames.INVALID_TEXT, "text is not UTF-8")
                return
            try:
                self._deliver(text)
            except Exception:  # noqa: BLE001  # the session's fault ends its connection, no more
                self._crash()
        else:
            try:
                self._on_other_frame(frame)
            except ViolationError as violation:
                self.fail(violation.code, violation.reason)
        if frame.payload_size > frames.READ_AT_ONCE and not (frame.tail_size or self._is_holding):
            self._transport.pause_reading()
            self._loop.call_soon(self._shrink)

    def on_violation(self, code: int, reason: str) -> None:
        """Fail, but not before the frame is delivered that came before: picows reads one ahead."""
        _log.debug("websocket_violation", code=code, reason=reason)
        self._transport.pause_reading()
        self._loop.call_soon(self.fail, code, reason)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self.lost()

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        self._wake()
        self._call(self.on_writable)

    def flush(self) -> None:
        """Write what was sent since the last time."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self._transport.write(data)
            if not self.is_writable and self._transport.get_write_buffer_size() > connection.MAX_WAITING:
                self._transport.abort()

    def lost(self) -> None:
        """End it, as the socket is closed."""
        if not self._is_gone:
            self._is_gone = True
            self._out.clear()
            self._out_size = 0
            if self._timer is not None:
                self._timer.cancel()
            self._finish()
            self._wake()
            self._on_gone()

    # In.

    def _on_other_frame(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise ViolationError(frames.PROTOCOL_ERROR, "reserved bits are set")
        if kind is _IS_CLOSE:
            self._on_close_frame(frame.get_payload_as_bytes())
        elif kind is _IS_PING:
            if self.is_open and self.is_writable:  # a peer that does not read gets no more pongs
                self._put(frames.frame_of(frames.PONG, frame.get_payload_as_bytes()))
        elif kind is not _IS_PONG and self.is_open:
            self._on_fragment(frame)

    def _on_close_frame(self, payload: bytes) -> None:
        code, reason = frames.close_of(payload)
        if self.is_open:
            self._say_close(code if payload else frames.NORMAL, b"")
            self.close_code, self.close_reason = code, reason
        self._finish()
        self._transport.close()

    def _on_fragment(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if (kind is _IS_CONTINUATION) is (self._message is None):
            raise ViolationError(frames.PROTOCOL_ERROR, "fragment out of order")
        message = self._message or Message(is_text=kind is _IS_TEXT, limit=self._max_message)
        message.add(frame.get_payload_as_memoryview())
        self._message = None if frame.fin else message
        if frame.fin:
            self._on_message(message.content())

    def _on_message(self, message: str | bytes) -> None:
        if self._is_holding:
            self._hold(message)
        else:
            self._hand_over(message)

    def _hold(self, message: str | bytes) -> None:
        self._held.append(message)
        self._wake()
        if len(self._held) >= MAX_HELD:
            self._transport.pause_reading()

    def _hand_over(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._call(self.on_binary)
        elif self._on_text is not None:
            self._call(self._on_text, message)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001  # the session's fault ends its connection, no more
            self._crash()

    def _crash(self) -> None:
        _log.exception("websocket_callback_failed")
        self.close(connection.INTERNAL_ERROR)

    def _begin(self) -> None:
        if self._is_finished:
            self._tell_end()
        elif not self._is_paused:
            self.resume_reading()

    def _shrink(self) -> None:
        """Go on with a new parser: picows never gives back what a large frame took."""
        if self.is_open:
            self._transport.set_protocol(frames.parser_for(self, self._max_message, self.on_violation))
            if len(self._held) < MAX_HELD and not self._is_paused:
                self._transport.resume_reading()

    # Out.

    def _put(self, frame: bytes) -> None:
        out = self._out
        if not out:
            self._flusher.add(self.flush)
        out.append(frame)
        self._out_size += len(frame)
        if self._out_size > connection.HIGH_WATER:
            self.flush()

    def _say_close(self, code: int, reason: bytes) -> None:
        self.is_open = False
        self._deliver = ignore
        self.close_code = code
        self._out.append(frames.frame_of(frames.CLOSE, code.to_bytes(2, "big") + reason))
        self.flush()
        self._timer = self._loop.call_later(connection.CLOSE_TIMEOUT_S, self._transport.abort)

    # The end.

    def _linger(self) -> None:
        """Read on without looking: at a close now the kernel would send a reset (RFC 9112, 9.6).

        That can reach the peer before it has read the close frame.
        """
        if self._is_gone or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.set_protocol(frames.Drain(self.lost))
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            self.is_open = False
            self._deliver = ignore
            self._wake()
            if self._on_text is not None:
                self._tell_end()

    def _tell_end(self) -> None:
        """Deliver what is held, then the end; after that let go of the session."""
        while self._held:
            self._hand_over(self._held.pop(0))
        on_close, self.on_close = self.on_close, ignore
        self._call(on_close, self.close_code)
        self._on_text = self.on_binary = self.on_writable = ignore

    async def _woken(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
