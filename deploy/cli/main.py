"""`parley`: what an operator does with a system. Exit codes: 0 done, 1 failed, 2 wrong use or settings."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from deploy.cli import asyncapi, backup, dead_letters, doctor, init, migrate, queue, restore, stats, up, user
from deploy.cli.arguments import Parser, share_examples
from deploy.cli.output import Refused, complain
from deploy.cli.settings import load
from deploy.local.preparation import NotPrepared
from shared.broker.connection import BROKER_ERRORS
from shared.runtime import logs
from shared.runtime.settings import SettingsError

_DONE, _FAILED, _MISUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = parser().parse_args(argv)
    logs.configure("cli", json=False, level="critical")  # what goes wrong is told once, by the command
    try:
        code: int = arguments.run(arguments, load() if arguments.needs_settings else None)
        sys.stdout.flush()
    except SettingsError as refusal:
        complain(str(refusal))
        return _MISUSED
    except (Refused, NotPrepared) as refusal:
        complain(str(refusal))
        return _FAILED
    except BrokenPipeError:  # whoever read our output has enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except BROKER_ERRORS as error:
        complain(f"the broker did not do it: {error!r}")
        return _FAILED
    except KeyboardInterrupt:
        return _FAILED
    return code


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    whole = Parser(
        prog="parley",
        description="Operate a Parley system. Where it is, the settings say (PARLEY_DATABASE_URL, PARLEY_NATS_URL); "
        "`parley doctor` says what is wrong with it.",
        epilog="`parley COMMAND --help` says more, with examples. Exit codes: 0 done, 1 failed, 2 wrong use or "
        "settings.",
    )
    whole.add_argument("--version", action="version", version=f"parley {version('parley')}")
    whole.set_defaults(needs_settings=True)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in (init, up, doctor, migrate, backup, restore, queue, dead_letters, user, stats, asyncapi):
        command.add(commands)
    share_examples(whole)
    return whole


if __name__ == "__main__":
    sys.exit(main())
