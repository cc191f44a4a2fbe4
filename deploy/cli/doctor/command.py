"""The command itself: which checks there are, in which order they are shown, and how."""

import argparse
import asyncio
import dataclasses
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial

from deploy.cli.doctor import (
    broker,
    clocks,
    database,
    environment,
    limits,
    log,
    permissions,
    place,
    ports,
    secrets,
    services,
    streams,
    versions,
)
from deploy.cli.doctor.examination import Shared, examine
from deploy.cli.doctor.findings import Finding, Level
from deploy.cli.doctor.report import show
from deploy.cli.doctor.settings import Told, read
from deploy.cli.output import show_json
from shared.runtime import clock


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "doctor",
        help="look at everything a system needs, and say what to do",
        description="Look at settings, machine, secrets, broker, database and services, all at once, and change "
        "nothing. Each row is ok, - (not looked at: another row says why), WARN (may become a problem) or FAIL (exit "
        "code 1), with what was seen and what to do. It takes 10 s at most, and needs no running system.",
        epilog="examples: parley doctor · parley doctor --services http://gateway:8080,http://delivery:8080 · "
        "parley doctor --json",
    )
    parser.add_argument("--services", metavar="URL,...", help="where the services answer (PARLEY_SERVICES)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, needs_settings=False)  # it tells of those that can't be used


def run(arguments: argparse.Namespace, _settings: object) -> int:
    """Examine everything; 1 where something fails."""
    told = read(os.environ)
    if arguments.services is not None:
        told = dataclasses.replace(told, services=tuple(url for url in arguments.services.split(",") if url))
    findings = asyncio.run(look(told))
    has_failed = any(finding.level is Level.FAILURE for finding in findings)
    if arguments.json:
        show_json({"ok": not has_failed, "checks": [dataclasses.asdict(finding) for finding in findings]})
    else:
        show(findings)
    return 1 if has_failed else 0


async def look(told: Told, now: Callable[[], datetime] = clock.now) -> list[Finding]:
    """Make every check at once; the ways to broker and database are gone once, for all that need them."""
    async with (
        Shared(partial(broker.reach, told), broker.leave) as at_broker,
        Shared(partial(database.reach, told, now)) as at_database,
    ):

        async def of_broker() -> list[Finding]:
            reached = await at_broker.get()
            return [*reached.findings, *await permissions.check(reached)]

        async def of_streams() -> list[Finding]:
            return await streams.check(told, await at_broker.get())

        async def of_database() -> list[Finding]:
            return (await at_database.get()).findings

        async def of_log() -> list[Finding]:
            return await log.check(told, await at_broker.get(), await at_database.get())

        async def of_clocks() -> list[Finding]:
            return await clocks.check(await at_broker.get(), await at_database.get(), now)

        return await examine(
            {
                environment.NAME: partial(environment.check, told),
                "versions": partial(versions.check, told),
                limits.NAME: partial(limits.check, told),
                place.DATA: partial(place.check, told),
                secrets.NAME: partial(secrets.check, told),
                ports.NAME: partial(ports.check, told),
                broker.NAME: of_broker,
                streams.STREAMS: of_streams,
                database.NAME: of_database,
                log.FIT: of_log,
                clocks.NAME: of_clocks,
                services.NAME: partial(services.check, told),
            }
        )
