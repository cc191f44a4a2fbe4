"""Pages: opaque cursors, what a request asks for, and the `Link` header that leads on."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar.params import QueryParameter

from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import MessageId, is_id
from shared.contracts.queries import Page

Direction = Literal["older", "newer"]
P = TypeVar("P")

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 200
MAX_SEQ: Final = 2**63 - 1

PageSize = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="How many at most")]
Cursor = Annotated[str | None, QueryParameter(description="A page's `next`: what comes behind it")]
Before = Annotated[str | None, QueryParameter(description="A page's `next` or `prev`, or a message_id: what is older")]
After = Annotated[str | None, QueryParameter(description="A page's `next` or `prev`, or a message_id: what is newer")]
Around = Annotated[str | None, QueryParameter(description="A message_id: that message, with its neighbours")]
AroundSeq = Annotated[
    int | None, QueryParameter(ge=1, le=MAX_SEQ, description="A seq: that message, with its neighbours")
]
At = Annotated[str | None, QueryParameter(description="A date or an RFC 3339 time: from the first message then")]


class _Position(msgspec.Struct, frozen=True):
    """What a cursor holds; clients must not look into it."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page as it was asked for: at most one of the places is given."""

    limit: int
    before: str | None = None
    after: str | None = None
    around: str | None = None
    at: str | None = None
    around_seq: int | None = None

    @property
    def direction(self) -> Direction:
        """Which way the pages go on: older, unless newer ones were asked for."""
        return "older" if self.after is None else "newer"


class Links(NamedTuple):
    """The cursors of the neighbouring pages, and the header that says the same."""

    next: str | None
    prev: str | None
    has_more: bool
    headers: dict[str, str]


def wanted(
    limit: int,
    before: str | None,
    after: str | None,
    around: str | None,
    at: str | None,
    around_seq: int | None,
) -> Wanted:
    """Take what a request asks for.

    Raises:
        Refusal: `invalid`, when it names two places.
    """
    places = {"before": before, "after": after, "around": around, "at": at, "around_seq": around_seq}
    named = [name for name, value in places.items() if value is not None]
    if len(named) > 1:
        raise Refusal(
            Code.INVALID,
            f"Give one of {', '.join(named)}, not all of them.",
            fields=dict.fromkeys(named, "must stand alone"),
        )
    return Wanted(limit, before, after, around, at, around_seq)


def read_place(name: str, text: str) -> int | MessageId:
    """Read a cursor (a seq comes back) or the id of a message.

    Raises:
        Refusal: `invalid`.
    """
    position = _decoded(text, _Position)
    return read_message_id(name, text) if position is None else position.seq


def read_cursor(text: str, kind: type[P]) -> P:
    """Read the cursor of a list as the place that was written into it.

    Raises:
        Refusal: `invalid`.
    """
    place = _decoded(text, kind)
    if place is None:
        raise Refusal(Code.INVALID, "cursor is not a page's next.", fields={"cursor": "is not valid"})
    return place


def read_message_id(name: str, text: str) -> MessageId:
    """Read the id of a message.

    Raises:
        Refusal: `invalid`.
    """
    if not is_id(text):
        raise Refusal(Code.INVALID, f"{name} is no cursor and no message_id.", fields={name: "is not valid"})
    return MessageId(text)


def read_time_ms(text: str) -> int:
    """Read a date (midnight UTC) or an RFC 3339 time as Unix milliseconds.

    Raises:
        Refusal: `invalid`.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(
            Code.INVALID, "at must be a date or a time, like 2026-11-22.", fields={"at": "is no date"}
        ) from None
    moment = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    try:
        return max(0, int(moment.timestamp() * 1000))
    except (OverflowError, ValueError):
        return 0


def write_cursor(place: object) -> str:
    """Write a place as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def lead_on(path: str, cursor: str | None, **parameters: object) -> dict[str, str]:
    """Write the header that leads to the next page of a list; `parameters` are those of this page, None: not given."""
    if cursor is None:
        return {}
    given = {name: value for name, value in parameters.items() if value is not None}
    return {"link": f'<{path}?{urlencode(given | {"cursor": cursor})}>; rel="next"'}


def links(page: Page[Any], asked: Wanted, *, older: str, newer: str) -> Links:
    """Lead on from a page: `next` goes the way that was asked for, `prev` the other way; `older`, `newer`: paths."""
    before = _way(older, "before", page.oldest_seq if page.has_older else None, asked.limit)
    after = _way(newer, "after", page.newest_seq if page.has_newer else None, asked.limit)
    on, back = (before, after) if asked.direction == "older" else (after, before)
    written = [f'<{way.url}>; rel="{rel}"' for rel, way in (("next", on), ("prev", back)) if way is not None]
    return Links(
        next=None if on is None else on.cursor,
        prev=None if back is None else back.cursor,
        has_more=on is not None,
        headers={"link": ", ".join(written)} if written else {},
    )


class _Way(NamedTuple):
    cursor: str
    url: str


def _way(path: str, parameter: str, seq: int | None, limit: int) -> _Way | None:
    if seq is None:
        return None
    cursor = write_cursor(_Position(seq))
    return _Way(cursor, f"{path}?{urlencode({'page_size': limit, parameter: cursor})}")


def _decoded(text: str, kind: type[P]) -> P | None:
    """Look into a cursor; None for what is not one of ours, or not of this kind."""
    padded = text + "=" * (-len(text) % 4)
    try:
        return msgspec.json.decode(urlsafe_b64decode(padded.encode()), type=kind)
    except (ValueError, msgspec.MsgspecError):
        return None
