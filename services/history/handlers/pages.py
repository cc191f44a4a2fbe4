"""Pages of a conversation, sync pages, and single messages."""

from services.history import store
from services.history.domain import pages
from services.history.domain.progress import PageMessage, Progress
from services.history.domain.stored import admit, is_member, members_for, unknown_conversation, unknown_message, view
from services.history.store import Read
from shared.contracts.frames import MessageView
from shared.contracts.queries import Found, GetMessage, GetPage, Page, Sync, Synced


def page(query: GetPage) -> Read[Page[PageMessage]]:
    """Read a page.

    Raises:
        Refusal: `not_found`, `not_member`.
    """
    conversation, first_unread = yield from store.conversation_with_unread(query.conversation_id, query.user_id)
    if conversation is None:
        return _empty_page(query)
    admit(conversation, query.user_id)
    place = yield from _place(query, conversation.last_seq)
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
        members=members_for(conversation.members, query.user_id),
    )


def _place(query: GetPage, last_seq: int) -> Read[int | None]:
    """Find the seq of what a page is asked around, before or from, where that is not a seq itself.

    Raises:
        Refusal: `not_found` for a message that is not in the conversation.
    """
    if query.around_seq is not None:
        return min(query.around_seq, last_seq)
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


def sync(query: Sync) -> Read[Synced[MessageView]]:
    """Read a sync page.

    Raises:
        Refusal: `not_found`, `not_member`.
    """
    conversation = yield from store.conversation(query.conversation_id)
    if conversation is None:
        raise unknown_conversation()
    admit(conversation, query.user_id)
    rows = yield from store.messages_of_sync(query)
    messages, rev, is_complete = pages.cut_sync(rows, query, conversation.rev)
    return Synced(
        conversation_id=query.conversation_id,
        messages=[view(message, query.user_id, framed=False) for message in messages],
        members=members_for(conversation.members, query.user_id),
        rev=rev,
        complete=is_complete,
    )


def message(query: GetMessage) -> Read[Found[PageMessage]]:
    """Read one message; none where it is not the asker's."""
    found = yield from store.message(query.message_id)
    if found is None:
        return Found(None)
    conversation = yield from store.conversation(found.conversation_id)
    if conversation is None or not is_member(conversation, query.user_id):
        return Found(None)
    receipts = yield from store.receipts([found])
    return Found(Progress(conversation, receipts).view(found, query.user_id))
