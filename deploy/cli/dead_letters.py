"""`parley dead-letters`: commands that could not be applied: look at them, try them again, drop them."""

import argparse
import asyncio
import base64

import msgspec

from deploy.cli.arguments import positive
from deploy.cli.broker import connected
from deploy.cli.output import Refused, confirm, show_json, show_table, tell
from deploy.cli.settings import CliSettings
from shared.broker import dead_letters as queue
from shared.broker.connection import Connection

_COLUMNS = ("number", "partition", "place", "request_id", "reason")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    parser = commands.add_parser(
        "dead-letters",
        help="commands that could not be applied, kept seven days",
        description="Look at commands that could not be applied, and decide about each: once its cause is mended, "
        "append it to the log again, or forget it.",
        epilog="examples: parley dead-letters list · parley dead-letters list --limit 10 --json · "
        "parley dead-letters show 7 · parley dead-letters retry 7 · parley dead-letters drop 7 --yes",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the oldest ones", description="List the oldest ones, without content.")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most so many (100)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)
    showing = verbs.add_parser(
        "show",
        help="one, with its content",
        description="Show one with its reason and its content, which may hold what people wrote.",
    )
    _add_number(showing)
    showing.add_argument("--json", action="store_true", help="print JSON")
    showing.set_defaults(run=run_show)
    retrying = verbs.add_parser(
        "retry",
        help="append it to the log again",
        description="Append one to the log again, where delivery decides it anew; a message that was stored meanwhile "
        "is not stored twice.",
    )
    _add_number(retrying)
    retrying.add_argument("--json", action="store_true", help="print JSON")
    retrying.set_defaults(run=run_retry)
    dropping = verbs.add_parser(
        "drop", help="forget it for good", description="Forget one for good: what it asked for never happens."
    )
    _add_number(dropping)
    dropping.add_argument("--yes", action="store_true", help="don't ask")
    dropping.add_argument("--json", action="store_true", help="print JSON")
    dropping.set_defaults(run=run_drop)


def _add_number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=positive, metavar="NUMBER", help="as `parley dead-letters list` shows it")


def run_list(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """List them without their content."""

    async def read() -> list[queue.DeadLetter]:
        async with connected(settings.local) as connection:
            return await queue.dead_letters(connection, arguments.limit)

    rows = [{name: getattr(letter, name) for name in _COLUMNS} for letter in asyncio.run(read())]
    if arguments.json:
        show_json(rows)
    elif rows:
        show_table(rows, _COLUMNS)
    else:
        tell("there are no dead letters")
    return 0


def run_show(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Show one with its content, as far as that can be read.

    Raises:
        Refused: there is none with this number.
    """

    async def read() -> queue.DeadLetter:
        async with connected(settings.local) as connection:
            return await _letter(connection, arguments.number)

    letter = asyncio.run(read())
    shown = {name: getattr(letter, name) for name in _COLUMNS}
    shown["command"] = _readable(letter.item)
    shown["bytes_base64"] = base64.b64encode(letter.item).decode()
    if arguments.json:
        show_json(shown)
    else:
        for name, value in shown.items():
            tell(f"{name:<13} {value}")
    return 0


def run_retry(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Append one to the log again; delivery decides it anew.

    Raises:
        Refused: there is none with this number.
    """

    async def retry() -> None:
        async with connected(settings.local) as connection:
            await queue.retry_dead_letter(connection, await _letter(connection, arguments.number))

    asyncio.run(retry())
    return _told(arguments, "retried", f"dead letter {arguments.number} is in the log again")


def run_drop(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Forget one for good.

    Raises:
        Refused: there is none with this number, or nobody said yes.
    """
    confirm(f"Drop dead letter {arguments.number} for good?", is_sure=arguments.yes)

    async def drop() -> None:
        async with connected(settings.local) as connection:
            await queue.drop_dead_letter(connection, await _letter(connection, arguments.number))

    asyncio.run(drop())
    return _told(arguments, "dropped", f"dead letter {arguments.number} is gone")


def _told(arguments: argparse.Namespace, done: str, text: str) -> int:
    if arguments.json:
        show_json({done: arguments.number})
    else:
        tell(text)
    return 0


async def _letter(connection: Connection, number: int) -> queue.DeadLetter:
    letter = await queue.dead_letter(connection, number)
    if letter is None:
        raise Refused(f"there is no dead letter {number}")
    return letter


def _readable(item: bytes) -> object:
    try:
        return msgspec.msgpack.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "(can't be decoded)"
