"""`parley migrate`: the schema of the database and the streams of the broker, brought up to date, or only looked at."""

import argparse
import asyncio
from dataclasses import asdict

from deploy.cli.output import show_json, tell
from deploy.cli.settings import CliSettings
from deploy.local.preparation import look_at_broker, look_at_database, prepare_broker, prepare_database
from shared.broker.streams import Difference
from shared.database.schema import HEAD, SchemaState


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "migrate",
        help="bring the schema and the streams up to date; safe to repeat",
        description="Bring the schema of the database and the streams of the broker up to date. It may run while the "
        "system does, and is safe to repeat; a database that a newer program has migrated stays as it is.",
        epilog="examples: parley migrate · parley migrate --timeout 300 · parley migrate --check",
    )
    parser.add_argument("--check", action="store_true", help="change nothing; tell what differs, and fail if anything")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="wait so long for both (60)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Migrate and provision, both at once; or look at both.

    Raises:
        NotPrepared: one of them did not answer in time, or refused.
    """
    if arguments.check:
        return _show(*asyncio.run(_look(settings, arguments.timeout)), as_json=arguments.json)
    if settings.local.database_url is None:
        settings.local.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = asyncio.run(_prepare(settings, arguments.timeout))
    if arguments.json:
        show_json({"revision": state.revision, "broker": "ready"})
    elif state.is_newer:
        tell(
            f"the schema is at revision {state.revision}, newer than this program's {HEAD}: it stays as it is; "
            "the streams are ready"
        )
    else:
        tell(f"the schema is at revision {state.revision}, the streams are ready")
    return 0


async def _prepare(settings: CliSettings, timeout_s: float) -> SchemaState:
    await asyncio.gather(
        prepare_broker(settings.local.operator, settings.streams, timeout_s),
        prepare_database(settings.local.database, timeout_s),
    )
    return await look_at_database(settings.local.database, timeout_s)


async def _look(settings: CliSettings, timeout_s: float) -> tuple[SchemaState, list[Difference]]:
    return await asyncio.gather(
        look_at_database(settings.local.database, timeout_s),
        look_at_broker(settings.local.operator, settings.streams, timeout_s),
    )


def _show(state: SchemaState, differences: list[Difference], *, as_json: bool) -> int:
    is_as_wanted = state.revision == HEAD and not state.lacking and not differences
    if as_json:
        database = {
            "revision": state.revision,
            "head": HEAD,
            "is_newer": state.is_newer,
            "lacking": state.lacking,
            "problem": _problem(state) or None,
        }
        show_json({"up_to_date": is_as_wanted, "database": database, "broker": [asdict(each) for each in differences]})
    else:
        tell(f"database: {_problem(state) or f'at revision {HEAD}'}")
        for each in differences:
            tell(f"broker: {each}")
        if not differences:
            tell("broker: streams, buckets and consumers are as wanted")
    return 0 if is_as_wanted else 1


def _problem(state: SchemaState) -> str:
    if state.is_newer and not state.lacking:
        return (
            f"newer than this program (revision {state.revision}, known is {HEAD}); it has all that this one needs, "
            "and `parley migrate` leaves it as it is"
        )
    return state.problem
