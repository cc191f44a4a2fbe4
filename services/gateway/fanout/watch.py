"""A long poll's ear: it is woken by anything announced to its user."""

import asyncio
from typing import Final

from msgspec import json

from shared.contracts.frames import TypingFrame
from shared.contracts.ids import ConversationId, SessionId, Username

MAX_TYPING: Final = 200
"""Users typing, by conversation, of whom one answer tells; the first heard are left out."""

_decode = json.Decoder(TypingFrame).decode


class Watch:
    """Listens like a socket, and keeps nothing but that something came, and who types."""

    __slots__ = ("_heard", "_is_announced", "_typing")

    session_id = SessionId("~")  # no socket's: what anybody asked for is news here

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._is_announced = False
        self._typing: dict[tuple[ConversationId, Username], TypingFrame] = {}

    def deliver(self, conversation_id: ConversationId, rev: int, frame: bytes) -> None:  # noqa: ARG002 - a listener
        """Wake whoever waits."""
        self.wake()

    def hint(self, frame: bytes) -> bool:
        """Wake whoever waits, and keep the last of each who types."""
        typing = _decode(frame)
        who = typing["conversation_id"], typing["user"]
        self._typing.pop(who, None)
        is_full = len(self._typing) >= MAX_TYPING
        if is_full:
            del self._typing[next(iter(self._typing))]
        self._typing[who] = typing
        self._heard.set()
        return not is_full

    def nudge(self) -> None:
        """Wake whoever waits, because of something that is told elsewhere."""
        self._heard.set()

    def wake(self) -> None:
        """Wake whoever waits, because something may have been missed."""
        self._is_announced = True
        self._heard.set()

    async def changed(self, timeout_s: float) -> bool:
        """Wait until something is heard, at once where something was since the last call.

        Tells whether there is something to be read; for typing there is not.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._heard.clear()
        is_announced, self._is_announced = self._is_announced, False
        return is_announced

    @property
    def typing(self) -> list[TypingFrame]:
        """The last that was heard of each who types or typed, the last heard at the end."""
        return list(self._typing.values())
