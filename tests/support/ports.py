"""Free ports on 127.0.0.1, found by binding, so that runs side by side do not meet."""

import random
import socket

# Below Linux's ephemeral range (32768 and up): an outgoing connection never takes one of these
# between the moment it was found free and the moment its server binds it.
LOWEST, HIGHEST = 18000, 32000


def free_port() -> int:
    """One port that nobody listens on."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on.

    Raises:
        RuntimeError: no such block was found in 200 tries.
    """
    for _ in range(200):
        base = random.randrange(LOWEST, HIGHEST - count)  # noqa: S311 - no secret
        if all(_is_free(base + offset) for offset in range(count)):
            return base
    raise RuntimeError(f"no {count} neighbouring free ports found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
