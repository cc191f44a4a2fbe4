"""What a device missed, part by part."""

from services.history import store
from services.history.domain import resume
from services.history.store import Read
from shared.contracts.frames import MessageView, ReceiptFrame
from shared.contracts.ids import ConversationId
from shared.contracts.queries import Resume, Resumed


def missed(query: Resume) -> Read[Resumed[MessageView | ReceiptFrame]]:
    """Read the conversations behind `after`, as many as make a part."""
    epoch = yield from store.epoch()
    owned = yield from store.conversations_of(query.user_id, query.after, resume.PART_CONVERSATIONS + 1)
    starts = [
        resume.start_of(own, query.cursors.get(own.conversation_id)) for own in owned[: resume.PART_CONVERSATIONS]
    ]
    members = yield from store.members_of([start.own.conversation_id for start in starts])
    changed = yield from store.changed_counts(starts)
    shares = resume.share_out(starts, changed, members, query.room)
    found = yield from store.missed_messages(shares)
    part = resume.gather(shares, found, members, query.user_id)
    is_last = len(part) == len(owned)
    return Resumed(epoch, part, ConversationId("") if is_last else part[-1].conversation_id)
