"""The ports that a system on this machine wants: its own while it runs, else free; and whether it runs at all."""

import fcntl
from pathlib import Path
from typing import Final

import psutil

from deploy.cli.doctor.findings import Finding, fail, fine, skip
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.local.premises import is_free
from deploy.local.programs import SERVICES, port_of
from deploy.local.settings import Settings

NAME: Final = "ports"
START: Final = "start it with `make run` (or `parley up`); on a server with `docker compose up -d`"


async def check(told: Told) -> list[Finding]:
    """Look whether another program has one of the ports, where no system runs here."""
    local = told.local
    if local is None:
        return [skip(NAME, "which ones, the settings don't say")]
    if told.services:
        return [skip(NAME, "the services listen elsewhere (PARLEY_SERVICES)")]
    return await in_thread(lambda: _look(local))


def runs_here(local: Settings) -> bool:
    """Tell whether a launcher keeps a system up in this data directory."""
    try:
        with (local.home / "launcher.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def wanted(local: Settings) -> dict[int, tuple[str, str]]:
    """List the ports: for what each is, and the setting that moves it."""
    ports = {port_of(local, service): (service, "PARLEY_PORT") for service in SERVICES}
    if local.has_own_broker:
        ports[local.nats_port] = ("the broker", "PARLEY_NATS_PORT")
        ports[local.nats_port + 1] = ("the broker's monitor", "PARLEY_NATS_PORT")
    return ports


def _look(local: Settings) -> list[Finding]:
    ports = wanted(local)
    if runs_here(local):
        return [fine(NAME, f"the system in {local.home} has its own")]
    taken = [port for port in ports if not is_free(port)]
    if not taken:
        return [fine(NAME, f"{_listed(ports)} are free")]
    owners = _owners()
    return [
        fail(
            NAME,
            f"port {port}, for {ports[port][0]}, is taken by {owners.get(port, 'a program of another user')}",
            f"stop that, or set {ports[port][1]} to another number",
        )
        for port in taken
    ]


def _owners() -> dict[int, str]:
    """Tell who listens on which port, as far as we may know."""
    try:
        listening = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return {}
    return {
        each.laddr.port: _named(each.pid)
        for each in listening
        if each.status == psutil.CONN_LISTEN and each.pid is not None
    }


def _named(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        command = " ".join(Path(word).name if at == 0 else word for at, word in enumerate(process.cmdline()))
        return f"{command[:80] or process.name()} (process {pid} of {process.username()})"
    except psutil.Error:
        return f"process {pid}"


def _listed(ports: dict[int, tuple[str, str]]) -> str:
    return ", ".join(map(str, sorted(ports)))
