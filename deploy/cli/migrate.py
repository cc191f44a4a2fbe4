"""`parley migrate`: the schema of the database and the streams of the broker, brought up to date."""

import argparse
import asyncio

from deploy.cli.output import show_json, tell
from deploy.cli.settings import CliSettings
from deploy.local.preparation import prepare_broker, prepare_database
from shared.database.migrate import revisions


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser("migrate", help="bring the schema and the streams up to date; safe to repeat")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="wait so long for both (60)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Migrate and provision, both at once.

    Raises:
        NotPrepared: one of them did not answer in time, or refused.
    """
    if settings.local.database_url is None:
        settings.local.home.mkdir(parents=True, exist_ok=True)
    asyncio.run(_prepare(settings, arguments.timeout))
    revision, _ = revisions(settings.local.database)
    if arguments.json:
        show_json({"revision": revision, "broker": "ready"})
    else:
        tell(f"the schema is at revision {revision}, the streams are ready")
    return 0


async def _prepare(settings: CliSettings, timeout_s: float) -> None:
    await asyncio.gather(
        prepare_broker(settings.local.operator, settings.streams, timeout_s),
        prepare_database(settings.local.database, timeout_s),
    )
