"""Notices that make was told to stop: it hands SIGTERM on to us, but keeps SIGINT to itself."""

import asyncio
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.2


async def interrupted_make() -> None:
    """Return when make, as our parent, has taken a SIGINT; never return where make is not our parent.

    GNU make, interrupted alone, sets the signal back to its default and then waits for us without
    a word; the kernel shows that in the process' set of caught signals. Should make be killed, we
    get SIGTERM from the kernel.
    """
    parent = os.getppid()
    if "make" not in _name(parent) or not _catches_sigint(parent):
        await asyncio.Event().wait()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    while os.getppid() == parent and _catches_sigint(parent):  # noqa: ASYNC110 - another process' state
        await asyncio.sleep(_LOOK_EVERY_S)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _catches_sigint(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) & 1 << (signal.SIGINT - 1))
