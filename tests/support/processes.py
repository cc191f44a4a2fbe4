"""The whole product as processes: `python -m deploy.local` on free ports, its parts to be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "delivery", "history", "presence")
BROKER = "nats-server"
PARTS = (*SERVICES, BROKER)
START_S = 60.0
STOP_S = 30.0


class Product:
    """One launcher and what descends from it, with a data directory of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Choose ports; nothing is started yet. Without a database URL it is SQLite in `folder`."""
        self.folder = folder
        self.log = folder / "product.log"
        self.port = free_ports(len(SERVICES))
        self.nats_port = free_ports(2)
        self._environ = {
            # Settings of whoever runs the tests do not count.
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            "PARLEY_PORT": str(self.port),
            "PARLEY_NATS_PORT": str(self.nats_port),
            "PARLEY_DATA_DIR": str(folder / "data"),
            **({} if database_url is None else {"PARLEY_DATABASE_URL": database_url}),
            **(environ or {}),
        }
        self._launcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def launcher_pid(self) -> int:
        """The launcher's process id.

        Raises:
            RuntimeError: it is not running.
        """
        if self._launcher is None:
            raise RuntimeError("the product is not running")
        return self._launcher.pid

    def start(self) -> None:
        """Start the launcher and wait until every service says that it is ready.

        Raises:
            RuntimeError: it ended or was not ready in a minute; carries the end of its log.
        """
        self._launcher = spawn(
            [sys.executable, "-m", "deploy.local"],
            log=self.log,
            env=self._environ,
            cwd=ROOT,
            death_signal=signal.SIGTERM,
        )
        wait_until(
            self.is_ready,
            child=self._launcher,
            log=self.log,
            what="the product",
            timeout_s=START_S,
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it the way a user does; nothing of it stays behind."""
        if self._launcher is None:
            return
        descendants = self._descendants()
        stop(self._launcher, how=how, timeout_s=STOP_S)
        self._launcher = None
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=5)

    def is_ready(self) -> bool:
        """Tell whether every service answers `GET /health/ready` with 200."""
        return all(self._answers_ready(self.port + offset) for offset in range(len(SERVICES)))

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until every service is ready again.

        Raises:
            RuntimeError: one is not; carries the end of the log.
        """
        if self._launcher is None:
            raise RuntimeError("the product is not running")
        wait_until(
            self.is_ready,
            child=self._launcher,
            log=self.log,
            what="the product",
            timeout_s=timeout_s,
        )

    def pid(self, part: str) -> int | None:
        """Return the process id of a service or of the broker, None while it is down."""
        for process in self._descendants():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if _is(part, process.cmdline()):
                    return int(process.pid)
        return None

    def wait_pid(self, part: str, *, other_than: int | None = None, timeout_s: float = 20.0) -> int:
        """Wait until a part runs, as another process than it was.

        Raises:
            RuntimeError: it does not come back.
        """
        deadline = time.monotonic() + timeout_s
        while (pid := self.pid(part)) is None or pid == other_than:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{part} did not come back in {timeout_s} s")
            time.sleep(0.05)
        return pid

    def send_signal(self, part: str, how: signal.Signals) -> int:
        """Send a signal to a part (SIGKILL, SIGSTOP, SIGCONT …) and return its pid."""
        pid = self.wait_pid(part)
        os.kill(pid, how)
        return pid

    def kill(self, part: str) -> int:
        """End a part with SIGKILL; return the pid it had."""
        return self.send_signal(part, signal.SIGKILL)

    def _descendants(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.launcher_pid).children(recursive=True))
        return []

    def _answers_ready(self, port: int) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


def _is(part: str, command: list[str]) -> bool:
    if part == BROKER:
        return bool(command) and Path(command[0]).name == BROKER
    return ["-m", f"services.{part}.app"] in [command[at : at + 2] for at in range(len(command))]
