"""Another version beside this one: its tree from the history of this checkout, its services on a system of ours."""

import asyncio
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import pytest
import sqlalchemy as sa

from deploy.local.programs import programs
from deploy.local.settings import Settings
from shared.database.engine import open_engine
from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_ports
from tests.support.processes import ROOT, SERVICES, START_S, STOP_S

T = TypeVar("T")

Rows = Sequence[Sequence[Any]]
MIGRATIONS = "shared/database/migrations/versions"


class Services:
    """The four services, each from the tree of one version, in front of a broker and a database."""

    def __init__(self, folder: Path, *, nats_url: str, database_url: str) -> None:
        """Choose ports; nothing is started yet."""
        self._folder = folder
        self._settings = Settings(
            port=free_ports(len(SERVICES)), data_dir=folder / "data", database_url=database_url, nats_url=nats_url
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in SERVICES:  # the gateway first
            with suppress(KeyError):
                await self.stop(service)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._settings.address

    def start(self, service: str, tree: Path) -> None:
        """Start the service that is in a tree."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        environ["PARLEY_RATE_LIMITS"] = "off"  # some people for a short while; limits are not what this is about
        (program,) = (each for each in programs(self._settings, environ) if each.name == service)
        self._running[service] = spawn(
            program.argv, log=self.log_of(service), env={**program.environ, "PYTHONPATH": str(tree)}, cwd=tree
        )

    async def ready(self, service: str) -> None:
        """Wait until a service says that it is ready.

        Raises:
            RuntimeError: it ended or was not ready in time; carries the end of its log.
        """
        await asyncio.to_thread(
            wait_until,
            lambda: self.health(service)[0] == httpx.codes.OK,
            child=self._running[service],
            log=self.log_of(service),
            what=service,
            timeout_s=START_S,
        )

    async def roll(self, service: str, tree: Path) -> None:
        """Replace a service by that of another tree, as a signal ends it in good order; wait until it is ready."""
        await self.stop(service)
        self.start(service, tree)
        await self.ready(service)

    async def stop(self, service: str) -> None:
        """End a service in good order."""
        await asyncio.to_thread(stop, self._running.pop(service), how=signal.SIGTERM, timeout_s=STOP_S)

    def health(self, service: str) -> tuple[int, dict[str, str]]:
        """Ask a service whether it is ready: the status (0: no answer), and what each failing check says."""
        port = self._settings.port + SERVICES.index(service)
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return 0, {}
        checks = answer.json()["checks"].items()
        return answer.status_code, {name: each["detail"] for name, each in checks if each["status"] != "ok"}

    def log_of(self, service: str) -> Path:
        """Name the file into which a service writes."""
        return self._folder / f"{service}.log"


def previous_commit() -> str:
    """Name the commit before this one; skips where there is no history."""
    if Path(_git("rev-parse", "--show-toplevel")).resolve() != ROOT:
        pytest.skip(f"no previous version to upgrade from: {ROOT} is no checkout, but lies in one of something else")
    return _commit("HEAD~1")


def commit_before_the_last_migration() -> str:
    """Name the last commit that did not have the newest migration; skips where there is no history."""
    previous = previous_commit()  # else every file of a shallow clone seems to be new
    added = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/[0-9]*.py")
    before = _commit(f"{added}~1")
    if before == previous:
        pytest.skip("the newest migration came with this commit: the previous commit is tested already")
    return before


def unpack(commit: str, folder: Path) -> Path:
    """Unpack the tree of a commit; its services import nothing of ours."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    where = "import services.delivery, shared.broker; print(services.delivery.__file__, shared.broker.__file__)"
    seen = subprocess.run(
        [sys.executable, "-c", where],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(Path(file).is_relative_to(folder) for file in seen), f"not of the other tree: {seen}"
    return folder


def in_database(url: str, work: Callable[[sa.Connection], T]) -> T:
    """Do something in one transaction, whatever the program thinks of the schema."""

    async def run() -> T:
        engine = open_engine(url, "writer", pool_size=1)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def run_sql(url: str, *statements: str) -> Rows:
    """Run statements in one transaction; return the rows of the last, if it has any."""

    def run(connection: sa.Connection) -> Rows:
        for statement in statements:
            result = connection.execute(sa.text(statement))
        return result.all() if result.returns_rows else ()

    return in_database(url, run)


def _commit(name: str) -> str:
    return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _git(*arguments: str) -> str:
    try:
        asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError:
        pytest.skip("there is no git here, so no previous version to upgrade from")
    found = asked.stdout.strip()
    if asked.returncode or not found:
        pytest.skip(
            f"no previous version to upgrade from: `git {' '.join(arguments)}` finds nothing "
            "(a source archive, a shallow clone, or the very first commit)"
        )
    return found
