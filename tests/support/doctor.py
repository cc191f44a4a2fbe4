"""What the tests of `parley doctor` share: the command with its JSON read, and brokers for a while."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
import sqlalchemy as sa

from deploy.cli.main import main
from shared.broker.connection import Connection
from shared.database.engine import open_engine
from tests.support.nats import NatsServer

T = TypeVar("T")
Row = dict[str, str]


class Doctor:
    """Runs the command under an environment of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Read its JSON from what is captured."""
        self._capsys = capsys

    def look(self, *argv: str) -> tuple[int, list[Row]]:
        """Run it; return the exit code and the rows."""
        self._capsys.readouterr()
        code = main(["doctor", "--json", *argv])
        report = json.loads(self._capsys.readouterr().out)
        assert report["ok"] == (code == 0)
        return code, report["checks"]

    def rows(self, check: str, *argv: str) -> list[Row]:
        """Run it; return the rows of one check."""
        found = [row for row in self.look(*argv)[1] if row["check"] == check]
        assert found, f"no row of {check}"
        return found

    def row(self, check: str, *argv: str) -> Row:
        """Run it; return the only row of one check."""
        (row,) = self.rows(check, *argv)
        return row


@contextlib.contextmanager
def running(server: NatsServer) -> Iterator[NatsServer]:
    """A broker for the length of a block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def at_broker(server: NatsServer, ask: Callable[[Connection], Awaitable[T]]) -> T:
    """Ask a broker, on a loop of its own."""

    async def run() -> T:
        connection = Connection(server.url, "tests")
        await connection.open()
        try:
            return await ask(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def in_database(url: str, statement: str) -> None:
    """Run a statement, on a loop of its own."""

    async def run() -> None:
        engine = open_engine(url, "writer", pool_size=1)
        async with engine.begin() as connection:
            await connection.execute(sa.text(statement))
        await engine.dispose()

    asyncio.run(run())
