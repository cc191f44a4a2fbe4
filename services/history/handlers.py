"""Answers the questions of gateways: check, read in one snapshot, lay out."""

from services.history import store
from services.history.domain import pages, questions, resume
from services.history.domain.progress import PageMessage, Progress
from services.history.domain.stored import admit, is_member, unknown_conversation, unknown_message, view
from services.history.store import Read, Store
from shared.contracts.frames import MessageView, ReceiptFrame
from shared.contracts.ids import ConversationId
from shared.contracts.queries import (
    FindOutcomes,
    Found,
    GetMembers,
    GetMessage,
    GetPage,
    Members,
    Outcomes,
    Page,
    Resume,
    Resumed,
    Sync,
    Synced,
)


class History:
    """One method per question of `shared.contracts.queries`; each reads in one snapshot and writes nothing.

    Every method raises `Refusal` for what may not be asked, and `DatabaseAway`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, query: GetMembers) -> Members:
        """Tell who is in a conversation."""
        return await self._store.read(_members(query))

    async def page(self, query: GetPage) -> Page[PageMessage]:
        """Read a page of a conversation."""
        questions.check_page(query)
        return await self._store.read(_page(query))

    async def resume(self, query: Resume) -> Resumed[MessageView | ReceiptFrame]:
        """Read a part of what a device missed."""
        return await self._store.read(_resume(query))

    async def sync(self, query: Sync) -> Synced[MessageView]:
        """Read what changed in a conversation after a revision, or what is older than a seq."""
        questions.check_sync(query)
        return await self._store.read(_sync(query))

    async def outcomes(self, query: FindOutcomes) -> Outcomes:
        """Tell which of some messages are stored."""
        questions.check_outcomes(query.message_ids)
        return Outcomes(await self._store.read(store.outcomes(query.message_ids)))

    async def message(self, query: GetMessage) -> Found[PageMessage]:
        """Read one message as a member of its conversation."""
        return await self._store.read(_message(query))


def _members(query: GetMembers) -> Read[Members]:
    conversation = yield from store.conversation(query.conversation_id)
    if conversation is None:
        return Members(kind="", members=[])
    return Members(conversation.kind, conversation.members, conversation.last_seq, conversation.rev)


def _page(query: GetPage) -> Read[Page[PageMessage]]:
    conversation, first_unread = yield from store.conversation_with_unread(query.conversation_id, query.user_id)
    if conversation is None:
        return _empty_page(query)
    admit(conversation, query.user_id)
    place = yield from _place(query)
    reading = pages.reading_of(query, conversation.last_seq, place)
    rows = yield from store.messages_of_page(query.conversation_id, reading)
    cut = pages.cut_page(rows, reading, conversation.last_seq)
    receipts = yield from store.receipts(cut.messages)
    progress = Progress(conversation, receipts)
    return Page(
        conversation_id=query.conversation_id,
        messages=[progress.view(message, query.user_id) for message in cut.messages],
        has_older=cut.has_older,
        has_newer=cut.has_newer,
        oldest_seq=cut.messages[0].seq if cut.messages else None,
        newest_seq=cut.messages[-1].seq if cut.messages else None,
        first_unread_seq=first_unread,
        members=conversation.members,
    )


def _place(query: GetPage) -> Read[int | None]:
    """Find the seq of what a page is asked around, before or from, where that is not a seq itself.

    Raises:
        Refusal: `not_found` for a message that is not in the conversation.
    """
    if query.at_ms is not None:
        return (yield from store.seq_at(query.conversation_id, query.at_ms))
    message_id = query.around if query.around is not None else query.before_id
    if message_id is None:
        return None
    seq = yield from store.seq_of(query.conversation_id, message_id)
    if seq is None:
        raise unknown_message()
    return seq


def _empty_page(query: GetPage) -> Page[PageMessage]:
    """Answer for a conversation that does not exist: it may begin at any time, but holds no message yet.

    Raises:
        Refusal: `not_found`, where a message of it is named.
    """
    if query.around is not None or query.before_id is not None:
        raise unknown_message()
    return Page(
        conversation_id=query.conversation_id,
        messages=[],
        has_older=False,
        has_newer=False,
        oldest_seq=None,
        newest_seq=None,
        first_unread_seq=None,
        members=[],
    )


def _resume(query: Resume) -> Read[Resumed[MessageView | ReceiptFrame]]:
    epoch = yield from store.epoch()
    owned = yield from store.conversations_of(query.user_id, query.after, resume.PART_CONVERSATIONS + 1)
    starts = [
        resume.start_of(own, query.cursors.get(own.conversation_id)) for own in owned[: resume.PART_CONVERSATIONS]
    ]
    members = yield from store.members_of(starts)
    changed = yield from store.changed_counts(starts)
    shares = resume.share_out(starts, changed, members, query.room)
    found = yield from store.missed_messages(shares)
    part = resume.gather(shares, found, members, query.user_id)
    is_last = len(part) == len(owned)
    return Resumed(epoch, part, ConversationId("") if is_last else part[-1].conversation_id)


def _sync(query: Sync) -> Read[Synced[MessageView]]:
    conversation = yield from store.conversation(query.conversation_id)
    if conversation is None:
        raise unknown_conversation()
    admit(conversation, query.user_id)
    rows = yield from store.messages_of_sync(query)
    messages, rev, is_complete = pages.cut_sync(rows, query, conversation.rev)
    return Synced(
        conversation_id=query.conversation_id,
        messages=[view(message, query.user_id, framed=False) for message in messages],
        members=conversation.members,
        rev=rev,
        complete=is_complete,
    )


def _message(query: GetMessage) -> Read[Found[PageMessage]]:
    message = yield from store.message(query.message_id)
    if message is None:
        return Found(None)
    conversation = yield from store.conversation(message.conversation_id)
    if conversation is None or not is_member(conversation, query.user_id):
        return Found(None)
    receipts = yield from store.receipts([message])
    return Found(Progress(conversation, receipts).view(message, query.user_id))
