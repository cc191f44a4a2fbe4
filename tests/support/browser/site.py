"""The product as browsers see it: real processes, and lines that lead to them."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.support.browser.line import Line
from tests.support.processes import Product

LINES = 16
"""Devices that a test may use at once. The gateway is told their origins when it starts."""


class Site:
    """The whole product with limits and rates as they are by default; each device has a line of its own to it."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """Nothing is started yet; `environ` are settings of the product."""
        self._folder = folder
        self._settings = dict(environ or {})
        self._product: Product | None = None
        self._free: list[Line] = []
        self._lines: list[Line] = []

    async def __aenter__(self) -> Self:
        for _ in range(LINES):
            line = Line(0)
            await line.open()
            self._lines.append(line)
        self._free = list(self._lines)
        origins = ",".join(line.origin for line in self._lines)
        self._product = Product(self._folder, environ={"PARLEY_ORIGINS": origins, **self._settings})
        for line in self._lines:
            line.target_port = self._product.port
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        for line in self._lines:
            await line.close()
        await self.stop()

    @property
    def product(self) -> Product:
        """The processes. Most of its methods block: call them by `asyncio.to_thread`."""
        if self._product is None:
            raise RuntimeError("the site is not running")
        return self._product

    @property
    def url(self) -> str:
        """The gateway's address, for programs; browsers go through a line."""
        return self.product.url

    @property
    def database_url(self) -> str:
        """Where the product stores what it knows."""
        return f"sqlite+aiosqlite:///{self._folder / 'data' / 'parley.db'}"

    def take_line(self) -> Line:
        """Lend a line that works."""
        if not self._free:
            raise RuntimeError(f"a test has {LINES} devices at most")
        return self._free.pop()

    def give_back(self, line: Line) -> None:
        """Take a line back, whatever was done to it."""
        line.restore()
        self._free.append(line)

    @contextmanager
    def borrowed_line(self) -> Iterator[Line]:
        """Lend a line for a block."""
        line = self.take_line()
        try:
            yield line
        finally:
            self.give_back(line)

    async def start(self) -> None:
        """Start the product, on the same ports and with the same data as before; wait until it is ready."""
        await asyncio.to_thread(self.product.start)

    async def stop(self) -> None:
        """Stop the product as an operator does."""
        await asyncio.to_thread(self.product.stop)

    async def restart(self) -> None:
        """Stop the product and start it again."""
        await self.stop()
        await self.start()

    async def kill(self, part: str) -> None:
        """End a service or the broker (`nats-server`) with SIGKILL; the launcher starts it again."""
        await asyncio.to_thread(self.product.kill, part)

    async def ready(self) -> None:
        """Wait until every service is ready."""
        await asyncio.to_thread(self.product.wait_ready)
