"""A long poll's ear: it is woken by anything announced to its user."""

import asyncio

from shared.contracts.ids import ConversationId, SessionId


class Watch:
    """Listens like a socket, and keeps nothing but that something came."""

    __slots__ = ("_heard",)

    session_id = SessionId("~")  # no socket's: what anybody asked for is news here

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def deliver(self, conversation_id: ConversationId, rev: int, frame: bytes) -> None:  # noqa: ARG002 - a listener
        """Wake whoever waits."""
        self._heard.set()

    def wake(self) -> None:
        """Wake whoever waits, because something may have been missed."""
        self._heard.set()

    async def changed(self, timeout_s: float) -> bool:
        """Wait until something is announced, at once where something was since the last call; tells whether it was."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._heard.clear()
        return True
