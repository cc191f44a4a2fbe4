"""What the doctor finds: a row for each thing that was looked at, with what was seen and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; `SKIPPED`: it could not be looked at, for a reason that another row tells."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `advice` is what to do, "" where there is nothing to be done."""

    check: str
    level: Level
    seen: str
    advice: str = ""


def fine(check: str, seen: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, Level.OK, seen)


def skip(check: str, why: str) -> Finding:
    """Say that something was not looked at, and why."""
    return Finding(check, Level.SKIPPED, why)


def warn(check: str, seen: str, advice: str) -> Finding:
    """Say what may become a problem."""
    return Finding(check, Level.WARNING, seen, advice)


def fail(check: str, seen: str, advice: str) -> Finding:
    """Say what is a problem."""
    return Finding(check, Level.FAILURE, seen, advice)
