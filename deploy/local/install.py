"""Fills `.venv` from a lock file, with hashes checked, and says how far it is.

Run by make before anything is installed, so it knows the standard library only. What is
installed already, from the same lock by the same Python, is left alone.
"""

import hashlib
import os
import re
import subprocess
import sys
import venv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
_TAIL_LINES = 30


def main() -> int:
    """Install the lock file named on the command line, and the project; 0 when `.venv` is as it says."""
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    return 0 if install(ROOT / sys.argv[1], project) else 1


def install(lock: Path, project: Sequence[str] = ()) -> bool:
    """Install what a lock file names, then what `project` tells pip; tell whether `.venv` is as the lock says."""
    stamp = VENV / f".installed-{lock.stem}"
    wanted = _fingerprint(lock)
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.exists():
        return True
    if not _is_usable(PYTHON) and not _make_venv():
        return False
    pinned = len(re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==", lock.read_text(), flags=re.MULTILINE))
    say(f"installing from {lock.name}: up to {pinned} packages")
    if not _pip(["--requirement", str(lock), "--require-hashes"]) or (project and not _pip(project)):
        return False
    stamp.write_text(wanted)
    return True


def _fingerprint(lock: Path) -> str:
    """Name all that the result depends on: the lock, the project, this Python, this place."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for path in (lock, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_usable(python: Path) -> bool:
    """Tell whether the virtual environment is whole, and of the version this runs on."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = [str(python), "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603 - our own venv
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def _make_venv() -> bool:
    say(f"making .venv with Python {sys.version.split()[0]}")
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        say("could not make .venv: this Python has no ensurepip. On Debian and Ubuntu: apt install python3-venv")
        return False
    return True


def _pip(arguments: Sequence[str]) -> bool:
    """Run pip; of its words show one per package, and the last ones where it fails."""
    environ = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [
        *(str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install"),
        *("--progress-bar", "off", "--no-color", *arguments),
    ]
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as pip:
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        for line in pip.stdout or ():
            tail.append(line)
            _show(line)
    _end_progress()
    if pip.returncode != 0:
        sys.stdout.writelines(tail)
        say("pip failed: its last words are above. Run the same make command again to go on")
    return pip.returncode == 0


_shown: Iterator[int] = iter(range(1, 10_000))


def _show(line: str) -> None:
    if package := re.match(r"Collecting (\S+?)(?: |\(|$)", line):
        _progress(f"{next(_shown):3} {package[1].split('==')[0]}")
    elif line.startswith("Installing collected packages"):
        _progress("    unpacking")


def _progress(text: str) -> None:
    """On a terminal one line that changes, else a line each."""
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="", flush=True)  # noqa: T201 - the installer's voice
    else:
        print(f"  {text}", flush=True)  # noqa: T201 - the installer's voice


def _end_progress() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)  # noqa: T201 - the installer's voice


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(f"parley: {text}", flush=True)  # noqa: T201 - the installer's voice


if __name__ == "__main__":
    sys.exit(main())
