"""`parley restore`: a backup into the database; or --accept-gap, where log and database no longer fit together."""

import argparse
import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.cli import audit
from deploy.cli.broker import connected
from deploy.cli.database import reached, shown
from deploy.cli.output import Progress, Refused, confirm, show_json, tell
from deploy.cli.settings import CliSettings
from deploy.local.premises import Taken, data_directory
from deploy.local.settings import Settings
from services.delivery.store import Store
from shared.broker.connection import BROKER_ERRORS
from shared.broker.streams import LogState, log_state
from shared.database.archive import Archive, BrokenBackup, Manifest, NewerBackup
from shared.database.restore import NotRestored, look, restore

_EPOCH_BYTES = 8


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "restore",
        help="put a backup into the database, or go on where log and database don't fit together",
        description="With FILE: put a backup into an empty database, SQLite or PostgreSQL, while the system is "
        "stopped. Delivery then goes on from there with what the log has since; every client drops its cache. "
        "With --accept-gap: delivery stays not ready when the log misses what the database has not seen, or the "
        "other way round. Restoring a newer copy is better. Where there is none, delivery then goes on with all "
        "that is in the present log; what is in neither is lost, and every client drops its cache.",
        epilog="examples: parley restore parley-2026-11-22T10-15-00Z.zip · parley restore --replace FILE · "
        "parley restore --accept-gap",
    )
    parser.add_argument("path", type=Path, nargs="?", metavar="FILE", help="what `parley backup` wrote")
    parser.add_argument("--replace", action="store_true", help="give up what is in the database now")
    parser.add_argument("--accept-gap", action="store_true", help="give up what is in neither")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, refuse=parser.error)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Restore a backup, or accept a gap.

    Raises:
        Refused: nobody said yes, or it can't be done; nothing was changed then.
    """
    if (arguments.path is None) == (not arguments.accept_gap):
        arguments.refuse("name a backup, or use --accept-gap")
    if arguments.replace and arguments.path is None:
        arguments.refuse("--replace goes with a backup")
    epoch = f"e-{secrets.token_hex(_EPOCH_BYTES)}"
    if arguments.accept_gap:
        return _run_accept_gap(arguments, settings, epoch)
    return _run_restore(arguments, settings.local, epoch)


def _run_restore(arguments: argparse.Namespace, local: Settings, epoch: str) -> int:
    try:
        with Archive(arguments.path) as archive, _premises(local), reached(local.database):
            present = asyncio.run(look(local.database))
            if not present.is_empty:
                held = f"{shown(local.database)} holds {present.accounts:,} accounts and {present.messages:,} messages"
                if not arguments.replace:
                    raise Refused(f"{held}: restore into an empty database, or add --replace to give them up")
                confirm(f"{held}. Give them up?", is_sure=arguments.yes)
            progress = Progress()
            try:
                asyncio.run(
                    restore(local.database, archive, new_epoch=epoch, replace=arguments.replace, progress=progress.show)
                )
            finally:
                progress.close()
            manifest = archive.manifest
    except (BrokenBackup, NewerBackup, NotRestored, Taken) as error:
        raise Refused(str(error)) from error
    audit.note("restore", file=str(arguments.path.absolute()), rows=manifest.rows, epoch=epoch)
    if arguments.json:
        show_json({"created_at": manifest.created_at, "rows": manifest.rows, "epoch": epoch, "log_id": _log(manifest)})
    else:
        tell(f"{manifest.rows:,} rows of {manifest.created_at} are in {shown(local.database)}; the epoch is {epoch}")
        if log := _log(manifest):
            tell(f"start the system: where log {log} is still there, delivery adds what came since")
    return 0


@contextmanager
def _premises(local: Settings) -> Iterator[None]:
    """Keep the system from being started meanwhile, where its database is in the data directory."""
    if local.database_url is not None:
        yield
        return
    with data_directory(local):
        yield


def _log(manifest: Manifest) -> str | None:
    return manifest.positions[0].log_id if manifest.positions else None


def _run_accept_gap(arguments: argparse.Namespace, settings: CliSettings, epoch: str) -> int:
    """Move the positions onto the present log, under a new epoch."""
    confirm("Give up what is neither in the log nor in the database?", is_sure=arguments.yes)
    log = asyncio.run(_accept_gap(settings, epoch))
    audit.note("accept_gap", log_id=log.log_id, after_seq=log.first_seq - 1, epoch=epoch)
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
