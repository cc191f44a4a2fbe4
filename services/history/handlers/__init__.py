"""Answers the questions of gateways: check, read in one snapshot, lay out."""

from services.history.domain import questions
from services.history.domain.progress import PageMessage
from services.history.handlers import listing, missed, pages, people, progress
from services.history.store import Store, outcomes
from shared.contracts.frames import ConversationView, MessageView, ReceiptFrame
from shared.contracts.queries import (
    Acquainted,
    Conversations,
    FindAcquainted,
    FindOutcomes,
    Found,
    GetConversation,
    GetConversations,
    GetMembers,
    GetMessage,
    GetPage,
    GetReceipts,
    GetTimeline,
    GetUndelivered,
    Members,
    MessageReceipts,
    Outcomes,
    Page,
    Resume,
    Resumed,
    Sync,
    Synced,
    Timeline,
    UndeliveredPage,
)


class History:
    """One method per question of `shared.contracts.queries`; each reads in one snapshot and writes nothing.

    Every method raises `Refusal` for what may not be asked, and `DatabaseAway`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, query: GetMembers) -> Members:
        """Tell who is in a conversation."""
        return await self._store.read(people.members(query))

    async def page(self, query: GetPage) -> Page[PageMessage]:
        """Read a page of a conversation."""
        questions.check_page(query)
        return await self._store.read(pages.page(query))

    async def resume(self, query: Resume) -> Resumed[MessageView | ReceiptFrame]:
        """Read a part of what a device missed."""
        return await self._store.read(missed.missed(query))

    async def sync(self, query: Sync) -> Synced[MessageView]:
        """Read what changed in a conversation after a revision, or what is older than a seq."""
        questions.check_sync(query)
        return await self._store.read(pages.sync(query))

    async def outcomes(self, query: FindOutcomes) -> Outcomes:
        """Tell which of some messages are stored."""
        questions.check_outcomes(query.message_ids)
        return Outcomes(await self._store.read(outcomes(query.message_ids)))

    async def message(self, query: GetMessage) -> Found[PageMessage]:
        """Read one message as a member of its conversation."""
        return await self._store.read(pages.message(query))

    async def conversations(self, query: GetConversations) -> Conversations[ConversationView]:
        """Read a page of a user's conversations, the one with the newest message first."""
        questions.check_conversations(query)
        return await self._store.read(listing.conversations(query))

    async def conversation(self, query: GetConversation) -> Found[ConversationView]:
        """Read one of a user's conversations as the list has it."""
        return await self._store.read(listing.conversation(query))

    async def undelivered(self, query: GetUndelivered) -> UndeliveredPage:
        """Read a page of a user's messages that have not reached their recipients."""
        questions.check_undelivered(query)
        return await self._store.read(progress.undelivered(query))

    async def timeline(self, query: GetTimeline) -> Timeline:
        """Read the way of a message, for its sender."""
        return await self._store.read(progress.timeline(query))

    async def receipts(self, query: GetReceipts) -> MessageReceipts:
        """Read who has, and has read, a message."""
        return await self._store.read(progress.receipts(query))

    async def acquainted(self, query: FindAcquainted) -> Acquainted:
        """Tell whom of some users one may watch."""
        questions.check_acquainted(query.others)
        return await self._store.read(people.acquainted(query))
