"""Notices that make was told to stop: it hands SIGTERM on to us, but keeps other signals to itself."""

import asyncio
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.2
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


async def interrupted_make() -> None:
    """Return when make, as our parent, has taken a signal; never return where make is not our parent.

    GNU make, interrupted alone, sets the signal back to its default and then waits for us without
    a word; the kernel shows that in the process' set of caught signals. Should make be killed, we
    get SIGTERM from the kernel.
    """
    parent = os.getppid()
    expected = _caught(parent)
    if "make" not in _name(parent) or not expected:
        await asyncio.Event().wait()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    while os.getppid() == parent and _caught(parent) == expected:  # noqa: ASYNC110 - another process' state
        await asyncio.sleep(_LOOK_EVERY_S)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _caught(pid: int) -> set[signal.Signals]:
    """List those of the ending signals for which a process has a handler."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    mask = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
    return {number for number in _ENDING if mask & 1 << (number - 1)}
