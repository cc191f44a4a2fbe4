"""`python -m deploy.verify.smoke`: one named check per promise of the page, ok or FAIL for each."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from deploy.verify.check import Check, FailedError, Lane
from deploy.verify.checks import LANES
from deploy.verify.deployment import Deployment
from deploy.verify.guests import Guests
from deploy.verify.stage import Stage
from deploy.verify.wire import Closed, Unanswered

# What a check may meet when the product misbehaves; anything else is a bug of the suite.
FINDINGS = (
    FailedError,
    Closed,
    Unanswered,
    TimeoutError,
    OSError,
    httpx.HTTPError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
)


class Report:
    """Prints a line per check and counts."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []

    def ok(self, name: str, seconds: float) -> None:
        """Print a check that held."""
        self.passed.append(name)
        _say(f"ok   {name} ({seconds:.1f} s)")

    def fail(self, name: str, why: str) -> None:
        """Print a check that did not."""
        self.failed.append(name)
        _say(f"FAIL {name}: {why}")

    def skip(self, name: str, why: str) -> None:
        """Print a check that was not run."""
        _say(f"skip {name}: {why}")


@dataclass(frozen=True)
class Choice:
    """Which checks to run, and how many times as long as usual each may take: 1 on a machine that does no more."""

    limits: bool = True
    long: bool = False
    only: str = ""
    services: bool = True
    patience: float = 1.0

    def reason_to_skip(self, check: Check) -> str | None:
        """Say why a check is left out, None where it is to be run."""
        if check.needs_limits and not self.limits:
            return "rate limits are off"
        if check.needs_services and not self.services:
            return "only the gateway can be reached from here"
        return "it takes minutes" if check.is_long and not self.long else None


async def smoke(url: str, choice: Choice) -> Report:
    """Run every check that was chosen; lanes side by side."""
    report = Report()
    async with Deployment(url) as deployment, asyncio.TaskGroup() as lanes:
        guests = Guests(deployment, await deployment.new_account("stranger"))
        for lane in LANES:
            lanes.create_task(_run_lane(lane, Stage(deployment, guests), report, choice))
    return report


async def _run_lane(lane: Lane, stage: Stage, report: Report, choice: Choice) -> None:
    for check in lane.checks:
        if choice.only not in check.name:
            continue
        reason = choice.reason_to_skip(check)
        if reason is None:
            await _run(check, stage, report, check.timeout_s * choice.patience)
        else:
            report.skip(check.name, reason)


async def _run(check: Check, stage: Stage, report: Report, timeout_s: float) -> None:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s) as stage.deadline:
            await check.body(stage)
    except FINDINGS as finding:
        report.fail(check.name, _why(finding))
    else:
        report.ok(check.name, time.monotonic() - begun)
    finally:
        stage.leave()


def _why(finding: BaseException) -> str:
    text = " ".join(str(finding).split())
    named = text if isinstance(finding, FailedError) else f"{type(finding).__name__} {text}"
    return named.strip()[:600]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run, and return the exit code: 0 when every check held."""
    parser = argparse.ArgumentParser(prog="python -m deploy.verify.smoke", description=__doc__)
    port = os.environ.get("PARLEY_PORT", "8080")
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}", help="the gateway's address")
    parser.add_argument("--only", default="", help="run the checks whose name contains this")
    parser.add_argument("--no-limits", action="store_true", help="the deployment runs with PARLEY_RATE_LIMITS=off")
    parser.add_argument("--long", action="store_true", help="run what takes minutes, too")
    parser.add_argument("--patience", type=float, default=1.0, metavar="X", help="let each check take X times as long")
    parser.add_argument("--gateway-only", action="store_true", help="the other services can't be reached from here")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    choice = Choice(
        limits=not options.no_limits,
        long=options.long,
        only=options.only,
        patience=options.patience,
        services=not options.gateway_only,
    )
    report = asyncio.run(smoke(options.url, choice))
    _say(f"{len(report.passed)} ok, {len(report.failed)} failed, in {time.monotonic() - begun:.0f} s")
    for name in report.failed:
        _say(f"FAIL {name}")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
