"""Child processes of the tests: none outlives the test run, however that ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PR_SET_PDEATHSIG = 1
# The kernel takes the end of the thread that started a child for the end of the parent, so all
# children are started by one thread that lives as long as we do.
_starter = ThreadPoolExecutor(1, thread_name_prefix="children")
_libc = ctypes.CDLL(None)


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `argv`, output appended to `log`; the kernel sends it `death_signal` when we die."""
    parent = os.getpid()

    def follow_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, death_signal)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it, and hands that down
        if os.getppid() != parent:
            os._exit(1)

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                cwd=cwd,
                preexec_fn=follow_parent,  # noqa: PLW1509 - only a system call, no locks are taken
            )

    return _starter.submit(start).result()


def wait_until(
    condition: Callable[[], bool],
    *,
    child: subprocess.Popen[bytes],
    log: Path,
    what: str,
    timeout_s: float = 20.0,
) -> None:
    """Poll `condition` until it holds.

    Raises:
        RuntimeError: the child ended, or the time was up; carries the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        ended = child.poll() is not None
        if ended or time.monotonic() > deadline:
            why = f"ended with {child.returncode}" if ended else f"not ready after {timeout_s} s"
            tail = log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{what}: {why}\n{tail}")
        time.sleep(0.02)


def stop(child: subprocess.Popen[bytes], *, how: signal.Signals, timeout_s: float = 10.0) -> None:
    """Send `how`, wait for the end, kill what does not end in time."""
    if child.poll() is None:
        child.send_signal(how)
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
