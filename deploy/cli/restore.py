"""`parley restore --accept-gap`: go on where log and database no longer fit together."""

import argparse
import asyncio
import secrets

from deploy.cli.broker import connected
from deploy.cli.output import Refused, confirm, show_json, tell
from deploy.cli.settings import CliSettings
from services.delivery.store import Store
from shared.broker.connection import BROKER_ERRORS
from shared.broker.streams import LogState, log_state

_EPOCH_BYTES = 8


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "restore",
        help="go on after a restore",
        description="Delivery stays not ready when the log misses what the database has not seen, or the other way "
        "round. Restoring a newer copy is better. Where there is none, --accept-gap lets delivery go on with all "
        "that is in the present log; what is in neither is lost, and every client drops its cache.",
    )
    parser.add_argument("--accept-gap", action="store_true", required=True, help="give up what is in neither")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Move the positions onto the present log, under a new epoch.

    Raises:
        Refused: nobody said yes, or there is no log.
    """
    confirm("Give up what is neither in the log nor in the database?", is_sure=arguments.yes)
    epoch = f"e-{secrets.token_hex(_EPOCH_BYTES)}"
    log = asyncio.run(_accept_gap(settings, epoch))
    if arguments.json:
        show_json({"epoch": epoch, "log_id": log.log_id, "first_seq": log.first_seq, "last_seq": log.last_seq})
    else:
        tell(f"delivery goes on with log {log.log_id} from {log.first_seq} to {log.last_seq}; the epoch is {epoch}")
    return 0


async def _accept_gap(settings: CliSettings, epoch: str) -> LogState:
    async with connected(settings.local) as connection:
        try:
            log = await log_state(connection)
        except (*BROKER_ERRORS, ValueError) as error:
            raise Refused(f"the log can't be read ({error}): was `parley migrate` run here?") from error
    store = Store(settings.local.database)
    try:
        await store.accept_gap(log.log_id, log.partitions, after_seq=log.first_seq - 1, new_epoch=epoch)
    finally:
        await store.close()
    return log
