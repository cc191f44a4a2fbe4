"""What a command prints: lines for a person, or one JSON document for a program; and its questions."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from deploy.cli.terminal import table, width

_BAR: Final = 24
_DRAW_EVERY_S: Final = 0.1


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
    """Write rows under their columns' names, within the width of the terminal."""
    for line in table(rows, columns, width()):
        tell(line)


class Progress:
    """One line on standard error that says how far something is; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._drawn_at = 0.0

    def show(self, name: str, done: int, total: int) -> None:
        """Draw it, ten times a second at most."""
        now = time.monotonic()
        if not self._is_shown or now - self._drawn_at < _DRAW_EVERY_S:
            return
        self._drawn_at = now
        share = min(1.0, done / total) if total else 1.0
        bar = "#" * int(share * _BAR)
        sys.stderr.write(f"\r\033[K{name:<16} [{bar:.<{_BAR}}] {share:4.0%}  {done:,} of {total:,} rows")
        sys.stderr.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._is_shown and self._drawn_at:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


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
