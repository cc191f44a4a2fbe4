"""What the system allows a process."""

import resource
from typing import Final

from deploy.cli.doctor.findings import Finding, fail, fine, warn
from deploy.cli.doctor.settings import Told

NAME: Final = "open files"
FEW: Final = 4096
TOO_FEW: Final = 512
_SPARE: Final = 200
"""Files that a gateway has open beside its sockets, generously."""


async def check(_told: Told) -> list[Finding]:
    """Look how many files, and so how many sockets, a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [of_limit(soft, hard)]


def of_limit(soft: int, hard: int) -> Finding:
    """Judge the limit: each client of a gateway is one open file."""
    if soft == resource.RLIM_INFINITY:
        return fine(NAME, "no limit")
    seen = f"a process may have {soft:,} open (the hard limit is {'none' if hard < 0 else f'{hard:,}'})"
    more = max(65_536, FEW) if hard < 0 else min(65_536, hard)
    advice = f"`ulimit -n {more}` before the start (LimitNOFILE= for systemd, ulimits: for Compose)"
    if soft < TOO_FEW:
        return fail(NAME, seen, advice)
    if soft < FEW:
        return warn(NAME, f"{seen}: a gateway then takes some {max(0, soft - _SPARE):,} clients", advice)
    return fine(NAME, f"{soft:,} a process")
