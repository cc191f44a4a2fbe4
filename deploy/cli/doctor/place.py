"""The place on this machine where data is kept: its rights, its disk, and the SQLite file in it."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import sqlalchemy as sa

from deploy.cli.doctor.findings import Finding, Level, fail, fine, skip, warn
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.local.settings import Settings
from shared.database.engine import is_sqlite

DATA: Final = "data directory"
DISK: Final = "disk"
FILE: Final = "database file"
WAL_BYTES: Final = 256 * 1024 * 1024
"""A write-ahead log is normally put back at 32 MiB."""
NETWORK_FILESYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)


class Room(NamedTuple):
    """How much of a disk must be free: shares of all of it, and bytes."""

    warning_share: float = 0.15
    failure_share: float = 0.05
    failure_bytes: int = 1024**3


ENOUGH: Final = Room()


class Mount(NamedTuple):
    """A filesystem, and where it is."""

    at: Path
    kind: str


async def check(told: Told) -> list[Finding]:
    """Look at the data directory, at the disk it is on, and at the SQLite file."""
    local = told.local
    if local is None:
        return [skip(name, "where it is, the settings don't say") for name in (DATA, DISK)]
    if not (local.has_own_broker or is_sqlite(local.database)):
        return [skip(name, "broker and database keep their data elsewhere") for name in (DATA, DISK)]
    return await in_thread(lambda: _look(local))


def _look(local: Settings) -> list[Finding]:
    findings = [of_directory(local.home), of_disk(local.home)]
    if is_sqlite(local.database):
        findings += of_file(Path(sa.make_url(local.database).database or ""), mounts())
    return findings


def of_directory(home: Path) -> Finding:
    """Look whether the data directory, or the place where it is to be made, can be written by us alone."""
    present = existing(home)
    if not present.is_dir():
        return fail(DATA, f"{present} is not a directory", "set PARLEY_DATA_DIR to another place")
    if not os.access(present, os.W_OK | os.X_OK):
        return fail(
            DATA,
            f"{present} can't be written by {_me()}: it is {_owner(present)}'s",
            f"run this as {_owner(present)}, give it away (chown -R {_me()} {present}), or set PARLEY_DATA_DIR",
        )
    if present != home:
        return fine(DATA, f"{home} is made at the first start")
    if foreign := _unwritable(home):
        return fail(
            DATA,
            f"{foreign} can't be written by {_me()}: it is {_owner(foreign)}'s",
            f"it was probably run as {_owner(foreign)} before: chown -R {_me()} {home}",
        )
    if others_can(home, stat.S_IROTH | stat.S_IXOTH):
        return warn(DATA, f"everybody on this machine can read {home}, messages too", f"chmod 700 {home}")
    return fine(DATA, str(home))


def of_disk(home: Path, room: Room = ENOUGH) -> Finding:
    """Look how much of the data directory's disk is free."""
    present = existing(home)
    disk = os.statvfs(present)
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    share = free / total if total else 1.0
    seen = f"{size(free)} of {size(total)} free ({share:.0%}) where {home} is"
    advice = "make room, or move the data directory to a larger disk (PARLEY_DATA_DIR)"
    if share < room.failure_share or free < room.failure_bytes:
        return fail(DISK, seen, f"{advice}: a full disk stops the broker, and with it every message")
    if share < room.warning_share:
        return warn(DISK, seen, advice)
    return fine(DISK, seen)


def of_file(path: Path, known: Sequence[Mount], wal_bytes: int = WAL_BYTES) -> list[Finding]:
    """Look at a SQLite file, at what is beside it, and at the filesystem under it."""
    if not path.exists():
        where = existing(path.parent)
        if not os.access(where, os.W_OK | os.X_OK):
            return [fail(FILE, f"{where} can't be written by {_me()}", "make it writable, or move the file")]
        return [skip(FILE, f"{path} is made by `parley migrate`")]
    findings = [_of_network(path, known), _of_rights(path), _of_wal(path, wal_bytes)]
    bad = [finding for finding in findings if finding.level is not Level.OK]
    return bad or [fine(FILE, f"{path}, {size(path.stat().st_size)}")]


def _of_network(path: Path, known: Sequence[Mount]) -> Finding:
    kind = filesystem_of(path, known)
    if kind not in NETWORK_FILESYSTEMS:
        return fine(FILE, kind)
    return fail(
        FILE,
        f"{path} is on a network filesystem ({kind}), where SQLite can lose what it has written",
        "put PARLEY_DATA_DIR on a disk of this machine, or use PostgreSQL (PARLEY_DATABASE_URL)",
    )


def _of_rights(path: Path) -> Finding:
    for each in (path, *_beside(path)):
        if not os.access(each, os.R_OK | os.W_OK):
            owner = _owner(each)
            return fail(
                FILE,
                f"{each} can't be written by {_me()}: it is {owner}'s",
                f"run this as {owner}, or give it away: chown {_me()} {each}",
            )
    return fine(FILE, str(path))


def _of_wal(path: Path, wal_bytes: int) -> Finding:
    wal = path.with_name(f"{path.name}-wal")
    grown = wal.stat().st_size if wal.exists() else 0
    if grown <= wal_bytes:
        return fine(FILE, size(grown))
    return warn(
        FILE,
        f"its write-ahead log {wal.name} has grown to {size(grown)}",
        "a long reading transaction (a backup, a shell) keeps it from being put back: end that; "
        "else stop the system and start it again",
    )


def existing(path: Path) -> Path:
    """Return the path, or what of it exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def others_can(path: Path, mode: int) -> bool:
    """Tell whether everybody may do something with a path, and has a way to it."""
    way_is_open = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents)
    return way_is_open and bool(path.stat().st_mode & mode)


def mounts() -> list[Mount]:
    """List the filesystems of this machine."""
    return [Mount(Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True)]


def filesystem_of(path: Path, known: Iterable[Mount]) -> str:
    """Tell on what kind of filesystem a path is, "" where nobody knows."""
    whole = path.resolve()
    under = [mount for mount in known if whole.is_relative_to(mount.at)]
    return max(under, key=lambda mount: len(mount.at.parts)).kind if under else ""


def size(count: int) -> str:
    """Write a number of bytes as people do."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004 - so the units go
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _unwritable(home: Path) -> Path | None:
    inside = (home / name for name in ("jetstream", "nats.conf", "launcher.lock"))
    return next((path for path in inside if path.exists() and not os.access(path, os.W_OK)), None)


def _beside(path: Path) -> list[Path]:
    return [other for end in ("-wal", "-shm") if (other := path.with_name(path.name + end)).exists()]


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return f"user {path.stat().st_uid}"


def _me() -> str:
    return str(psutil.Process().username())
