"""A broker that lets in only who has a key, and the four services in front of it, each with its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from deploy.cli.secret_files import ROUTES, USERS, Places, SecretFiles
from deploy.nats.permissions import Role
from shared.broker.access import Access, inbox_of
from tests.support.children import spawn, stop, wait_until
from tests.support.nats import NatsServer
from tests.support.ports import free_ports
from tests.support.processes import ROOT, SERVICES

CONFIGS = ROOT / "deploy" / "nats"


class Installation:
    """The secrets of `parley init`, and the broker's config of the product beside them."""

    def __init__(self, folder: Path) -> None:
        """Make both in `folder`."""
        self.secrets = folder / "secrets"
        self.files = SecretFiles(self.secrets, Places("127.0.0.1", ("nats",)))
        self.files.make_all()
        config = folder / "config"
        config.mkdir()
        for each in CONFIGS.glob("*.conf"):
            (config / each.name).write_text(each.read_text().replace('"/data"', f'"{folder}/jetstream"'))
        (config / "users.conf").symlink_to(self.secrets / USERS)
        (config / "cluster_auth.conf").symlink_to(self.secrets / ROUTES)
        self.broker = NatsServer(folder, config=config / "nats.conf")

    def key_file(self, role: Role) -> Path:
        """Where the seed of a role's key is."""
        return self.secrets / f"nats_{role}.nk"

    def seed(self, role: Role) -> str:
        """The seed of a role's key."""
        return self.key_file(role).read_text()

    def access(self, role: Role) -> Access:
        """The way of a role to the broker."""
        return Access((self.broker.url,), self.seed(role), inbox=inbox_of(role))


class Service:
    """One service as a process with a key, a log and a port of its own."""

    def __init__(self, name: str, folder: Path, port: int, environ: Mapping[str, str]) -> None:
        """Say how it is run; nothing is started yet."""
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        self.environ = {**environ, "PARLEY_HTTP_PORT": str(port), "PARLEY_LOG_FORMAT": "json"}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; that it is ready is another matter."""
        argv = [sys.executable, "-m", f"services.{self.name}.app"]
        self.child = spawn(argv, log=self.log, env=self.environ, cwd=ROOT)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until it says that it is ready."""
        assert self.child is not None
        wait_until(self.is_ready, child=self.child, log=self.log, what=self.name, timeout_s=timeout_s)

    def wait_said(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until something is in its log."""
        assert self.child is not None
        wait_until(lambda: text in self.said, child=self.child, log=self.log, what=text, timeout_s=timeout_s)

    def ended(self, within_s: float) -> int:
        """Wait until it has ended by itself; return its exit code.

        Raises:
            TimeoutExpired: it goes on.
        """
        assert self.child is not None
        return self.child.wait(within_s)

    def has_ended_within(self, seconds: float) -> bool:
        """Watch it for a while, and tell whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.ended(seconds)
            return True
        return False

    def stop(self) -> None:
        """End it as a signal does."""
        if self.child is not None:
            stop(self.child, how=signal.SIGTERM, timeout_s=15)
            self.child = None

    @property
    def pid(self) -> int:
        """The process id of its present life."""
        assert self.child is not None
        return self.child.pid

    @property
    def said(self) -> str:
        """All that it has logged."""
        return self.log.read_text() if self.log.exists() else ""

    def is_ready(self) -> bool:
        """Tell whether it answers that it is ready."""
        return self._status("ready") == httpx.codes.OK

    def is_alive(self) -> bool:
        """Tell whether it answers that it lives."""
        return self._status("live") == httpx.codes.OK

    def _status(self, of: str) -> int:
        try:
            return httpx.get(f"{self.url}/health/{of}", timeout=5, trust_env=False).status_code
        except httpx.HTTPError:
            return 0


class SecuredSystem:
    """All of it, with a database; `with` it. `provision` comes between the broker and the services."""

    def __init__(self, folder: Path, database_url: str, environ: Mapping[str, str] | None = None) -> None:
        """Make keys and say how everything is run; nothing is started yet."""
        self.installation = Installation(folder)
        self.broker = self.installation.broker
        self._own = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        self._shared = {
            **self._own,
            "PARLEY_NATS_URL": self.broker.url,
            "PARLEY_DATABASE_URL": database_url,
            "PARLEY_DATA_DIR": str(folder / "data"),
            **(environ or {}),
        }
        port = free_ports(len(SERVICES))
        public = {"PARLEY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        self.services = {
            name: Service(name, folder, port + number, {**self._shared, **public, **self._key(name)})
            for number, name in enumerate(SERVICES)
        }

    def __enter__(self) -> Self:
        self.broker.start()
        try:
            self.parley("migrate")
            for service in self.services.values():
                service.start()
            for service in self.services.values():
                service.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything."""
        for service in self.services.values():
            service.stop()
        self.broker.stop()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.services["gateway"].url

    def parley(self, *arguments: str) -> str:
        """Run a command as the operator does, with the operator's key; return what it prints."""
        return self._run("deploy.cli.main", *arguments)

    def smoke(self, *options: str) -> None:
        """Run the smoke suite, or a part of it."""
        self._run("deploy.verify.smoke", "--url", self.url, *options)

    def logs(self) -> dict[str, str]:
        """What each service and the broker have logged."""
        return {name: service.said for name, service in self.services.items()} | {
            "nats-server": self.broker.log.read_text()
        }

    def _run(self, module: str, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**self._shared, **self._key("operator")},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def _key(self, role: str) -> dict[str, str]:
        return {"PARLEY_NATS_NKEY_FILE": str(self.installation.secrets / f"nats_{role}.nk")}
