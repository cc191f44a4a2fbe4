"""`python -m deploy.bench`: measure a deployment, or one of its own where no address is given."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from deploy.bench import people, report
from deploy.bench.scenarios import floor, idle, paced, pairs
from deploy.bench.system import own_system
from deploy.bench.watch import Watch, find_pids

SCENARIOS = ("pairs", "paced", "idle", "floor")
Start = Callable[[], Coroutine[Any, Any, dict[str, Any]]]


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the scenarios that were asked for, one after the other."""
    async with AsyncExitStack() as stack:
        url = options.url or await stack.enter_async_context(own_system(options.database_url))
        pids = dict(pair.split("=") for pair in options.pids.split(",") if pair)
        watch = Watch({name: int(pid) for name, pid in pids.items()} or find_pids(url))
        count = options.pairs * 2
        everybody = people.from_file(options.tokens)[:count] if options.tokens else await people.register(url, count)
        results = []
        for start in _plan(options, url, everybody, watch):
            results.append(await start())
            _say(report.table(results[-1:]))
    return report.with_ratios(results)


def _plan(options: argparse.Namespace, url: str, everybody: list[people.Person], watch: Watch) -> list[Start]:
    """List the runs. Idle sockets come first: memory that was used before hides what they cost."""
    seconds, chosen = options.seconds, options.scenario or SCENARIOS
    plan: list[Start] = []
    if "idle" in chosen:
        plan.append(lambda: idle.run(url, everybody, watch, sockets=options.sockets, seconds=seconds))
    if "paced" in chosen:
        plan.append(lambda: paced.run(url, everybody, watch, rate=options.rate, seconds=seconds))
    if "pairs" in chosen:
        plan += [_pairs(options, url, everybody, watch, each) for each in options.in_flight]
    if "floor" in chosen:
        plan.append(lambda: floor.run(in_flight=options.in_flight[0], seconds=min(seconds, 3.0)))
    return plan


def _pairs(
    options: argparse.Namespace,
    url: str,
    everybody: list[people.Person],
    watch: Watch,
    in_flight: int,
) -> Start:
    return lambda: pairs.run(
        url,
        everybody,
        watch,
        in_flight=in_flight,
        seconds=options.seconds,
        receipts=options.receipts,
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.bench", description=__doc__)
    add = parser.add_argument
    add("scenario", nargs="*", help=f"any of {', '.join(SCENARIOS)}; all where none is named")
    add("--url", help="the gateway to measure; it needs PARLEY_RATE_LIMITS=off")
    add("--database-url", help="the database of the own system; SQLite where none is named")
    add("--pids", default="", help="name=pid,… of the services; else found by their ports")
    add("--tokens", type=Path, help="a file of `username token` lines; else users are registered")
    add("--seconds", type=float, default=5.0, help="how long each run is measured")
    add("--pairs", type=int, default=50, help="how many pairs of users")
    add("--in-flight", type=int, action="append", help="messages in flight; 400 and 3200")
    add("--rate", type=float, default=200.0, help="messages a second of `paced`")
    add("--sockets", type=int, default=1000, help="sockets of `idle`")
    add("--receipts", action="store_true", help="recipients report delivered and read")
    add("--json", type=Path, help="write the JSON there, not to the output")
    options = parser.parse_args(argv)
    if unknown := set(options.scenario) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    options.in_flight = options.in_flight or [400, 3200]
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table and the JSON; return the exit code."""
    options = _parse(argv)
    logging.getLogger("picows").setLevel(logging.CRITICAL)
    about = report.machine()
    results = uvloop.run(measure(options))
    _say("\n" + report.table(results))
    document = json.dumps({"machine": about, "results": results})
    if options.json:
        options.json.write_text(document + "\n")
    else:
        _say(document)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
