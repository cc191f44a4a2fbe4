"""Programs on this machine that are too old; those of broker and database are told where they are asked."""

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.cli.doctor.findings import Finding, fail, fine
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from shared.database.engine import is_sqlite

Version = tuple[int, ...]

OLDEST_PYTHON: Final = (3, 11)
OLDEST_SQLITE: Final = (3, 38)
"""It reads JSON with `->>`."""
OLDEST_NATS: Final = (2, 12)
"""It wakes retries at their times, and writes batches as one."""
OLDEST_POSTGRES: Final = (15,)
"""The oldest that the tests run with."""
_ASK_S: Final = 5.0


async def check(told: Told) -> list[Finding]:
    """Look at the versions of Python, SQLite and the nats-server that would be started here."""
    findings = [
        judged("python", "Python", sys.version_info[:3], OLDEST_PYTHON, "install a newer one, and make .venv with it")
    ]
    if told.local is None or is_sqlite(told.local.database):
        sqlite = sqlite3.sqlite_version_info
        findings.append(
            judged("sqlite", "SQLite", sqlite, OLDEST_SQLITE, "use a Python that is built with a newer one")
        )
    if told.local is None or told.local.has_own_broker:
        findings.append(await in_thread(_nats_server))
    return findings


def judged(check_name: str, what: str, version: Version, oldest: Version, advice: str) -> Finding:
    """Compare a version with the oldest one that will do."""
    if version >= oldest:
        return fine(check_name, f"{what} {said(version)}")
    return fail(check_name, f"{what} {said(version)} is too old: {said(oldest)} is needed", advice)


def said(version: Version) -> str:
    """Write a version as people do."""
    return ".".join(map(str, version))


def read(text: str) -> Version:
    """Read the first version in a text; () where there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _nats_server() -> Finding:
    beside = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    binary = beside or shutil.which("nats-server")
    advice = "run `make run`, which installs it, or set PARLEY_NATS_URL to a broker that runs elsewhere"
    if binary is None:
        return fail("nats-server", "there is none beside this Python or on PATH", advice)
    try:
        asked = subprocess.run(  # noqa: S603 - the program that the launcher would start
            [binary, "--version"], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("nats-server", f"{binary} does not run: {error}", advice)
    version = read(asked.stdout)
    if not version:
        return fail("nats-server", f"{binary} does not tell its version", advice)
    return judged("nats-server", "nats-server", version, OLDEST_NATS, advice)
