"""What has not reached its recipients: where to look for it, and how each message stands with each recipient."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from services.history.domain.progress import Reached
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.contracts.queries import Attempt, GetUndelivered, Undelivered, UndeliveredPage, Way
from shared.contracts.retries import RetryState

BEHIND: Final = 1_000
"""So many conversations are looked at for a page; it ends before more."""
LOOKED_AT: Final = 20_000
"""So many messages are looked at for a page, whoever wrote them; it ends before more."""
WAITING_MEMBERS: Final = 5_000
"""So many recipients are looked at for a page, or those of one conversation; it ends before more."""
ATTEMPTS: Final = 2_000
ATTEMPTS_EACH: Final = 100
"""So many attempts are told of a message, and of one of its recipients: the last ones."""

Place = tuple[ConversationId, int, UserId]


class Behind(NamedTuple):
    """A conversation in which some of the others do not have everything: so many, and how far all of them are."""

    conversation_id: ConversationId
    last_seq: int
    lowest_seq: int
    members: int


class Stretch(NamedTuple):
    """The messages of a conversation above `floor`, up to `ceiling`."""

    conversation_id: ConversationId
    floor: int
    ceiling: int


class OwnMessage(NamedTuple):
    """A message of the asker."""

    conversation_id: ConversationId
    seq: int
    message_id: MessageId


class Entry(NamedTuple):
    """What is done about the messages up to `up_to_seq` for a recipient."""

    state: RetryState
    attempt: int
    up_to_seq: int
    next_at_ms: int
    reason: str


class Waiting(NamedTuple):
    """A recipient who does not have everything, and what is done about it."""

    user_id: UserId
    username: Username
    delivered_seq: int
    entry: Entry | None


class Standing(NamedTuple):
    """How a message stands with a recipient who does not have it."""

    status: Literal["sent", "retrying", "failed"] = "sent"
    retry_count: int = 0
    next_at_ms: int | None = None
    reason: str = ""


def stretches(behind: Sequence[Behind], after: Place | None) -> tuple[list[Stretch], Place | None]:
    """Decide where a page looks for messages, and where the next one goes on if there is more than it looks at.

    `behind`: in the order of reading, from the conversation of `after` on.
    """
    found: list[Stretch] = []
    room, people = LOOKED_AT, WAITING_MEMBERS
    for name, last_seq, floor, members in behind[:BEHIND]:
        people -= members
        if people < 0 and found:
            return found, _start_of(name)
        if after is not None and name == after[0]:
            floor = min(max(floor, after[1] - 1), last_seq)  # noqa: PLW2901 - the message of `after` has more recipients
        ceiling = min(last_seq, floor + room)
        room -= ceiling - floor
        if ceiling > floor:
            found.append(Stretch(name, floor, ceiling))
        if ceiling < last_seq:
            return found, _behind(name, ceiling)
    return found, _start_of(behind[BEHIND].conversation_id) if len(behind) > BEHIND else None


def undelivered(
    query: GetUndelivered,
    messages: Sequence[OwnMessage],
    waiting: Mapping[ConversationId, Iterable[Waiting]],
    end: Place | None,
) -> UndeliveredPage:
    """Make a page of the messages found, which are one more than its limit if there are so many.

    `end`: where the next page goes on if all that was found fits into this one.
    """
    if len(messages) > query.limit:
        end = _behind(messages[-1].conversation_id, messages[-1].seq)
    in_order = {name: sorted(recipients, key=lambda one: one.user_id) for name, recipients in waiting.items()}
    items: list[Undelivered] = []
    for message in messages:
        for recipient in in_order.get(message.conversation_id, ()):
            place = (message.conversation_id, message.seq, recipient.user_id)
            if recipient.delivered_seq >= message.seq or _is_told(place, query.after):
                continue
            if len(items) == query.limit:
                last = items[-1]
                return UndeliveredPage(items, (last.conversation_id, last.seq, last.to_id))
            items.append(_item(message, recipient))
    return UndeliveredPage(items, end)


def attempts_each(recipients: int) -> int:
    """Tell how many attempts are told of each of so many recipients."""
    return max(1, min(ATTEMPTS_EACH, ATTEMPTS // max(1, recipients)))


def way(reached: Reached, seq: int, entry: Entry | None, attempts: Iterable[Attempt]) -> Way:
    """Tell how a message came to a recipient, or why it has not yet."""
    standing = Standing()
    if not reached.is_delivered:
        standing = _standing(entry, reached.member.delivered_seq, seq)
    return Way(
        username=reached.member.username,
        status="read" if reached.is_read else "delivered" if reached.is_delivered else standing.status,
        attempts=sorted(attempts, key=lambda attempt: (attempt.at_ms, attempt.attempt)),
        next_retry_at_ms=standing.next_at_ms,
        reason=standing.reason,
        delivered_at_ms=reached.delivered_at_ms,
        read_at_ms=reached.read_at_ms,
    )


def _behind(conversation: ConversationId, seq: int) -> Place:
    return (conversation, seq + 1, UserId(""))


def _start_of(conversation: ConversationId) -> Place:
    return (conversation, 0, UserId(""))


def _is_told(place: Place, after: Place | None) -> bool:
    return after is not None and place[:2] == after[:2] and place[2] <= after[2]


def _item(message: OwnMessage, recipient: Waiting) -> Undelivered:
    standing = _standing(recipient.entry, recipient.delivered_seq, message.seq)
    return Undelivered(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        to=recipient.username,
        to_id=recipient.user_id,
        seq=message.seq,
        status=standing.status,
        retry_count=standing.retry_count,
        next_retry_at_ms=standing.next_at_ms,
        reason=standing.reason,
    )


def _standing(entry: Entry | None, delivered_seq: int, seq: int) -> Standing:
    """Tell how a message stands by a recipient's entry, which counts only for what it is for."""
    if entry is None or not delivered_seq < seq <= entry.up_to_seq:
        return Standing()
    if entry.state == "failed":
        return Standing("failed", entry.attempt, None, entry.reason)
    return Standing("retrying" if entry.attempt else "sent", entry.attempt, entry.next_at_ms)
