"""What goes out over one socket: straight through, held back during a replay, or waiting for a slow reader."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct, json

from services.gateway.protocol.closing import TOO_SLOW, Closing, goodbye
from services.gateway.ws.connection import Connection
from shared.contracts.ids import ConversationId

MAX_WAITING: Final = 256
MAX_WAITING_BYTES: Final = 1024 * 1024
MAX_HELD: Final = 1_000
MAX_HELD_BYTES: Final = 1024 * 1024


class Cursor(NamedTuple):
    """What a receipt tells of: how far a user is in a conversation."""

    conversation_id: str
    user: str
    state: str


class _Receipt(Struct):
    """What counts of a `read_receipt`; any other frame fits too."""

    type: str
    conversation_id: str = ""
    user: str = ""
    state: str = ""
    up_to_seq: int = 0


_decode = json.Decoder(_Receipt).decode


class Told:
    """How far the receipts of a replay went: an older one that was held back meanwhile would take that back."""

    __slots__ = ("_up_to",)

    def __init__(self) -> None:
        self._up_to: dict[Cursor, int] = {}

    def note(self, frame: bytes) -> None:
        """Take a receipt that was written."""
        receipt = _decode(frame)
        self._up_to[Cursor(receipt.conversation_id, receipt.user, receipt.state)] = receipt.up_to_seq

    def covers(self, frame: bytes) -> bool:
        """Tell whether a frame is a receipt that says nothing new."""
        receipt = _decode(frame)
        told = self._up_to.get(Cursor(receipt.conversation_id, receipt.user, receipt.state), -1)
        return receipt.type == "read_receipt" and receipt.up_to_seq <= told


class _Held(NamedTuple):
    conversation_id: ConversationId
    rev: int
    frame: bytes


class Outbox:
    """The sending half of a session. `on_too_slow` is called once more waits than a client may leave unread."""

    __slots__ = (
        "_connection", "_has_overflowed", "_held", "_held_bytes", "_on_too_slow", "_waiting", "_waiting_bytes",
    )  # fmt: skip

    def __init__(self, connection: Connection, on_too_slow: Callable[[], None]) -> None:
        self._connection = connection
        self._on_too_slow = on_too_slow
        self._waiting: deque[bytes] | None = None  # only while the reader is slow
        self._waiting_bytes = 0
        self._held: deque[_Held] | None = None  # only during a replay
        self._held_bytes = 0
        self._has_overflowed = False

    @property
    def waiting(self) -> int:
        """How many frames are kept here, for whatever reason."""
        return len(self._waiting or ()) + len(self._held or ())

    def send(self, frame: bytes) -> None:
        """Send a frame now, or when the reader has caught up."""
        if self._waiting is None and self._connection.is_writable:
            self._connection.send(frame)
        else:
            self._wait(frame)

    def deliver(self, conversation_id: ConversationId, rev: int, frame: bytes) -> None:
        """Send what was announced; during a replay it is held back."""
        if self._held is None:
            self.send(frame)
        elif self._held_bytes + len(frame) > MAX_HELD_BYTES or len(self._held) >= MAX_HELD:
            self._has_overflowed = True
        else:
            self._hold(_Held(conversation_id, rev, frame))

    def hint(self, frame: bytes) -> bool:
        """Send what nobody misses for long, unless anything waits before it; tells whether it was sent."""
        if self._held is not None or self._waiting is not None or not self._connection.is_writable:
            return False
        self._connection.send(frame)
        return True

    def answer(self, frame: bytes) -> None:
        """Send an answer to something asked, in its order with what is announced; it has twice the room."""
        if self._held is None:
            self.send(frame)
        elif self._held_bytes + len(frame) <= 2 * MAX_HELD_BYTES and len(self._held) < 2 * MAX_HELD:
            self._hold(_Held(ConversationId(""), 0, frame))

    async def write(self, frame: bytes) -> None:
        """Send a frame that its reader asked for, at the reader's pace; it never counts as slow."""
        self._connection.send(frame)
        if not self._connection.is_writable:
            await self._connection.drained()

    def hold(self) -> None:
        """Hold back what is announced from now on."""
        if self._held is None:
            self._held = deque()
            self._held_bytes = 0
            self._has_overflowed = False

    def overflow(self) -> bool:
        """Say that something is missing from what is held; tells whether anything is held at all."""
        self._has_overflowed = self._has_overflowed or self._held is not None
        return self._held is not None

    async def release(self, heads: Mapping[ConversationId, int], told: Told) -> bool:
        """Send what was held back, but what a replay covered (`heads`, `told`); tells whether nothing was lost."""
        while self._held:
            held = self._held.popleft()
            self._held_bytes -= len(held.frame)
            if held.rev > heads.get(held.conversation_id, 0) or (held.rev == 0 and not told.covers(held.frame)):
                await self.write(held.frame)
        self._held = None
        return not self._has_overflowed

    def on_writable(self) -> None:
        """Go on with what waits."""
        waiting = self._waiting
        while waiting and self._connection.is_writable:
            frame = waiting.popleft()
            self._waiting_bytes -= len(frame)
            self._connection.send(frame)
        if not waiting:
            self._waiting = None

    def close(self, why: Closing, after_ms: int) -> None:
        """Send what waits and a goodbye, then close; a reader that is too slow gets neither."""
        if why is not TOO_SLOW:
            for frame in self._waiting or ():
                self._connection.send(frame)
            self._connection.send(goodbye(why, after_ms))
        self._waiting = None
        self._connection.close(why.close_code, why.reason)

    def _wait(self, frame: bytes) -> None:
        if self._waiting is None:
            self._waiting, self._waiting_bytes = deque(), 0
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        if len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            self._on_too_slow()

    def _hold(self, held: _Held) -> None:
        if self._held is not None:
            self._held.append(held)
            self._held_bytes += len(held.frame)
