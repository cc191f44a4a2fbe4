"""Secrets on disk: readable by those alone whom they are for, complete, and fitting each other."""

import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from deploy.cli.doctor.place import others_can
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.cli.secret_files import DATABASE, GRAFANA, KEYS, NOTE, POSTGRES, ROUTES, USERS
from deploy.nats.keys import public_key

NAME: Final = "secrets"
FOLDER: Final = Path("secrets")
SEEDS: Final = tuple(f"{name}.nk" for name in KEYS)
FILES: Final = (*SEEDS, USERS, ROUTES, POSTGRES, DATABASE, GRAFANA, NOTE)
"""What `parley init` makes."""
_FILE: Final = "_FILE"
_MOUNTED: Final = Path("/run/secrets")
"""Where an engine puts them into a container, readable by all in it: there is nobody else."""


async def check(told: Told) -> list[Finding]:
    """Look at the files that the settings name, and at the folder that `parley init` makes."""
    named = [
        Path(value)
        for name, value in sorted(told.environ.items())
        if name.startswith("PARLEY_") and name.endswith(_FILE) and value and not name.endswith("_CA_FILE")
    ]
    return await in_thread(lambda: _look(named, FOLDER))


def _look(named: list[Path], folder: Path) -> list[Finding]:
    findings = [row for path in named for row in _of_file(path)]
    if folder.is_dir():
        findings += of_folder(folder)
    elif not named:
        return [skip(NAME, f"there is no ./{folder}: only a system in containers needs one (`parley init`)")]
    return findings or [fine(NAME, f"{len(named)} named by settings" if named else f"./{folder} is complete")]


def _of_file(path: Path) -> list[Finding]:
    if not path.is_file() or path.is_relative_to(_MOUNTED) or not others_can(path, stat.S_IROTH):
        return []  # that it can't be read is told with the settings
    return [warn(NAME, f"everybody on this machine can read {path}", f"chmod 600 {path}")]


def of_folder(folder: Path) -> list[Finding]:
    """Look at a folder of secrets: its rights, what is missing, and whether keys and passwords fit each other."""
    findings = []
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        findings.append(warn(NAME, f"others on this machine can enter ./{folder}", f"chmod 700 {folder}"))
    lacking = [name for name in FILES if not (folder / name).is_file() or not (folder / name).stat().st_size]
    if lacking:
        findings.append(
            fail(
                NAME,
                f"./{folder} lacks {', '.join(lacking)}",
                "`parley init --refresh` makes what is missing, and only that",
            )
        )
    return findings + _of_keys(folder) + _of_password(folder)


def _of_keys(folder: Path) -> list[Finding]:
    users = _read(folder / USERS)
    findings = []
    for name in SEEDS:
        if not (seed := _read(folder / name)):
            continue
        try:
            public = public_key(seed)
        except ValueError:
            findings.append(
                fail(NAME, f"{folder / name} holds no nkey's seed", f"`parley init --rotate {Path(name).stem}`")
            )
            continue
        if users and public not in users:
            seen = f"the key in {folder / name} is not among the broker's users in {folder / USERS}"
            findings.append(
                fail(NAME, seen, "`parley init --refresh` writes it there; then have the broker read it again")
            )
    return findings


def _of_password(folder: Path) -> list[Finding]:
    url, password = _read(folder / DATABASE), _read(folder / POSTGRES)
    if not url or not password or urlsplit(url).password == password:
        return []
    seen = f"the password in {folder / DATABASE} is not the one in {folder / POSTGRES}"
    return [fail(NAME, seen, "write the one that PostgreSQL was made with into both")]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
