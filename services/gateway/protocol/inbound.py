"""What a client sends: one decode for a good frame, and for a bad one the exact reason why it is refused."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct

from services.gateway.domain import fold_username
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ID_PATTERN, ClientId, ConversationId, MessageId, Username, is_id
from shared.contracts.presence import ChosenStatus

VERSION: Final = 1
MAX_PAGE: Final = 200
MAX_MENTIONS: Final = 100
MAX_WATCHED: Final = 200
"""Usernames in one list of a `user_status`."""
MAX_NUMBER: Final = 2**63 - 1
"""What the store's integers hold; a seq or a rev above it is out of range."""

_Id = Meta(pattern=rf"\A{ID_PATTERN}\Z")
_Count = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]

TypingState = Literal["start", "stop"]


class Hello(Struct, frozen=True, gc=False, tag_field="type", tag="hello"):
    """Begin, or begin again: who the device is and how far it holds each conversation."""

    v: int
    device_id: Annotated[str, _Id]
    epoch: Annotated[str, _Id] | None = None
    cursors: dict[Annotated[ConversationId, _Id], _Count] | None = None


class SendRequest(Struct, frozen=True, gc=False, tag_field="type", tag="message"):
    """Send a message, by socket or by HTTP; `check_message` says what its types can't."""

    id: Annotated[ClientId, _Id]
    content: str
    to: str | None = None
    conversation_id: Annotated[ConversationId, _Id] | None = None
    content_type: str | None = None
    reply_to: Annotated[MessageId, _Id] | None = None
    mentions: Annotated[tuple[str, ...], Meta(max_length=MAX_MENTIONS)] | None = None
    attachments: list[Any] | None = None
    seen_seq: _Count | None = None


class ReadReceipt(Struct, frozen=True, gc=False, tag_field="type", tag="read_receipt"):
    """Say that everything up to a seq has arrived, or was read."""

    conversation_id: Annotated[ConversationId, _Id]
    state: Literal["delivered", "read"]
    up_to_seq: _Count


class SyncRequest(Struct, frozen=True, gc=False, tag_field="type", tag="sync"):
    """Ask for a page of a conversation: what changed after a rev, or what is older than a seq."""

    id: Annotated[ClientId, _Id]
    conversation_id: Annotated[ConversationId, _Id]
    after_rev: _Count | None = None
    before_seq: _Count | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50


Usernames = Annotated[list[str], Meta(max_length=MAX_WATCHED)]


class StatusRequest(Struct, frozen=True, gc=False, tag_field="type", tag="user_status"):
    """Choose one's own status, and whose one wants to know; `check_usernames` says what its types can't."""

    status: ChosenStatus | None = None
    watch: Usernames | None = None
    unwatch: Usernames | None = None


class TypingRequest(Struct, frozen=True, gc=False, tag_field="type", tag="typing"):
    """Say that one types, or has stopped; `check_typing` says what its types can't."""

    state: TypingState
    to: str | None = None
    conversation_id: Annotated[ConversationId, _Id] | None = None


class Ping(Struct, frozen=True, gc=False, tag_field="type", tag="ping"):
    """Ask for a sign of life."""

    n: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0


class Pong(Struct, frozen=True, gc=False, tag_field="type", tag="pong"):
    """Give a sign of life; which one does not matter."""


Inbound = Hello | SendRequest | ReadReceipt | SyncRequest | StatusRequest | TypingRequest | Ping | Pong

TYPES: Final = frozenset({"hello", "message", "read_receipt", "sync", "user_status", "typing", "ping", "pong"})


class BadFrame(Exception):
    """A frame that can't be taken. `re` is its id where that is valid."""

    def __init__(self, refusal: Refusal, re: str | None = None, *, is_protocol_error: bool = False) -> None:
        self.refusal = refusal
        self.re = re
        self.is_protocol_error = is_protocol_error
        super().__init__(str(refusal))


_decode: Callable[[str | bytes], Inbound] = msgspec.json.Decoder(Inbound).decode


def decode(data: str | bytes) -> Inbound:
    """Read a frame.

    Raises:
        BadFrame: a protocol error (not JSON, not an object, no string `type`), `unknown_type`, or `invalid` with
            the field that is wrong.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _classify(data, error)


_WRONG: Final = {
    "id": "must be 1-64 characters of A-Z a-z 0-9 _ -",
    "device_id": "must be 1-64 characters of A-Z a-z 0-9 _ -",
    "epoch": "must be the epoch of a welcome",
    "cursors": "must map ids of conversations to whole numbers from 0",
    "v": "must be a whole number",
    "content": "must be a text",
    "to": "must be a username",
    "conversation_id": "must be the id of a conversation",
    "content_type": "must be a text",
    "reply_to": "must be the id of a message",
    "mentions": f"must be a list of at most {MAX_MENTIONS} usernames",
    "attachments": "must be a list",
    "seen_seq": "must be a whole number from 0",
    "state": "must be delivered or read",
    "up_to_seq": "must be a whole number from 0",
    "after_rev": "must be a whole number from 0",
    "before_seq": "must be a whole number from 0",
    "limit": f"must be a whole number from 1 to {MAX_PAGE}",
    "status": "must be online, away, dnd or invisible",
    "watch": f"must be a list of at most {MAX_WATCHED} usernames",
    "unwatch": f"must be a list of at most {MAX_WATCHED} usernames",
    "n": "must be a whole number",
}
_WRONG_IN: Final = {("typing", "state"): "must be start or stop"}
"""Where a field means something else in one type of frame."""
_in_path = re.compile(r" - at (?:`key` in )?`\$\.(\w+)").search
_missing = re.compile(r"missing required field `(\w+)`$").search


def check_message(request: SendRequest, content_chars: int) -> Refusal | None:
    """Tell why a message can't be sent, where its types did not; by socket or by HTTP, the same words."""
    content = request.content
    if not content or len(content) > content_chars or "\0" in content:
        return _refuse_content(content, content_chars)
    if (request.to is None) == (request.conversation_id is None):
        return _invalid("to", "give either to or conversation_id")
    if request.mentions is not None and not all(map(fold_username, request.mentions)):
        return _invalid("mentions", _WRONG["mentions"])
    if request.attachments or request.content_type not in {None, "text/plain"}:
        return Refusal(Code.UNSUPPORTED, "Only text/plain is supported, without attachments.")
    return None


def check_sync(request: SyncRequest) -> Refusal | None:
    """Tell why a page can't be asked for, where the types did not."""
    if (request.after_rev is None) == (request.before_seq is None):
        return _invalid("after_rev", "give either after_rev or before_seq")
    return None


def check_usernames(field: str, names: Sequence[str] | None) -> list[Username]:
    """Fold the usernames of a list, each of them once.

    Raises:
        Refusal: `invalid`: nobody can be called like one of them.
    """
    folded = dict.fromkeys(map(fold_username, names or ()))
    if None in folded:
        raise _invalid(field, _WRONG[field])
    return [name for name in folded if name is not None]


def check_typing(request: TypingRequest) -> Refusal | None:
    """Tell why typing can't be told, where the types did not."""
    if (request.to is None) == (request.conversation_id is None):
        return _invalid("to", "give either to or conversation_id")
    return None


def _refuse_content(content: str, content_chars: int) -> Refusal:
    if not content:
        return _invalid("content", "must not be empty")
    if len(content) > content_chars:
        return Refusal(
            Code.TOO_LARGE,
            f"The content has {len(content)} characters; {content_chars} are allowed.",
            fields={"content": f"must be at most {content_chars} characters"},
        )
    return _invalid("content", "must not contain the character U+0000")


def _classify(data: str | bytes, error: Exception) -> Inbound:
    """Say what is wrong with a frame that could not be decoded; slow and exact."""
    try:
        frame = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # what is not UTF-8 is a ValueError too
        raise BadFrame(Refusal(Code.INVALID, "The frame is not JSON."), is_protocol_error=True) from None
    if not isinstance(frame, dict):
        raise BadFrame(Refusal(Code.INVALID, "The frame is not an object."), is_protocol_error=True) from None
    kind, client_id = frame.get("type"), frame.get("id")
    re_ = client_id if isinstance(client_id, str) and is_id(client_id) else None
    if not isinstance(kind, str):
        refusal = Refusal(Code.INVALID, "The frame has no type.", fields={"type": "must be a text"})
        raise BadFrame(refusal, re_, is_protocol_error=True) from None
    if kind not in TYPES:
        raise BadFrame(Refusal(Code.UNKNOWN_TYPE, f"There is no type {kind[:32]!a}."), re_) from None
    version = frame.get("v")
    if kind == "hello" and isinstance(version, int) and version != VERSION:
        return Hello(v=version, device_id="unknown")  # of another version only that is known
    raise BadFrame(_blame(frame, str(error)), re_) from None


def _blame(frame: dict[str, Any], said: str) -> Refusal:
    """Name the field that the decoder stumbled over."""
    if missing := _missing(said):
        return _invalid(missing[1], "is required")
    if found := _in_path(said):
        name = found[1]
        return _invalid(name, _WRONG_IN.get((frame["type"], name)) or _WRONG.get(name, "is not valid"))
    for name, value in frame.items():
        if isinstance(value, str) and not _is_unicode(value):
            return _invalid(name if name in _WRONG else "frame", "must not contain half of a surrogate pair")
    return Refusal(Code.INVALID, "The frame can't be read.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(field: str, wrong: str) -> Refusal:
    return Refusal(Code.INVALID, f"{field}: {wrong}.", fields={field: wrong})


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(name)
