"""The files of `parley init`: which there are, what each is made of, and how one is made anew."""

import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from deploy.cli.output import Refused
from deploy.nats import config
from deploy.nats.keys import new_seed, public_key
from deploy.nats.permissions import ROLES, Role

CLUSTER: Final = "cluster"
KEYS: Final[Mapping[str, Role]] = {f"nats_{role}": role for role in ROLES}
NAMES: Final = (*KEYS, "nats_cluster", "postgres", "grafana")
"""What can be made anew."""
USERS: Final = "nats_users.conf"
ROUTES: Final = "nats_cluster.conf"
POSTGRES: Final = "postgres_password"
DATABASE: Final = "database_url"
GRAFANA: Final = "grafana_password"
NOTE: Final = "made-by-parley-init"
"""What Compose looks for first, so that its complaint says how secrets are made."""

_PASSWORD_BYTES: Final = 32
_ROUTE_USER: Final = "parley-routes"
_ROUTE_PASSWORD: Final = re.compile(r'password: "([^"]+)"')
_DATABASE_USER: Final = "parley"
_NOTE: Final = """\
These files let the parts of an installation in to each other. Keep a copy in a safe place, and put them into no image
and no repository. `parley init --rotate NAME` makes one anew, `parley init --refresh` what is missing.
"""
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o644
"""Containers run under other users; the directory keeps everybody else out."""


class Places(NamedTuple):
    """Where the database and the broker's nodes are."""

    database_host: str
    nodes: tuple[str, ...]


class SecretFiles:
    """The secrets in one directory."""

    def __init__(self, directory: Path, places: Places) -> None:
        self._directory = directory
        self._places = places
        self._anew: dict[str, str] = {}

    def make_all(self) -> list[str]:
        """Make all of them; return their names.

        Raises:
            Refused: some are there.
            OSError: the directory can't be written.
        """
        there = [name for name in self._makers() if self._path(name).exists()]
        if there:
            raise Refused(
                f"{self._directory} has secrets already ({', '.join(there)}), and nothing is overwritten. "
                "`--refresh` makes what is missing, `--rotate NAME` makes one anew"
            )
        return self.refresh()

    def refresh(self) -> list[str]:
        """Make what is missing, and the broker's users again out of the keys that are there; return what changed.

        Raises:
            Refused: a file can't be understood.
            OSError: the directory can't be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(_DIRECTORY_MODE)
        made = []
        for name, make in self._makers().items():
            if not self._path(name).exists():
                self._create(name, make())
                made.append(name)
            elif name == USERS and self._read(name) != (text := make()):
                self._overwrite(name, text)
                made.append(name)
        return made

    def rotate(self, names: Sequence[str]) -> list[str]:
        """Make some anew, each with what is made of it; return the files.

        Raises:
            Refused: there is nothing to make anew, or a file can't be understood.
            OSError: the directory can't be written.
        """
        missing = [name for name in self._makers() if not self._path(name).exists()]
        if missing:
            raise Refused(f"{self._directory} has no {', '.join(missing)}: `--refresh` makes what is missing")
        files: dict[str, None] = {}
        for name in names:
            files |= dict.fromkeys(_FILES_OF[name])
        for name, make in self._makers().items():  # in order: the keys before what is made of them
            if name in files:
                self._anew[name] = make()
        for name, text in self._anew.items():  # all or, where one can't be made, none
            self._overwrite(name, text)
        return list(files)

    def _makers(self) -> dict[str, Callable[[], str]]:
        """Say what each file is made of; what is made of another comes after it."""
        return {
            NOTE: lambda: _NOTE,
            **{f"{name}.nk": new_seed for name in KEYS},
            USERS: lambda: config.users({role: self._public_key(f"{name}.nk") for name, role in KEYS.items()}),
            ROUTES: self._routes,
            POSTGRES: _password,
            DATABASE: self._database_url,
            GRAFANA: _password,
        }

    def _routes(self) -> str:
        """Write the cluster's password anew; what else stands in the file stays."""
        if self._path(ROUTES).exists() and (old := _ROUTE_PASSWORD.search(text := self._read(ROUTES))):
            return text.replace(old.group(1), _password())
        return config.cluster(_ROUTE_USER, _password(), self._places.nodes)

    def _database_url(self) -> str:
        """Write the database's password into its address; what else stands in the file stays."""
        password = self._read(POSTGRES)
        if self._path(DATABASE).exists() and (old := urlsplit(self._read(DATABASE).strip())).username:
            place = old.netloc.rpartition("@")[2]
            return urlunsplit(old._replace(netloc=f"{old.username}:{password}@{place}"))
        return f"postgresql+asyncpg://{_DATABASE_USER}:{password}@{self._places.database_host}/{_DATABASE_USER}"

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _read(self, name: str) -> str:
        return self._anew[name] if name in self._anew else self._path(name).read_text()

    def _public_key(self, name: str) -> str:
        try:
            return public_key(self._read(name).strip())
        except ValueError as error:
            raise Refused(f"{self._path(name)} holds no key ({error}); make one with `--rotate {name[:-3]}`") from error

    def _create(self, name: str, text: str) -> None:
        self._write(name, text, os.O_CREAT | os.O_EXCL)

    def _overwrite(self, name: str, text: str) -> None:
        """Write into the same file: a container that has it mounted would not see another one of the same name."""
        self._write(name, text, os.O_TRUNC)

    def _write(self, name: str, text: str, flags: int) -> None:
        descriptor = os.open(self._path(name), os.O_WRONLY | flags, _FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, _FILE_MODE)
            file.write(text)
            file.flush()
            os.fsync(descriptor)


_FILES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (f"{name}.nk", USERS) for name in KEYS},
    "nats_cluster": (ROUTES,),
    "postgres": (POSTGRES, DATABASE),
    "grafana": (GRAFANA,),
}


def _password() -> str:
    """Make a password that needs no quoting in an address or a config."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)
