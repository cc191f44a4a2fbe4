"""A user's conversations, as a list and one by one."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.history import store
from services.history.domain import listing
from services.history.domain.listing import Head, Known
from services.history.domain.stored import admit, unknown_conversation
from services.history.store import Read
from shared.contracts.frames import ConversationView
from shared.contracts.ids import UserId
from shared.contracts.queries import Conversations, Found, GetConversation, GetConversations

PAGE_BYTES: Final = 768 * 1024
"""A page of the list ends early at this size, so that it fits into one message of the broker."""

_encode = msgspec.json.Encoder().encode


def conversations(query: GetConversations) -> Read[Conversations[ConversationView]]:
    """Read a page of the list; at least one conversation, if there is one."""
    heads = yield from store.heads(query)
    known, readable = yield from _known(heads[: query.limit], query.user_id)
    items: list[ConversationView] = []
    room = PAGE_BYTES
    for head in readable:
        item = listing.lay_out(head, known, query.user_id)
        room -= len(_encode(item))
        if items and room < 0:
            break
        items.append(item)
    if len(items) == len(heads):
        return Conversations(items, None)
    last = known.last[items[-1]["conversation_id"]]
    return Conversations(items, (last.sent_at_ms, last.conversation_id))


def conversation(query: GetConversation) -> Read[Found[ConversationView]]:
    """Read one conversation as the list has it.

    Raises:
        Refusal: `not_found`, `not_member`.
    """
    found = yield from store.conversation(query.conversation_id)
    if found is None:
        raise unknown_conversation()
    admit(found, query.user_id)
    head = listing.head_of(found, query.user_id)
    known, _ = yield from _known([head], query.user_id)
    return Found(listing.lay_out(head, known, query.user_id))


def _known(heads: Sequence[Head], asker: UserId) -> Read[tuple[Known, Sequence[Head]]]:
    """Read what is shown of the first conversations, as many as can be read at once."""
    heads = listing.readable(heads, (yield from store.group_sizes(heads)))
    last = yield from store.last_messages(heads)
    members = yield from store.members_of([head.conversation_id for head in heads])
    receipts = yield from store.first_receipts(listing.passings(last.values(), members))
    counted, estimated = listing.countable(heads)
    unread = yield from store.unread(counted, asker)
    settings = yield from store.settings(heads, asker)
    names = yield from store.display_names(listing.named(members))
    return Known(last, members, receipts, estimated | unread, settings, names), heads
