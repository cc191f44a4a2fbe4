"""`parley backup`: the whole database in one file, while the system runs."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import IO, Final

from deploy.cli import audit
from deploy.cli.database import check_there, reached
from deploy.cli.output import Progress, Refused, show_json, tell
from deploy.cli.settings import CliSettings
from shared.contracts.frames import rfc3339
from shared.database.archive import Archive, BrokenBackup, Manifest, NewerBackup, NotWritten
from shared.database.backup import NoBackup, back_up
from shared.runtime import clock

_STANDARD_OUTPUT: Final = Path("-")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "backup",
        help="copy the whole database into one file, while the system runs",
        description="Write all of the database, as it is at one moment, into one file that only you can read: it "
        "holds messages and the hashes of passwords and tokens, and is not encrypted. `parley restore` puts it into "
        "SQLite or PostgreSQL, whichever it came from. What came later is in the log, for a week at most.",
        epilog="examples: parley backup /var/backups · parley backup before-upgrade.zip · "
        "parley backup --verify before-upgrade.zip · parley backup - | ssh elsewhere 'cat > parley.zip'",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="FILE",
        help="a new file; or a directory, then it is named by the time; or - for standard output",
    )
    parser.add_argument("--verify", action="store_true", help="read FILE back instead, and check that it is whole")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, refuse=parser.error)


def run(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Write a backup, or verify one.

    Raises:
        Refused: there is nothing to copy, the file can't be written, or what is to be verified is not whole.
    """
    path: Path = arguments.path
    if path == _STANDARD_OUTPUT:
        return _run_piped(arguments, settings.local.database)
    if arguments.verify:
        manifest = _verify(path)
    else:
        path = _named(path)
        manifest = _take(settings.local.database, path)
        _note(str(path.absolute()), manifest)
    if arguments.json:
        show_json(_report(path, manifest))
    else:
        verb = "is whole" if arguments.verify else "is written"
        size = path.stat().st_size
        tell(f"{path} {verb}: {size:,} bytes, {manifest.rows:,} rows of {manifest.created_at}, {_reached(manifest)}")
    return 0


def _run_piped(arguments: argparse.Namespace, url: str) -> int:
    if arguments.verify or arguments.json:
        arguments.refuse("- takes neither --verify nor --json: standard output has the backup itself")
    if sys.stdout.isatty():
        raise Refused("standard output is a terminal: name a file, or pipe it somewhere")
    manifest = _take(url, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    _note("-", manifest)
    return 0


def _note(file: str, manifest: Manifest) -> None:
    audit.note("backup", file=file, rows=manifest.rows, revision=manifest.revision)


def _take(url: str, target: Path | IO[bytes]) -> Manifest:
    check_there(url)
    progress = Progress()
    try:
        with reached(url):
            return asyncio.run(back_up(url, target, created_at=rfc3339(clock.now_ms()), progress=progress.show))
    except (NoBackup, NotWritten) as error:
        raise Refused(str(error)) from error
    finally:
        progress.close()


def _verify(path: Path) -> Manifest:
    try:
        with Archive(path) as archive:
            archive.verify()
            return archive.manifest
    except (BrokenBackup, NewerBackup) as error:
        raise Refused(str(error)) from error


def _named(path: Path) -> Path:
    if not path.is_dir():
        return path
    moment = rfc3339(clock.now_ms())[:19].replace(":", "-")
    return path / f"parley-{moment}Z.zip"


def _reached(manifest: Manifest) -> str:
    """Say in which log, and how far, the database of a backup had come."""
    if not manifest.positions:
        return "before any log"
    return f"log {manifest.positions[0].log_id} up to {min(place.stream_seq for place in manifest.positions)}"


def _report(path: Path, manifest: Manifest) -> dict[str, object]:
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "created_at": manifest.created_at,
        "revision": manifest.revision,
        "epoch": manifest.epoch,
        "positions": [{name: getattr(place, name) for name in place.__struct_fields__} for place in manifest.positions],
        "rows": {name: table.rows for name, table in manifest.tables.items()},
        "left_out": manifest.left_out,
    }
