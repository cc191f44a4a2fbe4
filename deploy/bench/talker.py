"""A socket that sends and counts as cheaply as Python can: templates out, a search in."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from deploy.bench.people import Person

SENT, RECEIVED, ACKED = 0, 1, 2
DONE = RECEIVED | ACKED
NUMBER_DIGITS = 12
# With it a message frame has about 200 bytes.
PADDING = b"the rest of a chat message of middling length, as people write them all day long"
HELLO = b'{"type":"hello","v":1,"device_id":"%b","cursors":{}}'
MESSAGE = b'{"type":"message","id":"%b%012d","to":"%b","content":"%b%012d %b"}'
RECEIPT = b'{"type":"read_receipt","conversation_id":"%b","state":"%b","up_to_seq":%b}'
CONNECTS_AT_ONCE = 50


@dataclass
class Tally:
    """What all talkers of one run have counted; message `number` was sent at `begun[number]`."""

    run: bytes = field(default_factory=lambda: secrets.token_hex(4).encode())
    begun: dict[int, float] = field(default_factory=dict)
    state: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    acked: int = 0
    done: int = 0
    refused: int = 0
    other: int = 0
    receipts: bool = False
    on_done: Callable[[int], None] | None = None

    def reset(self) -> None:
        """Begin to count anew; messages in flight stay in flight."""
        self.latencies = []
        self.sent = self.received = self.acked = self.done = self.refused = self.other = 0

    def note(self, number: int, what: int) -> None:
        """Take note that a message was received or acked; repeats do not count."""
        before = self.state.get(number, DONE)
        after = before | what
        if after == before:
            return
        if what == RECEIVED:
            self.received += 1
            self.latencies.append(time.monotonic() - self.begun[number])
        else:
            self.acked += 1
        if after == DONE:
            del self.state[number], self.begun[number]
            self.done += 1
            if self.on_done is not None:
                self.on_done(number)
        else:
            self.state[number] = after


class Talker(WSListener):
    """One device of one person, who writes to one peer."""

    def __init__(self, person: Person, peer: str, tally: Tally, *, device: str = "bench") -> None:
        """Prepare; `connect` opens the socket and says hello."""
        self.person = person
        self.caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._peer = peer.encode()
        self._tally = tally
        self._device = device.encode()
        self._own: set[int] = set()
        self._transport: WSTransport | None = None

    def send(self, number: int, begun: float) -> None:
        """Send message `number`, whose latency counts from `begun`."""
        tally, run = self._tally, self._tally.run
        tally.begun[number] = begun
        tally.state[number] = SENT
        tally.sent += 1
        self._own.add(number)
        self._write(MESSAGE % (run, number, self._peer, run, number, PADDING))

    def close(self) -> None:
        """Drop the socket."""
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Say hello."""
        self._transport = transport
        self._write(HELLO % self._device)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Remember that it is over."""
        del transport
        self.closed = True
        if not self.caught_up.done():
            self.caught_up.set_exception(ConnectionError("closed before caught_up"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Find the number of the message; who sent it gets acks, the other one messages."""
        del transport
        payload = frame.get_payload_as_bytes()
        tally = self._tally
        at = payload.find(tally.run)
        if at < 0 or frame.msg_type != WSMsgType.TEXT:
            self._take_other(payload, is_text=frame.msg_type == WSMsgType.TEXT)
            return
        at += len(tally.run)
        number = int(payload[at : at + NUMBER_DIGITS])
        if number not in self._own:
            tally.note(number, RECEIVED)
            if tally.receipts:
                self._tell_receipts(payload)
        elif payload.find(b'"ack"', 0, 24) >= 0:
            self._own.discard(number)
            tally.note(number, ACKED)
        else:
            tally.refused += json.loads(payload)["type"] == "error"

    def _take_other(self, payload: bytes, *, is_text: bool) -> None:
        if not is_text:
            return
        frame = json.loads(payload)
        if frame["type"] == "caught_up":
            if not self.caught_up.done():
                self.caught_up.set_result(None)
        elif frame["type"] == "ping":
            self._write(b'{"type":"pong","n":%d}' % frame["n"])
        else:
            self._tally.other += 1

    def _tell_receipts(self, payload: bytes) -> None:
        conversation_id = _field(payload, b'"conversation_id":"', b'"')
        seq = _field(payload, b'"seq":', b",")
        self._write(RECEIPT % (conversation_id, b"delivered", seq))
        self._write(RECEIPT % (conversation_id, b"read", seq))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, data)


async def connect(url: str, talkers: list[Talker]) -> None:
    """Open all sockets, some at once, and wait until each is caught up."""
    turns = asyncio.Semaphore(CONNECTS_AT_ONCE)
    address = f"ws{url.removeprefix('http')}/ws"

    async def one(talker: Talker) -> None:
        headers = {"Sec-WebSocket-Protocol": "parley.v1.json", **dict(talker.person.headers)}
        async with turns:
            await ws_connect(
                lambda: talker,
                address,
                extra_headers=headers,
                read_buffer_init_size=4096,
                websocket_handshake_timeout=30,
            )
            async with asyncio.timeout(30):
                await talker.caught_up

    async with asyncio.TaskGroup() as group:
        for talker in talkers:
            group.create_task(one(talker))


def _field(payload: bytes, name: bytes, end: bytes) -> bytes:
    begin = payload.index(name) + len(name)
    return payload[begin : payload.index(end, begin)]
