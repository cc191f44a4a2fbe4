"""What must be free before anything starts: the ports, and the data directory for one system alone."""

import errno
import fcntl
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.programs import SERVICES, port_of
from deploy.local.settings import Settings

_PATIENCE_S = 3.0
_TRY_EVERY_S = 0.1


class Taken(Exception):
    """Something that this system needs is in use; the text says what to change."""


@contextmanager
def data_directory(settings: Settings) -> Iterator[None]:
    """Make the data directory and hold it for the length of the block.

    Raises:
        Taken: another system runs in it, or it can't be written.
    """
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # messages are in it
        lock = (settings.home / "launcher.lock").open("w")
    except OSError as error:
        raise Taken(f"{settings.home} can't be used: {error.strerror}. Set PARLEY_DATA_DIR to another place") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Taken(
                f"another Parley runs in {settings.home}. Stop it, or set PARLEY_DATA_DIR and PARLEY_PORT for this one"
            ) from error
        yield


def check_ports(settings: Settings) -> None:
    """Look whether all ports are free, for 3 s: a system that was just killed may still be going.

    Raises:
        Taken: with the setting to change for each that is not.
    """
    wanted = {port_of(settings, service): f"{service}, from PARLEY_PORT={settings.port}" for service in SERVICES}
    if settings.has_own_broker:
        from_setting = f"from PARLEY_NATS_PORT={settings.nats_port}"
        for port, what in ((settings.nats_port, "the broker"), (settings.nats_port + 1, "its monitor")):
            if port in wanted:
                raise Taken(f"port {port} is wanted by {wanted[port]} and by {what}, {from_setting}: change one")
            wanted[port] = f"{what}, {from_setting}"
    deadline = time.monotonic() + _PATIENCE_S
    while taken := [port for port in wanted if not is_free(port)]:
        if time.monotonic() > deadline:
            lines = "; ".join(f"{port} ({wanted[port]})" for port in taken)
            raise Taken(f"in use by another program: port {lines}. Stop that, or set another number")
        time.sleep(_TRY_EVERY_S)


def is_free(port: int) -> bool:
    """Tell whether a program could listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
