"""How messages come to their recipients: what waits, the way of one message, who has and has read it."""

from services.history import store
from services.history.domain import waiting
from services.history.domain.progress import Progress
from services.history.domain.stored import Conversation, StoredMessage, admit, unknown_message
from services.history.domain.waiting import OwnMessage
from services.history.store import Read
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId, UserId
from shared.contracts.queries import (
    GetReceipts,
    GetTimeline,
    GetUndelivered,
    MessageReceipt,
    MessageReceipts,
    Timeline,
    UndeliveredPage,
)


def undelivered(query: GetUndelivered) -> Read[UndeliveredPage]:
    """Read a page of what has not reached its recipients; it may be short, or empty, and yet not the last one."""
    behind = yield from store.behind(query.user_id, query.after[0] if query.after else ConversationId(""))
    stretches, end = waiting.stretches(behind, query.after)
    messages = yield from store.own_messages(stretches, query.user_id, query.limit + 1)
    recipients = yield from store.recipients_waiting(messages, query.user_id)
    return waiting.undelivered(query, messages, recipients, end)


def timeline(query: GetTimeline) -> Read[Timeline]:
    """Read the way of a message.

    Raises:
        Refusal: `not_found`, `not_member`, `forbidden` for who did not send it.
    """
    message, conversation = yield from _message(query.message_id, query.user_id)
    if message.sender_id != query.user_id:
        raise Refusal(Code.FORBIDDEN, "Only the sender of a message is told how it was delivered.")
    name, seq = message.conversation_id, message.seq
    reached = Progress(conversation, (yield from store.receipts([message]))).reached(message)
    own = OwnMessage(name, seq, message.message_id)
    entries = {
        found.user_id: found.entry
        for found in (yield from store.recipients_waiting([own], query.user_id)).get(name, ())
    }
    recipients = [one.member.user_id for one in reached]
    attempts = yield from store.attempts(recipients, name, seq, waiting.attempts_each(len(recipients)))
    return Timeline(
        message_id=message.message_id,
        conversation_id=name,
        seq=seq,
        sent_at_ms=message.sent_at_ms,
        stored_at_ms=(yield from store.stored_at(message.message_id)),
        recipients=[
            waiting.way(one, seq, entries.get(one.member.user_id), attempts.get(one.member.user_id, ()))
            for one in reached
        ],
    )


def receipts(query: GetReceipts) -> Read[MessageReceipts]:
    """Read who has, and has read, a message.

    Raises:
        Refusal: `not_found`, `not_member`.
    """
    message, conversation = yield from _message(query.message_id, query.user_id)
    reached = Progress(conversation, (yield from store.receipts([message]))).reached(message)
    return MessageReceipts(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        seq=message.seq,
        receipts=[
            MessageReceipt(one.member.username, one.delivered_at_ms, one.read_at_ms, one.is_delivered, one.is_read)
            for one in reached
        ],
    )


def _message(message_id: MessageId, asker: UserId) -> Read[tuple[StoredMessage, Conversation]]:
    """Find a message with its conversation, for a member of it; a stranger is told the same as of an unknown one."""
    message = yield from store.message(message_id)
    if message is None:
        raise unknown_message()
    conversation = yield from store.conversation(message.conversation_id)
    if conversation is None:
        raise unknown_message()
    admit(conversation, asker, unknown=unknown_message)
    return message, conversation
