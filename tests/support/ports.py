"""Free ports on 127.0.0.1: each process that tests hands out its own, so that runs side by side do not meet."""

import fcntl
import functools
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Below Linux's ephemeral range (32768 and up): an outgoing connection never takes one of these
# between the moment it was found free and the moment its server binds it.
LOWEST, HIGHEST = 18000, 32000
RESERVED = 500
"""How many ports a process reserves for itself, as long as it lives."""


def free_port() -> int:
    """One port that nobody listens on."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on.

    Raises:
        RuntimeError: there are none among the ports of this process.
    """
    for _ in range(RESERVED):
        block = list(itertools.islice(_ports(), count))
        if block[-1] - block[0] == count - 1 and all(map(_is_free, block)):
            return block[0]
    raise RuntimeError(f"no {count} neighbouring free ports found")


@functools.cache
def _ports() -> Iterator[int]:
    """The ports of this process, round and round: one that was handed out comes again when all others were."""
    first = _reserve()
    return itertools.cycle(range(first, first + RESERVED))


def _reserve() -> int:
    """Lock a range of ports until this process ends; returns the first one.

    Raises:
        RuntimeError: too many processes test at once.
    """
    locks = Path(tempfile.gettempdir(), f"parley-test-ports-{os.getuid()}")
    locks.mkdir(mode=0o700, exist_ok=True)
    ranges = list(range(LOWEST, HIGHEST, RESERVED))
    random.shuffle(ranges)
    for first in ranges:
        lock = os.open(locks / str(first), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return first  # the lock stays open
    raise RuntimeError(f"all {len(ranges)} ranges of ports are reserved by others")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
