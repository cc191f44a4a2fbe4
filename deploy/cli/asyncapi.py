"""`parley asyncapi`: the broker's side as a document, for readers and for tools."""

import argparse
import sys
from importlib.metadata import version

from deploy.cli.settings import CliSettings
from shared.broker.asyncapi import document


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser("asyncapi", help="print what the services say to each other, as AsyncAPI 3.0")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace, _settings: CliSettings) -> int:
    """Print the document."""
    sys.stdout.write(document(version("parley")))
    return 0
