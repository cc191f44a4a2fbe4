"""How lines look on a terminal: tables that fit its width, colours where they are wanted; in a pipe nothing is cut."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

_GAP: Final = "  "
_NARROWEST: Final = 6
_CUT: Final = "…"
_NUMBER: Final = re.compile(r"-?|-?\d[\d.,]*( ?(%|ms|s|min|h|d|B|[KMGT]iB))?")
"""A number with its unit, or nothing in its place."""
_READABLE: Final = 120
"""Prose gets no wider than this, however wide the window is."""


class Colour(Enum):
    """A colour by the terminal's number."""

    RED = 31
    GREEN = 32
    YELLOW = 33
    GREY = 90


def width() -> int | None:
    """Tell how many columns there are; None where the output is no terminal, and may be as wide as it likes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured(text: str, colour: Colour) -> str:
    """Colour a text on a terminal, unless NO_COLOR is set (no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{colour.value}m{text}\033[0m"


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str], room: int | None) -> list[str]:
    """Lay rows out under their columns' names: numbers to the right, the widest columns cut where `room` is short."""
    cells = [[_said(row[name]) for name in columns] for row in rows]
    titles = [name.upper() for name in columns]
    numeric = [bool(rows) and all(_is_number(row[name]) for row in rows) for name in columns]
    widths = _fitted([max(len(line[at]) for line in [titles, *cells]) for at in range(len(columns))], room)
    return [
        _GAP.join(_cell(*each) for each in zip(line, widths, numeric, strict=True)).rstrip()
        for line in [titles, *cells]
    ]


def paragraph(text: str, indent: int) -> str:
    """Break a text into lines behind an indentation; its first line stands there already."""
    room = width()
    if room is None:
        return text
    lines = textwrap.wrap(text, max(20, min(room, _READABLE) - indent - 1), break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def _fitted(widths: list[int], room: int | None) -> list[int]:
    """Take from the widest column until all fit, or none can give more."""
    fitted = list(widths)
    gaps = len(_GAP) * (len(widths) - 1)
    while room is not None and sum(fitted) + gaps > room and max(fitted) > _NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _cell(text: str, room: int, is_number: bool) -> str:  # noqa: FBT001 - comes out of a row
    cut = text if len(text) <= room else text[: room - 1] + _CUT
    return cut.rjust(room) if is_number else cut.ljust(room)


def _said(value: object) -> str:
    """Write a value in one line, without what a terminal would take for a command."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
