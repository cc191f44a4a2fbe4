"""The command line as all commands have it: its help ends with examples, a line each, and its values are checked."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

_EXAMPLES: Final = "examples: "
_BETWEEN: Final = " · "
_NAMES_WIDTH: Final = 28


class Parser(argparse.ArgumentParser):
    """A parser, and by argparse's own rule all parsers of its commands and of their verbs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": Help, "allow_abbrev": False, **options})


class Help(argparse.HelpFormatter):
    """Wraps prose as ever, but gives each of `examples: A · B` a line, to be copied as it is."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_NAMES_WIDTH)

    def add_argument(self, action: argparse.Action) -> None:
        """Make room for the names of commands: argparse counts without their indentation."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as below
            self._action_max_length = (
                max(self._action_max_length, *map(len, action.choices)) + 2 * self._indent_increment
            )

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = []
        for paragraph in text.strip("\n").split("\n\n"):
            if paragraph.startswith(_EXAMPLES):
                lines = ("examples:", *(f"  {each}" for each in _examples_in(paragraph)))
                paragraphs.append("\n".join(f"{indent}{line}" for line in lines))
            else:
                paragraphs.append(super()._fill_text(paragraph, width, indent))
        return "\n\n".join(paragraphs)


def share_examples(parser: argparse.ArgumentParser) -> None:
    """Give every verb that shows no examples of its own those of its command which are of it."""
    for below in children(parser):
        if below.epilog is None and parser.epilog is not None:
            own = [each for each in _examples_in(parser.epilog) if f"{each} ".startswith(f"{below.prog} ")]
            below.epilog = _EXAMPLES + _BETWEEN.join(own) if own else None
        share_examples(below)


def children(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """List the commands of a parser, or the verbs of a command; none for what can be run."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            yield from action.choices.values()


def positive(text: str) -> int:
    """Read a whole number from 1 up.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def _examples_in(text: str) -> list[str]:
    return [each.strip() for each in text.removeprefix(_EXAMPLES).split(_BETWEEN)]
