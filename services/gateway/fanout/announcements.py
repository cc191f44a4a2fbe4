"""Hears what delivery announces and forwards the bytes: one lookup per addressee, one encoding for all."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.gateway.fanout.forwarded import Forwarded
from services.gateway.protocol.outbound import with_id
from shared.broker.along import Headers, subscribe_along
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.tuples import list_reader
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import Announcement
from shared.contracts.ids import ConversationId, SessionId, UserId, shard_of
from shared.runtime.clock import now_ns
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import Traces, apart

FLUSH_S: Final = 5.0

_decode = list_reader(Announcement)
_AWAY: Final = "The broker can't be reached right now. Try again."
_PREFIX: Final = subjects.announcements(0).removesuffix("0")


class Listener(Protocol):
    """Whoever wants to hear what is announced to a user."""

    @property
    def session_id(self) -> SessionId:
        """The socket's id: what it asked for itself is not sent to it."""

    def deliver(self, conversation_id: ConversationId, rev: int, frame: bytes) -> None:
        """Take a frame; `rev` is 0 for one that carries none."""

    def hint(self, frame: bytes) -> bool:
        """Take a frame that nobody misses for long; false: there was no room for it."""


@dataclass(slots=True)
class _Shard:
    """The subjects of a shard: which are asked for, and whether all are known to be heard."""

    subscribed: set[str] = field(default_factory=set)
    is_heard: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Announcements:
    """Who listens for whom. A subject is heard from its first listener on, for as long as the process lives."""

    def __init__(self, connection: Connection, shards: int, metrics: Metrics, traces: Traces) -> None:
        self._connection = connection
        self._count = shards
        self._shards: dict[int, _Shard] = {}
        self._listeners: dict[UserId, list[Listener]] = {}
        metrics.gauge("users_listening", "Users with a socket or a long poll here.").set_function(
            lambda: len(self._listeners)
        )
        metrics.gauge("announcement_subjects", "Subjects of announcements heard here.").set_function(
            lambda: len(self._shards)
        )
        self._noted = Forwarded(metrics, traces, self._reached)
        self._heard = metrics.counter("announcements_heard", "Announcements heard.")
        self._forwarded = metrics.counter("frames_forwarded", "Announced frames handed to sockets and long polls.")
        self._hinted = metrics.counter("typing_forwarded", "Typing frames handed to sockets and long polls.")
        self._dropped = metrics.counter("typing_not_forwarded", "Typing frames dropped: something waited already.")

    async def add(self, user_id: UserId, listener: Listener) -> None:
        """Forward what is announced to a user; when this returns, nothing announced later is missed.

        Raises:
            Refusal: `unavailable`, where the broker can't be asked.
        """
        self._listeners.setdefault(user_id, []).append(listener)
        number = shard_of(user_id, self._count)
        shard = self._shards.setdefault(number, _Shard())
        if shard.is_heard:
            return
        async with shard.opening:
            if not shard.is_heard:
                await apart(self._hear(number, shard))

    def remove(self, user_id: UserId, listener: Listener) -> None:
        """Forward nothing more; it need not have been added."""
        listeners = self._listeners.get(user_id)
        if listeners is None or listener not in listeners:
            return
        listeners.remove(listener)
        if not listeners:
            del self._listeners[user_id]

    @staticmethod
    def is_subject(subject: str) -> bool:
        """Tell whether announcements come on a subject."""
        return subject.startswith(_PREFIX)

    async def _hear(self, number: int, shard: _Shard) -> None:
        try:
            if (announced := subjects.announcements(number)) not in shard.subscribed:
                await subscribe_along(self._connection, announced, self._on_announcements)
                shard.subscribed.add(announced)
            if (typed := subjects.typing(number)) not in shard.subscribed:
                await self._connection.subscribe(typed, self._on_typing, only_newer=True)
                shard.subscribed.add(typed)
            shard.is_heard = await self._connection.flushed(FLUSH_S)
        except BROKER_ERRORS as error:
            raise Refusal(Code.UNAVAILABLE, _AWAY) from error
        if not shard.is_heard:
            raise Refusal(Code.UNAVAILABLE, _AWAY)

    def _on_announcements(self, payload: bytes, headers: Headers | None) -> None:
        begun_ns = now_ns()
        announcements = _decode(payload)
        forwarded = 0
        for announcement in announcements:
            frame, skip, author = announcement.frame, announcement.skip, announcement.author
            only = announcement.only
            own = b""
            for user_id in announcement.to:
                listeners = self._listeners.get(user_id)
                if listeners is None:
                    continue
                shown = frame
                if user_id == author and announcement.client_id:
                    shown = own = own or with_id(frame, announcement.client_id)
                for listener in listeners:
                    if listener.session_id != skip and (not only or listener.session_id == only):
                        listener.deliver(announcement.conversation_id, announcement.rev, shown)
                        forwarded += 1
        self._heard.inc(len(announcements))
        self._forwarded.inc(forwarded)
        if forwarded:
            self._noted.note(announcements, headers, begun_ns)

    def _reached(self, announcement: Announcement) -> int:
        """Count the sockets and long polls here that an announcement is for."""
        skip, only = announcement.skip, announcement.only
        return sum(
            listener.session_id != skip and (not only or listener.session_id == only)
            for user_id in announcement.to
            for listener in self._listeners.get(user_id, ())
        )

    def _on_typing(self, payload: bytes) -> None:
        for announcement in _decode(payload):
            for user_id in announcement.to:
                for listener in self._listeners.get(user_id, ()):
                    (self._hinted if listener.hint(announcement.frame) else self._dropped).inc()
