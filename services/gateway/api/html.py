"""Small pages written on the server: text is always escaped, there is one style sheet and no script."""

from html import escape
from pathlib import Path
from typing import Final

STYLE_SHEET: Final = "/assets/parley.css"
STYLE: Final = (Path(__file__).parent / "parley.css").read_text(encoding="utf-8")


class Markup(str):
    """HTML that was made here, and is not escaped again."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Markup:
    """Write an element; text in `content` and attributes are escaped. `class_` stands for `class`."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{joined(*content)}</{name}>")


def joined(*content: str) -> Markup:
    """Put texts and elements behind one another."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in content))


def page(title: str, *content: str) -> str:
    """Write a whole page."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Parley</title>"
        f'<link rel="stylesheet" href="{STYLE_SHEET}"></head><body><main>{joined(*content)}</main></body></html>'
    )
