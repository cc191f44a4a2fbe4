"""`parley queue`: recipients whom messages have not reached: look at them, have them tried again.

Delivery owns the queue, so these commands ask delivery; it must be running.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Final, TypeVar

from deploy.cli.arguments import positive
from deploy.cli.broker import connected
from deploy.cli.output import Refused, show_json, show_table, tell
from deploy.cli.settings import CliSettings
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ConversationId, Username
from shared.contracts.retries import ListRetries, ProcessRetries, Retried, RetryEntry, RetryList
from shared.contracts.subjects import Query

P = TypeVar("P")
R = TypeVar("R")

PAGE: Final = 500
ANSWER_S: Final = 30.0
"""How long delivery may take for a whole queue."""
_COLUMNS: Final = ("username", "conversation_id", "state", "attempt", "messages", "opened_at", "next_at", "reason")
_STATES: Final = ("waiting", "failed")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    parser = commands.add_parser(
        "queue",
        help="messages that have not reached their recipients",
        description="Look at recipients whom messages have not reached, and have them tried again. Delivery owns the "
        "queue and is asked, so it must run. Nothing is lost here: all come by whenever their recipient is back.",
        epilog="examples: parley queue list · parley queue list --state failed --json · parley queue show ben · "
        "parley queue retry ben · parley queue retry ben CONVERSATION · parley queue process · "
        "parley queue process --state failed",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser(
        "list",
        help="who lacks messages, and what is done about it",
        description="List recipients and conversations with messages that have not come by: how many, since when, and "
        "when the next attempt is made.",
    )
    listing.add_argument("--state", choices=_STATES, help="only those that wait for an attempt, or are given up")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most so many (100)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)
    showing = verbs.add_parser(
        "show",
        help="everything that waits for one recipient",
        description="List every conversation with messages that have not come by to one recipient.",
    )
    showing.add_argument("username", metavar="USERNAME")
    showing.add_argument("--json", action="store_true", help="print JSON")
    showing.set_defaults(run=run_show)
    retrying = verbs.add_parser(
        "retry",
        help="try one recipient again, now",
        description="Try one recipient again now, also where it was given up; fails where nothing waits.",
    )
    retrying.add_argument("username", metavar="USERNAME")
    retrying.add_argument("conversation", metavar="CONVERSATION", nargs="?", help="only this one, by its id")
    retrying.add_argument("--json", action="store_true", help="print JSON")
    retrying.set_defaults(run=run_retry)
    processing = verbs.add_parser(
        "process",
        help="try all again now, those given up too",
        description="Try all recipients again now, a few hundred a second.",
    )
    processing.add_argument("--state", choices=_STATES, help="only those that wait, or are given up")
    processing.add_argument("--json", action="store_true", help="print JSON")
    processing.set_defaults(run=run_process)


def run_list(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """List entries, and say how many there are.

    Raises:
        Refused: delivery does not answer.
    """
    return _show(settings, ListRetries(state=arguments.state), arguments.limit, as_json=arguments.json)


def run_show(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """List all entries of one recipient.

    Raises:
        Refused: delivery does not answer.
    """
    question = ListRetries(username=Username(arguments.username.lower()))
    return _show(settings, question, None, as_json=arguments.json)


def run_retry(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Have a recipient tried again; 1 where nothing waits for that one.

    Raises:
        Refused: delivery does not answer, or nothing waits.
    """
    conversation = ConversationId(arguments.conversation) if arguments.conversation else None
    name = Username(arguments.username.lower())
    entries = _process(settings, ProcessRetries(username=name, conversation_id=conversation))
    if not entries:
        raise Refused(f"nothing waits for {name}" + (f" in {conversation}" if conversation else ""))
    if arguments.json:
        show_json({"entries": entries})
    else:
        tell(f"{entries} due now")
    return 0


def run_process(arguments: argparse.Namespace, settings: CliSettings) -> int:
    """Have all entries tried now.

    Raises:
        Refused: delivery does not answer.
    """
    entries = _process(settings, ProcessRetries(state=arguments.state))
    if arguments.json:
        show_json({"entries": entries})
    else:
        tell(f"{entries} due now" if entries else "nothing waits")
    return 0


def _show(settings: CliSettings, question: ListRetries, limit: int | None, *, as_json: bool) -> int:
    async def read() -> tuple[list[RetryEntry], int]:
        entries: list[RetryEntry] = []
        total = 0
        async with connected(settings.local) as connection:
            async for page in _pages(connection, question):
                entries += page.entries
                total = page.total
                if limit is not None and len(entries) >= limit:
                    break
        return entries[:limit], total

    entries, total = asyncio.run(read())
    if as_json:
        show_json({"total": total, "items": [asdict(entry) for entry in entries]})
    elif entries:
        show_table([_row(entry) for entry in entries], _COLUMNS)
        if total > len(entries):
            tell(f"{len(entries)} of {total}")
    else:
        tell("everybody has everything")
    return 0


async def _pages(connection: Connection, question: ListRetries) -> AsyncIterator[RetryList]:
    after = None
    while True:
        page = await _asked(
            connection,
            subjects.LIST_RETRIES,
            ListRetries(question.state, question.username, after, PAGE),
            RetryList,
        )
        yield page
        after = page.next
        if after is None:
            return


def _process(settings: CliSettings, question: ProcessRetries) -> int:
    async def process() -> int:
        async with connected(settings.local) as connection:
            return (await _asked(connection, subjects.PROCESS_RETRIES, question, Retried)).entries

    return asyncio.run(process())


async def _asked(connection: Connection, subject: Query[P, R], question: P, reply: type[R]) -> R:
    try:
        return await ask(connection, subject, question, reply, timeout_s=ANSWER_S)
    except Refusal as refusal:
        if refusal.code is Code.UNAVAILABLE:
            raise Refused("delivery does not answer: is the system up? `parley queue` asks delivery") from refusal
        raise Refused(refusal.detail) from refusal


def _row(entry: RetryEntry) -> dict[str, object]:
    row = asdict(entry)
    row["attempt"] = f"{entry.attempt}/{entry.max_attempts}"
    row["opened_at"] = rfc3339(row.pop("opened_at_ms"))
    next_at_ms = row.pop("next_at_ms")
    row["next_at"] = rfc3339(next_at_ms) if entry.state == "waiting" else ""
    return row
