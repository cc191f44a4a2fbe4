"""`parley stats`: how many messages, how fast they arrive and are read, what waits, how big it all is."""

import argparse
import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, Literal

from deploy.cli.database import check_there, reached
from deploy.cli.output import Refused, show_json, show_table, tell
from deploy.cli.settings import CliSettings
from shared.contracts.frames import rfc3339
from shared.database.analytics import DAY_MS, HOUR_MS, Analytics, Step, TooSlow, Window, analyse
from shared.runtime import clock

_UNITS: Final = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_PERCENTILES: Final = (50, 90, 99)
_HOURLY_UP_TO_MS: Final = 2 * DAY_MS
_SECOND_MS, _MINUTE_MS = 1000, 60_000


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "stats",
        help="figures about messages: sent, delivered, read, times between, what waits, sizes",
        description="Read figures in one snapshot, changing nothing. The table of messages is read from end to end, "
        "which takes ten seconds a million or more; nobody waits for it. Counts alone: no content, no names.",
        epilog="examples: parley stats · parley stats --since 7d · parley stats --since 90m --json",
    )
    parser.add_argument("--since", type=_duration, default=DAY_MS, metavar="D", help="look back so far: 90m, 24h, 7d")
    parser.add_argument("--by", choices=("hour", "day"), help="steps of an hour (up to 2 days) or of a day, in UTC")
    parser.add_argument(
        "--ways", type=int, default=100_000, metavar="N", help="follow the ways of the latest N messages (100000)"
    )
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="give up after so many seconds (30)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Read the figures and show them.

    Raises:
        Refused: the database is away, or takes too long.
    """
    url = settings.local.database
    check_there(url)
    by: Literal["hour", "day"] = arguments.by or ("hour" if arguments.since <= _HOURLY_UP_TO_MS else "day")
    since_ms = clock.now_ms() - arguments.since
    window = Window(since_ms, HOUR_MS if by == "hour" else DAY_MS, max(0, arguments.ways))
    try:
        with reached(url):
            found = asyncio.run(analyse(url, window, arguments.timeout))
    except TooSlow as error:
        raise Refused(f"it takes longer than {arguments.timeout:g} s: add --timeout, or look back less") from error
    if arguments.json:
        show_json(_report(found, since_ms, by))
    else:
        _show(found, since_ms, by)
    return 0


def _report(found: Analytics, since_ms: int, by: str) -> dict[str, object]:
    report = asdict(found)
    report["since"] = rfc3339(since_ms)
    report["by"] = by
    for name in ("to_delivered_ms", "to_read_ms"):
        report[name] = _percentiles(report[name])
    for step in report["steps"]:
        step["begins_at"] = rfc3339(step.pop("begins_ms"))
    return report


def _show(found: Analytics, since_ms: int, by: str) -> None:
    tell(f"since {rfc3339(since_ms)}: {found.sent:,} messages by {found.senders:,} senders in")
    tell(f"{found.active_conversations:,} conversations; {found.active_users:,} users were active")
    part = "" if found.ways_of_messages == found.sent else f" (the latest {found.ways_of_messages:,})"
    tell(f"\nto their recipients{part}: {found.looked_at:,}")
    rows = [
        {"what": "delivered", "count": _share(found.delivered, found.looked_at)} | _times(found.to_delivered_ms),
        {"what": "read", "count": _share(found.read, found.looked_at)} | _times(found.to_read_ms),
    ]
    show_table(rows, ("what", "count", *(f"p{percent}" for percent in _PERCENTILES)))
    if found.steps:
        tell("")
        show_table([_step(step, by) for step in found.steps], (by, "sent", "delivered", "read"))
    waiting = ", ".join(f"{count:,} {state}" for state, count in found.retries.items()) or "none"
    tell(f"\nundelivered now: {found.undelivered:,} to {found.undelivered_to:,} users; entries of the queue: {waiting}")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.conversations.items()) or "none"
    tell(f"accounts: {found.accounts:,} ({found.disabled_accounts:,} disabled); conversations: {kinds}")
    tell(f"the database has {found.bytes:,} bytes\n")
    sizes = (
        {
            "table": name,
            "rows": f"{'about ' if size.is_about else ''}{size.rows:,}",
            "bytes": "-" if size.bytes is None else f"{size.bytes:,}",
        }
        for name, size in found.sizes.items()
    )
    show_table(list(sizes), ("table", "rows", "bytes"))


def _step(step: Step, by: str) -> dict[str, object]:
    begins = rfc3339(step.begins_ms)
    shown = begins[:13].replace("T", " ") + "h" if by == "hour" else begins[:10]
    delivered, read = (_share(count, step.looked_at) for count in (step.delivered, step.read))
    return {by: shown, "sent": f"{step.sent:,}", "delivered": delivered, "read": read}


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.0%})" if whole else "-"


def _percentiles(times_ms: Sequence[int]) -> dict[str, int | None]:
    """Take the times that so many percent of all do not exceed (nearest rank)."""
    ordered = sorted(times_ms)
    return {
        f"p{percent}": ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None
        for percent in _PERCENTILES
    }


def _times(times_ms: Sequence[int]) -> dict[str, str]:
    return {name: "-" if ms is None else _readable(ms) for name, ms in _percentiles(times_ms).items()}


def _readable(ms: int) -> str:
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (_MINUTE_MS, "min"), (_SECOND_MS, "s")):
        if ms >= unit_ms:
            return f"{ms / unit_ms:.3g} {unit}"
    return f"{ms} ms"


def _duration(text: str) -> int:
    """Read a duration; returns milliseconds."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90m, 24h, 7d or 2w")
    return int(found[1]) * _UNITS[found[2]]
