"""Idle sockets: what each costs the gateway in memory, and all of them in CPU."""

import asyncio
import resource
from typing import Any

from deploy.bench.people import Person
from deploy.bench.scenarios.pairs import close
from deploy.bench.talker import Talker, Tally, connect
from deploy.bench.watch import Watch

SETTLE_S = 1.0
# The page's limit; it stays when rate limits are off.
SOCKETS_PER_USER = 10
SPARE_DESCRIPTORS = 200


async def run(url: str, people: list[Person], watch: Watch, *, sockets: int, seconds: float) -> dict[str, Any]:
    """Open `sockets` sockets that say hello and nothing else."""
    sockets = min(sockets, len(people) * SOCKETS_PER_USER, _descriptors() - SPARE_DESCRIPTORS)
    tally = Tally()
    await asyncio.sleep(SETTLE_S)
    measured = watch.knows("gateway")
    before = watch.rss_bytes("gateway") if measured else 0
    talkers = [Talker(people[at % len(people)], "nobody", tally, device=f"idle-{at}") for at in range(sockets)]
    await connect(url, talkers)
    await asyncio.sleep(SETTLE_S)
    after = watch.rss_bytes("gateway") if measured else 0
    first = watch.sample()
    await asyncio.sleep(seconds)
    last = watch.sample()
    close(talkers)
    return {
        "scenario": "idle",
        "sockets": sockets,
        "kib_per_socket": round((after - before) / 1024 / sockets, 1) if measured else None,
        "cpu_percent": watch.cpu_percent(first, last),
        "rss_mib": watch.rss_mib(),
    }


def _descriptors() -> int:
    """Raise the limit of open files as far as it goes; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
