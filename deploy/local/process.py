"""One run of one program: a foreground child in a process group of its own that never outlives us."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CHUNK = 65_536
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Program:
    """What to run: its name in the logs, its command line, its whole environment."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    hidden: str | None = None
    """Lines with this text are not shown."""


class Process:
    """A run of a program. Its output goes to `say`, line by line."""

    def __init__(self, child: asyncio.subprocess.Process, program: Program, say: Callable[[str, str], None]) -> None:
        self._child = child
        self._program = program
        self._say = say

    @classmethod
    async def start(cls, program: Program, say: Callable[[str, str], None]) -> "Process":
        """Start the program.

        The child is in a process group of its own: a Ctrl-C in the terminal reaches the launcher
        alone, which then stops all in order. The kernel kills it when the launcher dies.
        """
        parent = os.getpid()

        def follow_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        child = await asyncio.create_subprocess_exec(
            *program.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=program.environ,
            cwd=program.cwd,
            process_group=0,
            preexec_fn=follow_parent,
        )
        return cls(child, program, say)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    async def wait(self) -> int:
        """Show its output until it ends; return its exit code, negative for a signal."""
        assert self._child.stdout is not None  # noqa: S101 - it was asked for above
        rest = b""
        while chunk := await self._child.stdout.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._show(line)
            if len(rest) > _CHUNK:
                self._show(rest)
                rest = b""
        if rest:
            self._show(rest)
        return await self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            self._child.send_signal(number)

    def _show(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if self._program.hidden is None or self._program.hidden not in text:
            self._say(self._program.name, text)
