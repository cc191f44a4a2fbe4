"""Who is in a conversation, and whom a user knows."""

from services.history import store
from services.history.domain.stored import as_it_is
from services.history.store import Read
from shared.contracts.ids import direct_conversation_id
from shared.contracts.queries import Acquainted, FindAcquainted, GetMembers, Members


def members(query: GetMembers) -> Read[Members]:
    """Read the members of a conversation, with what they have truly read: nobody asks for it but gateways."""
    conversation = yield from store.conversation(query.conversation_id)
    if conversation is None:
        return Members(kind="", members=[], blocker_ids=(yield from store.blockers(query.conversation_id)))
    blocker_ids = [] if conversation.kind == "group" else (yield from store.blockers(query.conversation_id))
    members = [as_it_is(member) for member in conversation.members]
    return Members(conversation.kind, members, conversation.last_seq, conversation.rev, blocker_ids)


def acquainted(query: FindAcquainted) -> Read[Acquainted]:
    """Read whom of some users the asker may watch; groups are looked through only for those not found otherwise."""
    asker = query.user_id
    others = {other: direct_conversation_id(asker, other) for other in query.others if other != asker}
    paired, blocked = yield from store.acquainted_in_pairs(asker, others)
    grouped = yield from store.acquainted_in_groups(asker, others.keys() - paired - blocked)
    known = {asker} | (paired - blocked) | grouped
    return Acquainted([other for other in dict.fromkeys(query.others) if other in known])
