"""`parley asyncapi`: the broker's side as a document, for readers and for tools."""

import argparse
import sys
from importlib.metadata import version

from shared.broker.asyncapi import document


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "asyncapi",
        help="print what the services say to each other, as AsyncAPI 3.0",
        description="Print the broker's subjects and what is said on them as an AsyncAPI document (JSON), made of the "
        "code's own contracts.",
        epilog="examples: parley asyncapi > asyncapi.json",
    )
    parser.set_defaults(run=run, needs_settings=False)


def run(_arguments: argparse.Namespace, _settings: object) -> int:
    """Print the document."""
    sys.stdout.write(document(version("parley")))
    return 0
