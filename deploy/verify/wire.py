"""One raw WebSocket of the protocol: what is sent and what comes is exactly what the caller sees."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

SUBPROTOCOL = Subprotocol("parley.v1.json")
MAX_FRAME_BYTES = 16 * 1024 * 1024

# JSON as it came: the suite judges its shape, so it may not assume one.
Frame = dict[str, Any]


class Closed(Exception):
    """The server closed the socket; `code` and `reason` as it said them."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed {code} {reason}")
        self.code = code
        self.reason = reason


class Unanswered(Exception):
    """What was waited for did not come; carries the frames that came instead."""


class Wire:
    """A socket that is open. Frames nobody asked for stay in `passed`, in their order."""

    def __init__(self, connection: ClientConnection) -> None:
        """Wrap an open connection; `dial` makes both."""
        self.connection = connection
        self.passed: list[Frame] = []

    async def send(self, frame: Mapping[str, object]) -> None:
        """Write one frame.

        Raises:
            Closed: the socket is closed.
        """
        await self.send_raw(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def send_raw(self, data: str | bytes) -> None:
        """Write text or bytes as they are.

        Raises:
            Closed: the socket is closed.
        """
        try:
            await self.connection.send(data)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self, timeout_s: float = 5.0) -> Frame:
        """Return the next frame.

        Raises:
            Closed: the socket is closed.
            TimeoutError: nothing came.
        """
        try:
            async with asyncio.timeout(timeout_s):
                data = await self.connection.recv(decode=False)
        except ConnectionClosed as error:
            raise _closed(error) from error
        frame: Frame = json.loads(data)
        return frame

    async def expect(
        self,
        kind: str,
        matching: Callable[[Frame], bool] = lambda _frame: True,
        *,
        timeout_s: float = 5.0,
    ) -> Frame:
        """Return the next frame of type `kind` that matches; others are put into `passed`.

        Raises:
            Closed: the socket is closed.
            Unanswered: it did not come in time.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        came: list[Frame] = []
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                frame = await self.receive(max(left, 0))
            except TimeoutError:
                raise Unanswered(f"no {kind} in {timeout_s} s, but {_brief(came)}") from None
            if frame.get("type") == kind and matching(frame):
                return frame
            came.append(frame)
            self.passed.append(frame)

    async def closing(self, timeout_s: float = 5.0) -> Closed:
        """Wait for the server to close the socket; what comes before is put into `passed`.

        Raises:
            Unanswered: it stays open.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                self.passed.append(await self.receive(max(left, 0)))
            except Closed as closed:
                return closed
            except TimeoutError:
                raise Unanswered(f"still open after {timeout_s} s") from None

    async def quiet(self, for_s: float = 0.4) -> list[Frame]:
        """Return every frame that comes within `for_s` seconds."""
        came: list[Frame] = []
        deadline = asyncio.get_running_loop().time() + for_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                came.append(await self.receive(left))
            except TimeoutError:
                break
        return came

    async def hello(
        self, device_id: str, *, cursors: Mapping[str, int] | None = None, epoch: str | None = None
    ) -> tuple[Frame, list[Frame], Frame]:
        """Say hello: the welcome, every frame of the replay, and the caught_up."""
        frame: dict[str, object] = {
            "type": "hello",
            "v": 1,
            "device_id": device_id,
            "cursors": dict(cursors or {}),
        }
        if epoch is not None:
            frame["epoch"] = epoch
        await self.send(frame)
        welcome = await self.expect("welcome")
        replay: list[Frame] = []
        while (came := await self.receive())["type"] != "caught_up":
            replay.append(came)
        return welcome, replay, came


@asynccontextmanager
async def dial(
    url: str,
    *,
    token: str | None = None,
    ticket: str | None = None,
    cookie: str | None = None,
    origin: str | None = None,
    open_timeout_s: float = 10.0,
) -> AsyncIterator[Wire]:
    """Open a socket by bearer token, ticket or cookie, or by nothing at all.

    Raises:
        InvalidStatus: the server refused the handshake.
        OSError, TimeoutError: nobody answers.
    """
    headers = {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if cookie is not None:
        headers["Cookie"] = cookie
    if ticket is not None:
        url = f"{url}?{urlencode({'ticket': ticket})}"
    async with connect(
        url,
        subprotocols=[SUBPROTOCOL],
        compression=None,
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        open_timeout=open_timeout_s,
        # Life is shown by the protocol's own ping frames.
        ping_interval=None,
        close_timeout=2,
        max_size=MAX_FRAME_BYTES,
        proxy=None,
    ) as connection:
        yield Wire(connection)


def _closed(error: ConnectionClosed) -> Closed:
    if error.rcvd is None:
        return Closed(1006, "dropped without a close frame")
    return Closed(error.rcvd.code, error.rcvd.reason)


def _brief(frames: list[Frame]) -> str:
    if not frames:
        return "nothing at all"
    return "; ".join(json.dumps(frame)[:200] for frame in frames[-5:])
