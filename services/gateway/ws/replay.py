"""What a device missed, from its hello to `caught_up`: read from the store, written at the reader's pace."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw

from services.gateway.protocol import outbound
from services.gateway.protocol.inbound import Hello
from services.gateway.protocol.outbound import CaughtUp
from services.gateway.ws.history import History
from services.gateway.ws.outbox import Outbox, Told
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.queries import Missed, Resume, Resumed

ROOM: Final = 2_000
"""Messages in one replay."""
WELCOME_S: Final = 0.5
"""How long welcome waits for the first read, which tells the present epoch; then the last known one is told."""


class Replay:
    """One replay. The outbox must hold back what is live from before the first read; `run` lets it go at the end.

    `welcome` writes the frame for an epoch; it is written again where a store that was away then tells another one.
    """

    def __init__(
        self, history: History, outbox: Outbox, user_id: UserId, hello: Hello, welcome: Callable[[str], bytes]
    ) -> None:
        self._history = history
        self._outbox = outbox
        self._user_id = user_id
        self._hello = hello
        self._welcome = welcome
        self._heads: dict[ConversationId, int] = {}
        self._more: list[ConversationId] = []
        self._told = Told()
        self._replayed = 0

    async def run(self, patience_s: float) -> None:
        """Write welcome, what was missed, `caught_up`, then what came meanwhile.

        Raises:
            Refusal: `unavailable`: the store could not be read for `patience_s`.
        """
        epoch, page = await self._begin(patience_s)
        await self._write(page)
        while page.next:
            page = await self._read(epoch, page.next, patience_s)
            await self._write(page)
        await self._outbox.write(outbound.encode(CaughtUp(self._replayed, self._heads, self._more or None)))
        is_whole = await self._outbox.release(self._heads, self._told)
        if page.epoch != epoch:
            self._outbox.send(outbound.resync("epoch_changed"))
        elif not is_whole:
            self._outbox.send(outbound.resync("slow"))

    async def _begin(self, patience_s: float) -> tuple[str, Resumed[Raw]]:
        """Write welcome and read the first page, with the cursors that count in the epoch of that welcome."""
        first, known, welcomed = ConversationId(""), self._history.epoch, ""
        reading = asyncio.ensure_future(self._read(known, first, patience_s))
        try:
            await asyncio.wait({reading}, timeout=WELCOME_S)
            if known and not reading.done():
                await self._outbox.write(self._welcome(known))
                welcomed = known
            page = await reading
        finally:
            reading.cancel()
        epoch = page.epoch
        if epoch != welcomed:
            await self._outbox.write(self._welcome(epoch))
        return epoch, page if epoch == known else await self._read(epoch, first, patience_s)

    async def _read(self, epoch: str, after: ConversationId, patience_s: float) -> Resumed[Raw]:
        question = Resume(self._user_id, self._cursors(epoch), after, ROOM - self._replayed)
        return await self._history.resume(question, patience_s)

    def _cursors(self, epoch: str) -> dict[ConversationId, int]:
        """Take the device's cursors that still count: none of another epoch, none of what was written."""
        cursors: Mapping[ConversationId, int] = self._hello.cursors or {}
        if self._hello.epoch not in {None, epoch}:
            return {}
        return {conversation: rev for conversation, rev in cursors.items() if conversation not in self._heads}

    async def _write(self, page: Resumed[Raw]) -> None:
        for missed in page.conversations:
            await self._write_conversation(missed)

    async def _write_conversation(self, missed: Missed[Raw]) -> None:
        conversation_id = missed.conversation_id
        if missed.reset:
            await self._outbox.write(outbound.resync("gap", conversation_id))
        for message in missed.messages:
            await self._outbox.write(bytes(message))
        for receipt in missed.receipts:
            await self._outbox.write(bytes(receipt))
            self._told.note(bytes(receipt))
        self._replayed += len(missed.messages)
        self._heads[conversation_id] = missed.rev
        if not missed.complete:
            self._more.append(conversation_id)
