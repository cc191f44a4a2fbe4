"""`parley user`: accounts made by an operator, listed, disabled and enabled, given another password."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from deploy.cli import audit
from deploy.cli.arguments import positive
from deploy.cli.broker import connected
from deploy.cli.database import check_there, shown
from deploy.cli.output import Refused, show_json, show_table, tell
from deploy.cli.settings import CliSettings
from services.gateway.guards.administration import disable_account, enable_account, list_accounts, reset_password
from services.gateway.guards.sign_ins import create_accounts
from services.gateway.store import Changed, ListedAccount
from shared.broker.connection import Connection
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339

_DEFAULT_DAYS: Final = 90
_DEFAULT_LISTED: Final = 100
_COLUMNS: Final = ("username", "user_id", "state", "created_at", "password", "sign_ins", "last_used_at")

_Change = Callable[[str, Connection, str], Awaitable[Changed]]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    parser = commands.add_parser(
        "user",
        help="accounts",
        description="Make accounts, list them, disable and enable them, set another password.",
        epilog="examples: parley user create ann --password · "
        "parley user create --count 100 --prefix load --tokens tokens.txt · parley user list --disabled · "
        "parley user disable ann · parley user enable ann · parley user reset-password ann < password.txt",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_create(verbs)
    _add_list(verbs)
    for verb, run, about in (
        ("disable", run_disable, "let nobody sign in to it; its sessions and tokens end, its sockets within a second"),
        ("enable", run_enable, "let a disabled account be signed in to again"),
        ("reset-password", run_reset_password, "set another password: asks for it, or reads a line; all sessions end"),
    ):
        changing = verbs.add_parser(verb, help=about, description=f"{about[0].upper()}{about[1:]}.")
        changing.add_argument("username")
        changing.add_argument("--json", action="store_true", help="print JSON")
        changing.set_defaults(run=run)


def _add_create(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    creating.add_argument("--count", type=positive, metavar="N", help="make N accounts instead")
    creating.add_argument("--prefix", default="load", metavar="P", help="name them P-1, P-2 ... (load)")
    creating.add_argument("--tokens", type=Path, metavar="FILE", help="where the tokens of --count go")
    creating.add_argument("--days", type=positive, default=_DEFAULT_DAYS, metavar="D", help="tokens live so long (90)")
    creating.add_argument("--json", action="store_true", help="print JSON")
    creating.set_defaults(run=run_create, refuse=creating.error)


def _add_list(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = verbs.add_parser(
        "list",
        help="accounts by username, with their state and when they were last used",
        description="List accounts by username, with their state and when they were last used.",
    )
    only = listing.add_mutually_exclusive_group()
    only.add_argument("--disabled", dest="is_disabled", action="store_true", help="only those that are disabled")
    only.add_argument("--enabled", dest="is_disabled", action="store_false", help="only those that are not")
    listing.add_argument("--limit", type=positive, default=_DEFAULT_LISTED, metavar="N", help="at most so many (100)")
    listing.add_argument("--after", metavar="NAME", help="those behind this username")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list, is_disabled=None)


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
        raise Refused(_said(refusal, settings.local.database)) from refusal
    audit.note("user_create", accounts=len(names), first=names[0], has_password=password is not None)
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


def run_list(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """List accounts.

    Raises:
        Refused: the database is away.
    """
    check_there(settings.local.database)
    asked = list_accounts(
        settings.local.database, arguments.limit, after=arguments.after, is_disabled=arguments.is_disabled
    )
    try:
        found = asyncio.run(asked)
    except Refusal as refusal:
        raise Refused(_said(refusal, settings.local.database)) from refusal
    rows = [_listed(each) for each in found]
    if arguments.json:
        show_json({"items": rows})
        return 0
    show_table([{name: "-" if value is None else value for name, value in row.items()} for row in rows], _COLUMNS)
    if len(rows) == arguments.limit:
        tell(f"there may be more: --after {rows[-1]['username']}")
    return 0


def run_disable(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Disable an account.

    Raises:
        Refused: there is none, or database or broker are away.
    """
    return _change(arguments, settings, "disable", disable_account)


def run_enable(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Enable an account.

    Raises:
        Refused: there is none, or database or broker are away.
    """
    return _change(arguments, settings, "enable", enable_account)


def run_reset_password(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Set another password.

    Raises:
        Refused: it is too short, there is no such account, or database or broker are away.
    """
    password = _ask_for_password()

    async def reset(database_url: str, connection: Connection, username: str) -> Changed:
        return await reset_password(database_url, connection, username, password)

    return _change(arguments, settings, "reset_password", reset)


def _change(arguments: argparse.Namespace, settings: CliSettings, act: str, change: _Change) -> int:
    check_there(settings.local.database)

    async def carry_out() -> Changed:
        # First the broker: without it nobody could be told whose sockets to close, and nothing is changed.
        async with connected(settings.local) as connection:
            return await change(settings.local.database, connection, arguments.username)

    try:
        changed = asyncio.run(carry_out())
    except Refusal as refusal:
        raise Refused(_said(refusal, settings.local.database)) from refusal
    audit.note(f"user_{act}", user_id=changed.user_id, ended=len(changed.ended))
    if arguments.json:
        show_json({"user_id": changed.user_id, "disabled": changed.is_disabled, "ended": len(changed.ended)})
    else:
        state = "disabled" if changed.is_disabled else "enabled"
        tell(f"{arguments.username} is {state}; {len(changed.ended)} sessions and tokens ended")
    return 0


def _listed(each: ListedAccount) -> dict[str, Any]:
    return {
        "username": each.username,
        "user_id": each.user_id,
        "state": "active" if each.disabled_at_ms is None else "disabled",
        "created_at": rfc3339(each.created_at_ms),
        "disabled_at": None if each.disabled_at_ms is None else rfc3339(each.disabled_at_ms),
        "password": "yes" if each.has_password else "no",
        "sign_ins": each.sign_ins,
        "last_used_at": None if each.last_used_at_ms is None else rfc3339(each.last_used_at_ms),
    }


def _ask_for_password() -> str:
    """Ask twice on a terminal, else read a line.

    Raises:
        Refused: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != password:
        raise Refused("the two differ; nothing was changed")
    return password


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(1, count + 1)]


def _write(path: Path, names: Sequence[str], tokens: Sequence[str]) -> None:
    """Write the tokens where only the caller can read them."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name} {token}\n" for name, token in zip(names, tokens, strict=True))


def _said(refusal: Refusal, url: str) -> str:
    """Write a refusal for an operator, who is not helped by "try again"."""
    if refusal.code is Code.UNAVAILABLE:
        return f"the database {shown(url)} can't be reached: `parley doctor` says why"
    return refusal.detail
