"""`parley user`: accounts made by an operator, one with or without a password, or many that have tokens alone."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from deploy.cli.output import Refused, show_json, tell
from deploy.cli.settings import CliSettings
from services.gateway.guards.sign_ins import create_accounts
from shared.contracts.errors import Refusal

_DEFAULT_DAYS = 90


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    parser = commands.add_parser("user", help="accounts")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    creating = verbs.add_parser(
        "create",
        help="make accounts with bearer tokens",
        description="Make one account and print its token, or many (--count) and write their tokens to a file, a "
        "line each: username, space, token. A token is shown this once; only its hash is kept.",
    )
    creating.add_argument("username", nargs="?", help="the account to make")
    creating.add_argument(
        "--password",
        action="store_true",
        help="ask for a password (or read a line of input); without it only the token works",
    )
    creating.add_argument("--count", type=_positive, metavar="N", help="make N accounts instead")
    creating.add_argument("--prefix", default="load", metavar="P", help="name them P-1, P-2 ... (load)")
    creating.add_argument("--tokens", type=Path, metavar="FILE", help="where the tokens of --count go")
    creating.add_argument("--days", type=_positive, default=_DEFAULT_DAYS, metavar="D", help="tokens live so long (90)")
    creating.add_argument("--json", action="store_true", help="print JSON")
    creating.set_defaults(run=run_create, refuse=creating.error)


def run_create(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Make the accounts, all or none.

    Raises:
        Refused: a name is taken or not allowed, or the database is away.
    """
    if (arguments.username is None) == (arguments.count is None):
        arguments.refuse("name one account, or use --count")
    if (arguments.tokens is None) != (arguments.count is None):
        arguments.refuse("--count and --tokens FILE go together")
    if arguments.password and arguments.username is None:
        arguments.refuse("--password goes with one account")
    names = [arguments.username] if arguments.count is None else _names(arguments.prefix, arguments.count)
    try:
        life = timedelta(days=arguments.days)
        password = _ask_for_password() if arguments.password else None
        tokens = asyncio.run(create_accounts(settings.local.database, names, life, password=password))
    except Refusal as refusal:
        raise Refused(refusal.detail) from refusal
    if arguments.tokens is not None:
        _write(arguments.tokens, names, tokens)
        report: dict[str, object] = {"created": len(names), "tokens": str(arguments.tokens)}
        text = f"{len(names)} accounts, {names[0]} to {names[-1]}; their tokens are in {arguments.tokens}"
    else:
        report = {"username": names[0], "token": tokens[0]}
        text = tokens[0]
    if arguments.json:
        show_json(report)
    else:
        tell(text)
    return 0


def _ask_for_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(1, count + 1)]


def _write(path: Path, names: Sequence[str], tokens: Sequence[str]) -> None:
    """Write the tokens where only the caller can read them."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name} {token}\n" for name, token in zip(names, tokens, strict=True))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
