"""Long conversations, written straight into the tables as delivery would have left them.

The product may be running: delivery remembers only conversations that it has written to, so seed before the two have
exchanged anything, and before the pages that shall show it are opened.
"""

import time
from collections.abc import Callable

from shared.contracts import ids
from shared.contracts.ids import ClientId, ConversationId, UserId
from shared.database import tables
from tests.support.browser.people import Person
from tests.support.history import Row, write

BATCH = 2_000
"""Messages a transaction: delivery waits for the file meanwhile."""
RUN = 3
"""Messages that one of the two writes in a row."""
MINUTE_MS = 60_000


async def seed_conversation(
    one: Person,
    other: Person,
    count: int,
    *,
    unread: int = 0,
    text: Callable[[int], str] = "message {}".format,
    every_ms: int = 10 * MINUTE_MS,
) -> ConversationId:
    """Let two people have exchanged `count` messages, the first by `one`, in turns of three, the last a minute ago.

    All are delivered; all are read, but `unread` of the last ones by `one`. `text` makes the content out of a `seq`.
    """
    conversation = ids.direct_conversation_id(one.id, other.id)
    last_ms = time.time_ns() // 1_000_000 - MINUTE_MS
    url = one.site.database_url
    for start in range(1, count + 1, BATCH):
        rows = [
            _message(conversation, seq, _sender(seq, one, other), text(seq), last_ms - (count - seq) * every_ms)
            for seq in range(start, min(start + BATCH, count + 1))
        ]
        await write(url, {tables.message: rows})
    members = [
        _member(conversation, one, count, count - unread, last_ms),
        _member(conversation, other, count, count, last_ms),
    ]
    receipts = [
        _receipt(conversation, UserId(row["user_id"]), state, row[f"{state}_seq"], last_ms)
        for row in members
        for state in ("delivered", "read")
        if row[f"{state}_seq"]
    ]
    head = {"id": conversation, "kind": "direct", "last_seq": count, "rev": count}
    await write(url, {tables.conversation: [head], tables.member: members, tables.receipt: receipts})
    return conversation


def _sender(seq: int, one: Person, other: Person) -> Person:
    return one if (seq - 1) // RUN % 2 == 0 else other


def _message(conversation: ConversationId, seq: int, sender: Person, content: str, at_ms: int) -> Row:
    client_id = ClientId(f"{conversation}-{seq}")
    return {
        "conversation_id": conversation,
        "seq": seq,
        "rev": seq,
        "first_rev": seq,
        "message_id": ids.message_id(sender.id, client_id),
        "sender_id": sender.id,
        "sender": sender.username,
        "client_id": client_id,
        "request": seq.to_bytes(16, "big"),
        "content": content,
        "content_type": "text/plain",
        "sent_at_ms": at_ms,
        "stored_at_ms": at_ms,
    }


def _member(conversation: ConversationId, person: Person, delivered: int, read: int, at_ms: int) -> Row:
    return {
        "conversation_id": conversation,
        "user_id": person.id,
        "username": person.username,
        "delivered_seq": delivered,
        "read_seq": read,
        "delivered_at_ms": at_ms,
        "read_at_ms": at_ms if read else 0,
        "shown_read_seq": read,
        "shown_read_at_ms": at_ms if read else 0,
    }


def _receipt(conversation: ConversationId, user: UserId, state: str, up_to_seq: int, at_ms: int) -> Row:
    return {"conversation_id": conversation, "user_id": user, "state": state, "up_to_seq": up_to_seq, "at_ms": at_ms}
