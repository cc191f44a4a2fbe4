"""What the processes of a deployment cost: CPU seconds and memory, the load generator included."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

SERVICES = ("gateway", "delivery", "history", "presence")
BROKER = "nats-server"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """CPU seconds used so far, per process, at one moment."""

    at: float
    cpu_s: Mapping[str, float]
    machine_s: float


class Watch:
    """The processes to look at, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Watch these, and this process as `client`."""
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._processes["client"] = psutil.Process(os.getpid())

    def sample(self) -> Sample:
        """Read the CPU time of each process and of the whole machine."""
        used = {name: _cpu_s(process) for name, process in self._processes.items()}
        machine = psutil.cpu_times()
        return Sample(time.monotonic(), used, sum(machine) - machine.idle - machine.iowait)

    def cpu_percent(self, before: Sample, after: Sample) -> dict[str, float]:
        """Return the share of one core that each process used between two samples.

        `others` is what everything else on the machine used: where it is much, the figures of the run are not what
        the machine can do.
        """
        elapsed = after.at - before.at
        used = {name: after.cpu_s[name] - before.cpu_s[name] for name in self._processes}
        used["others"] = max(0.0, after.machine_s - before.machine_s - sum(used.values()))
        return {name: round(100 * seconds / elapsed, 1) for name, seconds in used.items()}

    def rss_mib(self) -> dict[str, float]:
        """Return the resident memory of each process now."""
        return {name: round(self.rss_bytes(name) / MIB, 1) for name in self._processes}

    def rss_bytes(self, name: str) -> int:
        """Return the resident memory of one process."""
        return int(self._processes[name].memory_info().rss)

    def knows(self, name: str) -> bool:
        """Tell whether a process was found."""
        return name in self._processes


def find_pids(url: str) -> dict[str, int]:
    """Find the processes of a deployment on this machine by the ports they listen on."""
    first = urlsplit(url).port or 80
    ports = {first + offset: name for offset, name in enumerate(SERVICES)}
    found = {
        ports[connection.laddr.port]: connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid is not None and connection.laddr.port in ports
    }
    if "gateway" in found:
        found |= _broker_beside(found["gateway"])
    return found


def _broker_beside(gateway: int) -> dict[str, int]:
    """Find the nats-server that the gateway's launcher started."""
    parent = psutil.Process(gateway).parent()
    for process in [] if parent is None else parent.children(recursive=True):
        if process.name() == BROKER:
            return {BROKER: process.pid}
    return {}


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
