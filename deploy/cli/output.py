"""What a command prints: lines for a person, or one JSON document for a program; and its questions."""

import json
import sys
from collections.abc import Mapping, Sequence


class Refused(Exception):
    """The command can't be carried out; the text says why and what to do."""


def tell(text: str) -> None:
    """Write one line for a person."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """Write one line about what went wrong."""
    sys.stderr.write(f"parley: {text}\n")


def show_json(value: object) -> None:
    """Write one JSON document for a program."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def show_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Write rows under their columns' names."""
    lines = [[name.upper() for name in columns], *([str(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        tell("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def confirm(question: str, *, is_sure: bool) -> None:
    """Ask before something that can't be undone, unless `--yes` was given.

    Raises:
        Refused: the answer is not yes, or there is nobody to ask.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise Refused("this can't be undone, and there is nobody to ask: add --yes")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise Refused("nothing was changed")
