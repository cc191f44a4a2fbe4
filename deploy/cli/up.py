"""`parley up`: the whole system on this machine, as `make run` starts it."""

import argparse
import asyncio
import os

from deploy.cli.settings import CliSettings
from deploy.local.launcher import up
from shared.runtime import logs


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "up",
        help="start the whole system on this machine and keep it up",
        description="Start broker and services on this machine, as `make run` does after installing, and keep them up "
        "until Ctrl-C or SIGTERM. Data is kept in PARLEY_DATA_DIR.",
        epilog="examples: parley up · PARLEY_PORT=9000 PARLEY_DATA_DIR=/srv/parley parley up",
    )
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Run until a signal."""
    logs.configure("launcher", json=settings.local.log_format == "json", level="error")
    return asyncio.run(up(settings.local, settings.streams, os.environ))
