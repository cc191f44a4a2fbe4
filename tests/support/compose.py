"""The whole product in containers: the real docker-compose.yml, under a name, a port and secrets of a test's own."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import pytest

from tests.support.ports import free_ports
from tests.support.processes import ROOT

IMAGE: Final = "parley-test"
SERVICES: Final = ("gateway", "delivery", "history", "presence")
STORES: Final = ("nats", "postgres")
UP_S: Final = 180.0
BUILD_S: Final = 900.0
COMMAND_S: Final = 120.0
# A network with an index, a registry or an authority of its own tells the build.
BUILD_ARGUMENTS: Final = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "NODE_EXTRA_CA_CERTS")


class ComposeError(Exception):
    """A command did not do it; carries what it said."""


def require_engine() -> None:
    """Skip the test where no engine answers, or Compose is missing; fail it where it was asked for."""
    missing = _missing()
    if missing is None:
        return
    if os.environ.get("PARLEY_TEST_CONTAINERS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def _missing() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker here"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if subprocess.run(command, capture_output=True, timeout=30, check=False).returncode != 0:
            return f"`{' '.join(command)}` does not answer"
    return None


def docker(*arguments: str, timeout_s: float = COMMAND_S) -> str:
    """Run a command of the engine's client; return what it printed.

    Raises:
        ComposeError: it failed.
    """
    return _run(["docker", *arguments], None, timeout_s)


def inspect(*containers: str) -> list[dict[str, Any]]:
    """Return all that the engine tells about containers."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", *containers)) if containers else []
    return found


def make_secrets(directory: Path) -> None:
    """Make the secrets of an installation as an operator does."""
    _run([sys.executable, "-m", "deploy.cli.main", "init", "--dir", str(directory)], None, COMMAND_S)


class Project:
    """One installation. Its methods block: in a test with an event loop call them by `asyncio.to_thread`.

    `folder` takes secrets and settings. `files` come after docker-compose.yml. `settings` is what an operator writes
    into `.env`: read by Compose, and by the services. Ports are free ones of this machine: the first is the gateway's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        files: Sequence[str] = (),
        profiles: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        ports: int = 1,
    ) -> None:
        """Choose a name and ports, and make the secrets; nothing is started yet."""
        self.name = f"parley-test-{secrets.token_hex(4)}"
        self.folder = folder
        self.secrets = folder / "secrets"
        self.first_port = free_ports(ports)
        self.version = "test"
        self._files = ("docker-compose.yml", *files)
        self._profiles = tuple(profiles)
        self._settings_file = folder / "settings.env"
        self.settings = {"PARLEY_PORT": str(self.first_port), **(settings or {})}
        make_secrets(self.secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down(volumes=True)

    @property
    def url(self) -> str:
        """The gateway's address on this machine."""
        return f"http://127.0.0.1:{self.port()}"

    def compose(self, *arguments: str, timeout_s: float = COMMAND_S) -> str:
        """Run `docker compose ...` for this installation; return what it printed.

        Raises:
            ComposeError: it failed.
        """
        self._settings_file.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
        files = [word for file in self._files for word in ("--file", str(ROOT / file))]
        profiles = [word for profile in self._profiles for word in ("--profile", profile)]
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self._settings_file)]
        return _run([*command, *files, *profiles, *arguments], self._environ(), timeout_s)

    def build(self, *services: str) -> None:
        """Build the images; what has not changed is not built again."""
        given = [f"{name}={os.environ[name]}" for name in BUILD_ARGUMENTS if os.environ.get(name)]
        arguments = [word for each in given for word in ("--build-arg", each)]
        self.compose("build", "--quiet", *arguments, *services, timeout_s=BUILD_S)

    def up(self, *services: str, scale: Mapping[str, int] | None = None, options: Sequence[str] = ()) -> float:
        """Start all, or these, and wait until they are healthy; return the seconds it took."""
        scales = [word for name, count in (scale or {}).items() for word in ("--scale", f"{name}={count}")]
        begun = time.monotonic()
        try:
            self.compose("up", "--detach", "--wait", "--no-build", *scales, *options, *services, timeout_s=UP_S)
        except ComposeError as error:
            raise ComposeError(f"{error}\n{self.compose('ps', '--all')}\n{self.logs(tail=40)}") from error
        return time.monotonic() - begun

    def down(self, *, volumes: bool = False) -> None:
        """Stop it and take its containers and networks away; `volumes`: also what it has stored."""
        self.compose("--profile", "*", "down", "--remove-orphans", *(["--volumes"] if volumes else []))

    def stop(self, *services: str) -> None:
        """Stop all, or these, in good order."""
        self.compose("stop", *services)

    def start(self, *services: str) -> None:
        """Start what was stopped."""
        self.compose("start", *services)

    def exec(self, service: str, *command: str, index: int | None = None) -> str:
        """Run a command inside a container that runs; return what it printed."""
        return self.compose("exec", "--no-TTY", *_one(index), service, *command)

    def run(self, service: str, *command: str) -> str:
        """Run a one-shot container, such as `cli`; return what it printed."""
        return self.compose("run", "--rm", "--no-TTY", "--no-deps", service, *command)

    def logs(self, *services: str, tail: int | None = None) -> str:
        """Return what containers have written."""
        last = [] if tail is None else ["--tail", str(tail)]
        return self.compose("logs", "--no-color", *last, *services)

    def port(self, service: str = "gateway", private: int = 8080, *, index: int | None = None) -> int:
        """Return the port of this machine that leads to a container's."""
        return int(self.compose("port", *_one(index), service, str(private)).strip().rpartition(":")[2])

    def containers(self, *services: str, every: bool = False) -> list[str]:
        """Return the ids of the containers of these services, or of all; `every`: also of those that have ended."""
        return self.compose("ps", "--quiet", *(["--all"] if every else []), *services).split()

    def state(self, service: str) -> dict[str, Any]:
        """Tell how the only container of a service is: Status, Pid, ExitCode, StartedAt, Health and so on."""
        (found,) = inspect(*self.containers(service, every=True))
        state: dict[str, Any] = found["State"]
        return state

    def memory(self) -> dict[str, str]:
        """Tell how much memory each container uses, by its name."""
        told = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *self.containers())
        used = dict(line.split()[:2] for line in told.splitlines())
        return {name.removeprefix(f"{self.name}-").removesuffix("-1"): used[name] for name in sorted(used)}

    def is_healthy(self, *services: str) -> bool:
        """Tell whether there are containers of these services, or of all, and each with a health check is healthy."""
        found = [each["State"] for each in inspect(*self.containers(*services, every=True))]
        checked = [state for state in found if "Health" in state]
        return bool(checked) and all(state["Running"] and state["Health"]["Status"] == "healthy" for state in checked)

    def kill(self, service: str) -> None:
        """End all containers of a service with SIGKILL, as a crash does; return when the engine has started them again.

        Raises:
            ComposeError: it does not.
        """
        killed = inspect(*self.containers(service))
        for container in killed:
            try:
                os.kill(container["State"]["Pid"], signal.SIGKILL)
            except (PermissionError, ProcessLookupError):  # the engine runs elsewhere: it takes this for our wish
                docker("kill", container["Id"])
                docker("start", container["Id"])
        deadline = time.monotonic() + COMMAND_S
        for container in killed:
            while not _is_again(container):
                if time.monotonic() > deadline:
                    raise ComposeError(f"{service} was killed, and does not come back")
                time.sleep(0.05)

    def wait_healthy(self, *services: str, timeout_s: float = 60.0) -> None:
        """Wait until every container of these services, or of all with a health check, is healthy.

        Raises:
            ComposeError: one is not in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_healthy(*services):
            if time.monotonic() > deadline:
                raise ComposeError(f"not healthy: {self.compose('ps', '--all')}\n{self.logs(tail=40)}")
            time.sleep(0.1)

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the gateway says over its published port that it is ready.

        Raises:
            ComposeError: it does not in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with suppress(httpx.HTTPError, ComposeError, ValueError):
                if httpx.get(f"{self.url}/health/ready", timeout=3, trust_env=False).status_code == httpx.codes.OK:
                    return
            if time.monotonic() > deadline:
                raise ComposeError(f"the gateway is not ready: {self.logs(tail=40)}")
            time.sleep(0.1)

    def _environ(self) -> dict[str, str]:
        return {
            # Settings of whoever runs the tests do not count.
            **{name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "COMPOSE_"))},
            **{name: value for name, value in os.environ.items() if name.endswith("_IMAGE")},
            "PARLEY_IMAGE": IMAGE,
            "PARLEY_VERSION": self.version,
            "PARLEY_SECRETS": str(self.secrets),
            "PARLEY_ENV_FILE": str(self._settings_file),
        }


def _one(index: int | None) -> list[str]:
    """Choose one of several containers; without an index it is any: the first may be gone after a scaling down."""
    return [] if index is None else [f"--index={index}"]


def _is_again(killed: Mapping[str, Any]) -> bool:
    state = inspect(killed["Id"])[0]["State"]
    return bool(state["Running"]) and state["StartedAt"] != killed["State"]["StartedAt"]


def _run(command: Sequence[str], environ: Mapping[str, str] | None, timeout_s: float) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ComposeError(f"{' '.join(command)} did not end in {timeout_s:.0f} s: {error.stderr!r}") from error
    if done.returncode != 0:
        raise ComposeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
