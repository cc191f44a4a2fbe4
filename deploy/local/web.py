"""Builds the browser client, where its sources have changed, and runs its checks and tests.

Run by make before anything is installed, so it knows the standard library only. It needs Node.js
and npm: those of this machine where they are new enough, else those of `requirements-node.lock`.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.install import ROOT, VENV, install, say

WEB: Final = ROOT / "services" / "gateway" / "web"
DIST: Final = WEB / "dist"
NODE_LOCK: Final = ROOT / "requirements-node.lock"
OLDEST_NODE: Final = (22, 12)

_MADE: Final = frozenset({"node_modules", "dist", "dist.next", "dist.last"})
_STAMP: Final = ".stamp"
_INSTALL_TIMEOUT_S: Final = 600
_RUN_TIMEOUT_S: Final = 300


class UnavailableError(Exception):
    """A tool could not be had; says what to do."""


class FailedError(Exception):
    """A tool ran, and found fault with the client."""


def main() -> int:
    """Do what the command line says; 0 when it was done, or was allowed to be impossible."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.web", description=__doc__)
    parser.add_argument("task", nargs="?", default="build", choices=("build", "tools", "check", "test", "dev"))
    parser.add_argument("--if-possible", action="store_true", help="go on without the client where tools are missing")
    arguments = parser.parse_args()
    try:
        if arguments.task == "build":
            _build()
        elif arguments.task == "tools":
            with _alone():
                _tools()
        else:
            _run_script(arguments.task)
    except UnavailableError as missing:
        say(f"{missing}")
        if arguments.if_possible:
            say("going on without the browser client; everything else works")
        return 0 if arguments.if_possible else 1
    except FailedError as failed:
        say(f"{failed}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _build() -> None:
    wanted = _fingerprint(_sources())
    if _is_stamped(DIST, wanted):
        return
    with _alone():
        if _is_stamped(DIST, wanted):
            return
        environ = _tools()
        say("building the browser client")
        started_s = time.monotonic()
        following, last = WEB / "dist.next", WEB / "dist.last"
        _npm(["run", "--silent", "build", "--", "--outDir", following.name, "--emptyOutDir"], environ, _RUN_TIMEOUT_S)
        (following / _STAMP).write_text(wanted)
        shutil.rmtree(last, ignore_errors=True)
        if DIST.exists():
            DIST.rename(last)
        following.rename(DIST)
        shutil.rmtree(last, ignore_errors=True)
        say(f"built the browser client in {time.monotonic() - started_s:.1f} s")


def _run_script(name: str) -> None:
    """Run a script of `package.json` in the foreground."""
    with _alone():
        environ = _tools()
    command = [_found("npm", environ), "run", "--silent", name]
    timeout_s = None if name == "dev" else _RUN_TIMEOUT_S
    try:
        code = subprocess.run(command, cwd=WEB, env=environ, timeout=timeout_s, check=False).returncode  # noqa: S603 - our own script
    except subprocess.TimeoutExpired:
        raise FailedError(f"npm run {name} did not end within {_RUN_TIMEOUT_S} s") from None
    if code != 0:
        raise FailedError(f"npm run {name} failed in services/gateway/web")


def _tools() -> dict[str, str]:
    """Make sure that Node.js and the packages of the lock are there; return the environment to run them in."""
    environ = _environ_with_node()
    wanted = _fingerprint([WEB / "package.json", WEB / "package-lock.json", WEB / ".npmrc"])
    if not _is_stamped(WEB / "node_modules", wanted):
        say("installing the tools of the browser client (npm ci): this can take a minute")
        try:
            _npm(["ci"], environ, _INSTALL_TIMEOUT_S)
        except FailedError as failed:
            raise UnavailableError(
                f"{failed}. If this machine reaches npm packages by another registry, tell npm "
                "(npm config set registry <address>); then run the same make command again"
            ) from failed
        (WEB / "node_modules" / _STAMP).write_text(wanted)
    return environ


def _environ_with_node() -> dict[str, str]:
    if _is_usable(dict(os.environ)):
        return dict(os.environ)
    if install(NODE_LOCK):
        environ = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
        if _is_usable(environ):
            return environ
    oldest = ".".join(map(str, OLDEST_NODE))
    raise UnavailableError(
        f"the browser client is built with Node.js {oldest} or newer and its npm. There is none here, and none could "
        "be installed from the Python package index: install Node.js, then run the same make command again"
    )


def _is_usable(environ: dict[str, str]) -> bool:
    """Tell whether `node` is new enough, and `npm` there."""
    try:
        command = [_found("node", environ), "--version"]
        _found("npm", environ)
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout  # noqa: S603 - asks for the version
    except (OSError, UnavailableError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"v(\d+)\.(\d+)\.", told)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE


def _found(program: str, environ: dict[str, str]) -> str:
    path = shutil.which(program, path=environ.get("PATH"))
    if path is None:
        raise UnavailableError(f"there is no {program} here")
    return path


def _npm(arguments: list[str], environ: dict[str, str], timeout_s: float) -> None:
    """Run npm in the client's directory; show its words only where it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [_found("npm", environ), *arguments],
            cwd=WEB,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"npm {arguments[0]} did not end within {timeout_s} s") from None
    if done.returncode != 0:
        sys.stdout.write(done.stdout)
        raise FailedError(f"npm {' '.join(arguments[:3])} failed: its words are above")


def _sources() -> list[Path]:
    """List the files which the build reads, and this one."""
    found = [Path(__file__)]
    for directory, directories, files in os.walk(WEB):
        directories[:] = [name for name in directories if name not in _MADE and name != "test"]
        found += [Path(directory, name) for name in files]
    return sorted(found)


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_stamped(directory: Path, wanted: str) -> bool:
    try:
        return (directory / _STAMP).read_text() == wanted
    except OSError:
        return False


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until nobody else installs or builds the client of this checkout."""
    lock = ROOT / ".make" / "web.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
