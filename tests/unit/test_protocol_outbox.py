"""What goes out over a socket: in order, held back during a replay, bounded for slow readers."""

import asyncio
from collections.abc import Callable

from msgspec.json import encode

from services.gateway.protocol import closing
from services.gateway.ws.connection import ignore
from services.gateway.ws.outbox import MAX_HELD, MAX_WAITING, MAX_WAITING_BYTES, Outbox, Told
from shared.contracts.frames import receipt_frame
from shared.contracts.ids import ConversationId, Username

HERE, THERE = ConversationId("here"), ConversationId("there")


class Line:
    """A connection that writes down what is sent, and is writable or not as told."""

    def __init__(self) -> None:
        self.sent: list[bytes | str] = []
        self.closed: list[int] = []
        self.peer: tuple[str, int] | None = None
        self.on_text: Callable[[str], None] = ignore
        self.on_binary: Callable[[], None] = ignore
        self.on_writable: Callable[[], None] = ignore
        self.on_close: Callable[[int], None] = ignore
        self.read_again = asyncio.Event()
        self.read_again.set()

    @property
    def is_writable(self) -> bool:
        return self.read_again.is_set()

    def write_buffer_size(self) -> int:
        return 0

    def send(self, data: bytes | str) -> None:
        self.sent.append(data)

    async def drained(self) -> None:
        await self.read_again.wait()

    def pause_reading(self) -> None:
        raise AssertionError("nobody asked for it")

    def resume_reading(self) -> None:
        raise AssertionError("nobody asked for it")

    def close(self, code: int, reason: str = "") -> None:
        self.closed.append(code)

    def abort(self) -> None:
        raise AssertionError("nobody asked for it")

    async def wait_closed(self) -> None:
        raise AssertionError("nobody asked for it")


class Opened:
    """An outbox on such a line."""

    def __init__(self) -> None:
        self.line = Line()
        self.too_slow = 0
        self.outbox = Outbox(self.line, self._on_too_slow)

    def _on_too_slow(self) -> None:
        self.too_slow += 1


async def test_while_the_reader_is_slow_frames_wait_and_keep_their_order() -> None:
    opened = Opened()
    outbox, line = opened.outbox, opened.line
    outbox.send(b"1")
    line.read_again.clear()
    outbox.deliver(HERE, 1, b"2")
    outbox.answer(b"3")
    assert (line.sent, outbox.waiting) == ([b"1"], 2)
    line.read_again.set()
    outbox.send(b"4")
    outbox.on_writable()
    outbox.send(b"5")
    assert line.sent == [b"1", b"2", b"3", b"4", b"5"]
    assert (outbox.waiting, opened.too_slow) == (0, 0)


async def test_a_reader_may_leave_so_many_frames_unread_and_so_many_bytes() -> None:
    for frame, allowed in ((b"x", MAX_WAITING), (b"x" * 65_536, MAX_WAITING_BYTES // 65_536)):
        opened = Opened()
        opened.line.read_again.clear()
        for _ in range(allowed):
            opened.outbox.deliver(HERE, 1, frame)
        assert opened.too_slow == 0
        opened.outbox.deliver(HERE, 1, frame)
        assert opened.too_slow == 1


async def test_a_replay_holds_back_what_is_live_and_drops_what_it_covered() -> None:
    opened = Opened()
    outbox = opened.outbox
    outbox.hold()
    outbox.deliver(HERE, 5, b"covered")
    outbox.deliver(HERE, 6, b"newer")
    outbox.deliver(HERE, 0, b'{"type":"read_receipt"}')
    outbox.answer(b'{"type":"ack"}')
    outbox.deliver(THERE, 1, b"of a new conversation")
    await outbox.write(b"replayed")
    assert opened.line.sent == [b"replayed"]
    assert await outbox.release({HERE: 5}, Told())
    outbox.deliver(HERE, 7, b"live")
    receipt, ack = b'{"type":"read_receipt"}', b'{"type":"ack"}'
    assert opened.line.sent == [b"replayed", b"newer", receipt, ack, b"of a new conversation", b"live"]


async def test_a_receipt_older_than_what_a_replay_told_is_not_told_after_it() -> None:
    opened = Opened()
    outbox, told = opened.outbox, Told()
    outbox.hold()
    for seq in (7, 9, 10):
        outbox.deliver(HERE, 0, encode(receipt_frame(HERE, Username("ben"), "delivered", seq, 0)))
    other = encode(receipt_frame(HERE, Username("ben"), "read", 8, 0))
    outbox.answer(other)
    replayed = encode(receipt_frame(HERE, Username("ben"), "delivered", 9, 0))
    await outbox.write(replayed)
    told.note(replayed)
    assert await outbox.release({HERE: 5}, told)
    newer = encode(receipt_frame(HERE, Username("ben"), "delivered", 10, 0))
    assert opened.line.sent == [replayed, newer, other]


async def test_what_nobody_misses_is_dropped_while_anything_waits() -> None:
    opened = Opened()
    outbox, line = opened.outbox, opened.line
    assert outbox.hint(b"typing")
    outbox.hold()
    assert not outbox.hint(b"during a replay")
    assert await outbox.release({}, Told())
    assert line.sent == [b"typing"]
    line.read_again.clear()
    assert not any(outbox.hint(b"to a slow reader") for _ in range(2 * MAX_WAITING))
    outbox.send(b"1")
    line.read_again.set()
    assert not outbox.hint(b"before what waits")
    outbox.on_writable()
    assert (opened.too_slow, outbox.hint(b"again"), line.sent) == (0, True, [b"typing", b"1", b"again"])


async def test_what_comes_while_a_replay_ends_slowly_stays_in_order() -> None:
    opened = Opened()
    outbox, line = opened.outbox, opened.line
    outbox.hold()
    outbox.deliver(HERE, 1, b"1")
    line.read_again.clear()
    async with asyncio.TaskGroup() as tasks:
        released = tasks.create_task(outbox.release({}, Told()))
        await asyncio.sleep(0)
        outbox.deliver(HERE, 2, b"2")
        assert line.sent == [b"1"]
        line.read_again.set()
    assert released.result()
    assert line.sent == [b"1", b"2"]


async def test_a_replay_that_holds_too_much_says_so_and_loses_no_answer() -> None:
    opened = Opened()
    outbox = opened.outbox
    outbox.hold()
    for rev in range(1, MAX_HELD + 10):
        outbox.deliver(HERE, rev, b"live")
    outbox.answer(b'{"type":"ack"}')
    assert not await outbox.release({}, Told())
    assert opened.line.sent == [b"live"] * MAX_HELD + [b'{"type":"ack"}']
    outbox.hold()
    assert await outbox.release({}, Told())


async def test_a_resync_during_a_replay_is_told_after_it() -> None:
    opened = Opened()
    assert not opened.outbox.overflow()
    opened.outbox.hold()
    assert opened.outbox.overflow()
    assert not await opened.outbox.release({}, Told())


async def test_the_goodbye_is_the_last_of_what_waits_but_not_for_one_who_does_not_read() -> None:
    opened = Opened()
    opened.line.read_again.clear()
    opened.outbox.send(b"ack")
    opened.outbox.close(closing.GOING_AWAY, 7)
    assert opened.line.sent == [b"ack", closing.goodbye(closing.GOING_AWAY, 7)]
    assert opened.line.closed == [1001]
    slow = Opened()
    slow.line.read_again.clear()
    slow.outbox.send(b"x")
    slow.outbox.close(closing.TOO_SLOW, 0)
    assert (slow.line.sent, slow.line.closed) == ([], [4410])
