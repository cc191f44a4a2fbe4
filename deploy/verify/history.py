"""What was observed, as values on one monotonic clock: the checker's only input."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["delivered", "read"]
TypingState = Literal["start", "stop"]
How = Literal["live", "replay", "sync"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """Something that happened at `t`, in seconds of the monotonic clock."""

    t: float = msgspec.field(default_factory=time.monotonic)


class Send(Event, frozen=True, kw_only=True):
    """A client begins to send; without an answer it may appear once or not at all."""

    user: str
    to: str
    id: str
    digest: str


class Ack(Event, frozen=True, kw_only=True):
    """A send was confirmed as stored: by `ack`, by 200 or 201, or by an own message in a replay."""

    user: str
    id: str
    conversation_id: str
    seq: int
    message_id: str


class Accepted(Event, frozen=True, kw_only=True):
    """A send was answered 202: it must be stored once the system is quiet."""

    user: str
    id: str
    message_id: str


class Refused(Event, frozen=True, kw_only=True):
    """A send was refused for good: it may not appear."""

    user: str
    id: str
    code: str


class Receive(Event, frozen=True, kw_only=True):
    """A message reached a client, for the first time or again."""

    user: str
    connection: int
    how: How
    conversation_id: str
    seq: int
    rev: int
    message_id: str
    sender: str
    digest: str


class Receipt(Event, frozen=True, kw_only=True):
    """`observer` was told how far `user` has got."""

    observer: str
    conversation_id: str
    user: str
    state: State
    up_to_seq: int
    connection: int = 0


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One message of a page."""

    seq: int
    message_id: str
    sender: str
    digest: str


class Read(Event, frozen=True, kw_only=True):
    """A page of the history, newest end or one of a walk; `begun` is when it was asked for."""

    user: str
    conversation_id: str
    begun: float
    rows: tuple[Row, ...]
    has_more: bool
    newest: bool
    walk: str | None = None


class Final(Event, frozen=True, kw_only=True):
    """A member's whole history after everything came to rest, and the cursors of the peer."""

    user: str
    conversation_id: str
    rows: tuple[Row, ...]
    peer: str
    peer_delivered_seq: int
    peer_read_seq: int


class Hello(Event, frozen=True, kw_only=True):
    """A client said hello with these cursors."""

    user: str
    connection: int
    epoch: str | None
    cursors: dict[str, int]


class Welcome(Event, frozen=True, kw_only=True):
    """The server answered a hello."""

    user: str
    connection: int
    epoch: str


class Resync(Event, frozen=True, kw_only=True):
    """The server said that something the client holds is not to be trusted."""

    user: str
    connection: int
    conversation_id: str | None
    reason: str


class CaughtUp(Event, frozen=True, kw_only=True):
    """The replay is complete; these are the client's cursors now."""

    user: str
    connection: int
    cursors: dict[str, int]
    more: tuple[str, ...]


class Drop(Event, frozen=True, kw_only=True):
    """A connection ended."""

    user: str
    connection: int
    code: int


class Status(Event, frozen=True, kw_only=True):
    """`observer` was told what becomes of a message: of which recipient, up to where, after how many tries."""

    observer: str
    message_id: str
    conversation_id: str
    status: str
    user: str | None = None
    up_to_seq: int | None = None
    retry_count: int | None = None
    max_retries: int | None = None


class Waits(msgspec.Struct, frozen=True, array_like=True):
    """One item of a queue: a message that is said not to have reached `to`; without `seq` not even stored."""

    message_id: str
    conversation_id: str
    to: str | None
    seq: int | None
    status: str


class Queue(Event, frozen=True, kw_only=True):
    """A sender's whole `GET /queue`; `begun` is when it was asked for."""

    user: str
    begun: float
    items: tuple[Waits, ...]


class Chose(Event, frozen=True, kw_only=True):
    """A user chose a status, and the server took it."""

    user: str
    status: str


class Watch(Event, frozen=True, kw_only=True):
    """A client asked on this connection to be told how these users are."""

    user: str
    connection: int
    users: tuple[str, ...]


class Presence(Event, frozen=True, kw_only=True):
    """`observer` was told how `user` is."""

    observer: str
    connection: int
    user: str
    status: str
    last_seen: str | None = None


class Typed(Event, frozen=True, kw_only=True):
    """A client said that its user types to `to`, or stopped."""

    user: str
    to: str
    state: TypingState


class Typing(Event, frozen=True, kw_only=True):
    """`observer` was told that `user` types, for `ttl_s` at most, or stopped."""

    observer: str
    connection: int
    conversation_id: str
    user: str
    state: TypingState
    ttl_s: float


class Fault(Event, frozen=True, kw_only=True):
    """Something was broken on purpose, or healed."""

    what: str
    phase: Literal["start", "stop"]


class Quiesced(Event, frozen=True, kw_only=True):
    """The client is connected, caught up, and has nothing left to send or to confirm."""

    user: str


Observation = (
    Send | Ack | Accepted | Refused | Receive | Receipt | Read | Final | Hello | Welcome | Resync
    | CaughtUp | Drop | Status | Queue | Chose | Watch | Presence | Typed | Typing | Fault | Quiesced
)  # fmt: skip


class History:
    """The observations of one run, in the order in which they were made."""

    def __init__(self, events: list[Observation] | None = None) -> None:
        """Begin empty, or with events of another run."""
        self.events: list[Observation] = [] if events is None else events

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.events)

    def record(self, event: Observation) -> None:
        """Add one observation."""
        self.events.append(event)

    def write(self, path: Path) -> None:
        """Write one JSON object a line."""
        path.write_bytes(msgspec.json.Encoder().encode_lines(self.events))

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read what `write` wrote."""
        decoder = msgspec.json.Decoder(Observation)
        return cls(decoder.decode_lines(path.read_bytes()))


def digest(content: str) -> str:
    """Return what stands for a content in a history: equal exactly when the contents are."""
    return hashlib.blake2b(content.encode(), digest_size=10).hexdigest()
