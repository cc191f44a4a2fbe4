"""A network line between a browser and the gateway that can be cut, stalled or slowed."""

import asyncio
from contextlib import suppress

CHUNK_BYTES = 65_536
REFUSAL = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Line:
    """A TCP proxy on a port of its own, which it keeps as long as it is open."""

    def __init__(self, target_port: int) -> None:
        """Lead to a port of this machine; nobody needs to listen there."""
        self.target_port = target_port
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self.latency_s = 0.0
        self.is_cut = False
        self.is_stalled = False
        self.has_sockets = True

    async def open(self) -> None:
        """Take a free port and listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        """End every connection and give the port back."""
        if self._server is not None:
            self._server.close()
            self._abort_all()
            await asyncio.gather(*self._links.values())
            await self._server.wait_closed()

    @property
    def origin(self) -> str:
        """The origin of the pages that come over this line."""
        if self._server is None:
            raise RuntimeError("the line is not open")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Reset every connection, and every new one, until `restore`."""
        self.is_cut = True
        self._abort_all()

    def stall(self) -> None:
        """Let connections look alive and carry nothing, until `restore`: a half-open link.

        What was open stays dead for good, as behind a router that forgot it; after `restore` new ones work.
        """
        self.is_stalled = True
        for link in self._links:
            link.is_dead = True

    def slow_down(self, latency_s: float) -> None:
        """Hold every chunk that comes from now on for so long, in both directions."""
        self.latency_s = latency_s

    def refuse_sockets(self) -> None:
        """Answer WebSocket handshakes with 403 and end the open sockets: a proxy that knows only HTTP."""
        self.has_sockets = False
        for link in self._links:
            if link.is_socket:
                link.abort()

    def restore(self) -> None:
        """Work as before for every new connection."""
        self.latency_s = 0.0
        self.is_cut = self.is_stalled = False
        self.has_sockets = True

    def _abort_all(self) -> None:
        for link in self._links:
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            if self.is_cut:
                return
            link.is_dead = self.is_stalled
            with suppress(ConnectionError):
                await link.run()
        finally:
            link.abort()
            del self._links[link]


class _Link:
    """One connection of a browser, and the one it leads to."""

    def __init__(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = line
        self._reader = reader
        self._writers = [writer]
        self.is_dead = False
        self.is_socket = False

    def abort(self) -> None:
        """Reset both connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def run(self) -> None:
        """Carry bytes until one side ends."""
        browser = self._writers[0]
        first = await self._reader.read(CHUNK_BYTES)
        self.is_socket = first.startswith(b"GET /ws")
        if self.is_socket and not self._line.has_sockets:
            browser.write(REFUSAL)
            await browser.drain()
            browser.close()
            await browser.wait_closed()
            return
        answers, gateway = await asyncio.open_connection("127.0.0.1", self._line.target_port)
        self._writers.append(gateway)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._carry(self._reader, gateway, first))
            both.create_task(self._carry(answers, browser))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunk: bytes = b"") -> None:
        with suppress(ConnectionError):
            chunk = chunk or await reader.read(CHUNK_BYTES)
            while chunk:
                if self._line.latency_s:
                    await asyncio.sleep(self._line.latency_s)
                if not self.is_dead:
                    writer.write(chunk)
                    await writer.drain()
                chunk = await reader.read(CHUNK_BYTES)
        if not self.is_dead:
            writer.close()
