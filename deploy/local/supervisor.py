"""Keeps one program running: a dead one is started again, at once or with a growing pause."""

import asyncio
import signal
from collections import deque
from contextlib import suppress

from deploy.local.backoff import pause_s
from deploy.local.console import Console
from deploy.local.process import Process, Program
from shared.runtime import clock

_DEATHS_KEPT = 64


class Supervisor:
    """Runs one program over and over until it is told to stop.

    `restarts` wakes whoever has something to do after each start but the first.
    """

    def __init__(self, program: Program, console: Console) -> None:
        self.program = program
        self.last_exit: int | None = None
        self.restarts = asyncio.Event()
        self._console = console
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=_DEATHS_KEPT)

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    async def run(self) -> None:
        """Start it, and again whenever it ends; return when it has ended after `stop`."""
        while not self._stopping.is_set():
            process = await Process.start(self.program, self._console.say)
            self._process = process
            if self._deaths:
                self._console.say("parley", f"{self.name} is started again as process {process.pid}")
                self.restarts.set()
            if self._stopping.is_set():  # told to while it was being started
                process.signal(signal.SIGTERM)
            self.last_exit = await process.wait()
            self._process = None
            if not self._stopping.is_set():
                await self._pause()

    async def stop(self, timeout_s: float, running: "asyncio.Task[None]") -> None:
        """Ask it to end, kill it after `timeout_s`; `running` is the task of `run`."""
        self._stopping.set()
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([running], timeout=timeout_s)
        if not done and self._process is not None:
            self._console.say("parley", f"{self.name} did not end in {timeout_s:.0f} s and is killed")
            self._process.signal(signal.SIGKILL)
        await asyncio.wait([running])

    async def _pause(self) -> None:
        self._deaths.append(clock.monotonic())
        pause = pause_s(self._deaths)
        again = f"; next start in {pause:g} s" if pause else ""
        self._console.say("parley", f"{self.name} {_ending(self.last_exit)}{again}")
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
