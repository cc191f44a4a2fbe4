"""What each command does, decided from the log and delivery's own tables alone: arguments in, values out.

A replay of the log decides the same, so there is no clock and no chance in here. `decide` updates the `View` that
it is given and collects the rows to write in a `Changes`; the store writes them in the transaction that also moves
the position.
"""

from collections.abc import Iterable
from typing import assert_never

from services.delivery.domain.values import (
    BlockRow,
    BlockSet,
    Changes,
    Conversation,
    CursorKept,
    CursorMoved,
    Item,
    MemberState,
    Operation,
    Outcome,
    ReceiptRow,
    Refused,
    Stored,
    StoredMessage,
    View,
)
from shared.contracts.commands import BLOCK, CursorState, MoveCursor, Origin, SendMessage, SetBlock
from shared.contracts.errors import Code
from shared.contracts.ids import ConversationId, UserId, direct_conversation_id


def decide(items: Iterable[Item], view: View) -> tuple[list[Outcome], Changes]:
    """Carry out commands in log order: what came of each, and the rows that say so. `view` is brought up to date."""
    outcomes: list[Outcome] = []
    changes = Changes()
    for item in items:
        command = item.command
        if isinstance(command, SendMessage):
            _send(item.origin, command, view, changes, outcomes)
        elif isinstance(command, MoveCursor):
            _move_cursor(item.origin, command, view, changes, outcomes)
        elif isinstance(command, SetBlock):
            outcomes.append(_set_block(item.origin, command, view, changes))
        else:
            assert_never(command)
    return outcomes, changes


def recall(items: Iterable[Item], view: View) -> list[Outcome]:
    """Find again what came of commands that are applied but maybe not announced; nothing is changed.

    A message that is not stored was refused then, and is refused now for the same reason.
    """
    outcomes: list[Outcome] = []
    for item in items:
        command = item.command
        if isinstance(command, SendMessage):
            known = view.messages.get(command.message_id)
            if known is not None and known.request == command.request:
                conversation = view.conversations[known.conversation_id]
                outcomes.append(Stored(item.origin, known, conversation.audience, is_repeat=False))
                if command.seen_seq:
                    outcomes += _recall_cursor(item.origin, command.sender_id, known.conversation_id, "read", view)
            elif known is not None or command.message_id in view.operations:
                outcomes.append(_conflict(item.origin))
            elif (refused := _refuse_message(item.origin, command, view)) is not None:
                outcomes.append(refused)
        elif isinstance(command, MoveCursor):
            found = _recall_cursor(item.origin, command.user_id, command.conversation_id, command.state, view)
            outcomes += found or [Refused(item.origin, Code.NOT_FOUND, _NO_CONVERSATION)]
        elif isinstance(command, SetBlock):
            outcomes.append(_recall_block(item.origin, command, view))
        else:
            assert_never(command)
    return outcomes


_NO_CONVERSATION = "There is no such conversation."
_BLOCKED = "You can't write to this user."


def _send(origin: Origin, command: SendMessage, view: View, changes: Changes, outcomes: list[Outcome]) -> None:
    known = view.messages.get(command.message_id)
    if known is not None:
        if known.request != command.request:
            outcomes.append(_conflict(origin))
        else:
            audience = view.conversations[known.conversation_id].audience
            outcomes.append(Stored(origin, known, audience, is_repeat=True))
        return
    if command.message_id in view.operations:
        outcomes.append(_conflict(origin))
        return
    refused = _refuse_message(origin, command, view)
    if refused is not None:
        outcomes.append(refused)
        return
    conversation_id = command.conversation_id
    conversation = view.conversations.get(conversation_id)
    if conversation is None:
        conversation = view.conversations[conversation_id] = _open_direct(command)
        changes.members.update((conversation_id, user) for user in conversation.members)
    conversation.last_seq = seq = conversation.last_seq + 1
    conversation.rev = rev = conversation.rev + 1
    changes.heads.add(conversation_id)
    stored = StoredMessage(
        conversation_id,
        seq,
        rev,
        rev,
        command.message_id,
        command.sender_id,
        command.sender,
        command.client_id,
        command.request,
        command.content,
        command.content_type,
        command.sent_at_ms,
        command.reply_to,
        command.mentions,
    )
    view.messages[command.message_id] = stored
    changes.messages.append(stored)
    outcomes.append(Stored(origin, stored, conversation.audience, is_repeat=False))
    sender = conversation.members[command.sender_id]
    if command.seen_seq > sender.read_seq:
        seen = MoveCursor(
            conversation_id,
            command.sender_id,
            command.sender,
            "read",
            min(command.seen_seq, seq),
            command.sent_at_ms,
            command.discreet,
        )
        _move_cursor(origin, seen, view, changes, outcomes)
    if sender.delivered_seq == seq - 1:  # nothing undelivered lies between: the sender has its own message
        sender.delivered_seq, sender.delivered_at_ms = seq, command.sent_at_ms
        changes.members.add((conversation_id, command.sender_id))


def _refuse_message(origin: Origin, command: SendMessage, view: View) -> Refused | None:
    conversation = view.conversations.get(command.conversation_id)
    if conversation is None:
        is_pair = command.peer_id not in {"", command.sender_id}
        if not is_pair or direct_conversation_id(command.sender_id, command.peer_id) != command.conversation_id:
            return Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION)
    else:
        member = conversation.members.get(command.sender_id)
        if member is None:
            return Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION)
        if member.has_left:
            return Refused(origin, Code.NOT_MEMBER, "You are not a member of this conversation any more.")
    if blockers := view.blockers.get(command.conversation_id):
        detail = "You blocked this user. Unblock to write." if command.sender_id in blockers else _BLOCKED
        return Refused(origin, Code.BLOCKED, detail)
    return _refuse_reply(origin, command, view)


def _refuse_reply(origin: Origin, command: SendMessage, view: View) -> Refused | None:
    if command.reply_to is not None:
        target = view.messages.get(command.reply_to)
        if target is None or target.conversation_id != command.conversation_id:
            return Refused(origin, Code.NOT_FOUND, "The message replied to is not in this conversation.")
    return None


def _open_direct(command: SendMessage) -> Conversation:
    members = {command.sender_id: MemberState(command.sender), command.peer_id: MemberState(command.peer)}
    conversation = Conversation("direct", members=members)
    conversation.count_members()
    return conversation


def _move_cursor(origin: Origin, command: MoveCursor, view: View, changes: Changes, outcomes: list[Outcome]) -> None:
    conversation_id, user_id, at_ms = command.conversation_id, command.user_id, command.at_ms
    conversation = view.conversations.get(conversation_id)
    member = conversation.members.get(user_id) if conversation is not None else None
    if conversation is None or member is None:
        outcomes.append(Refused(origin, Code.NOT_FOUND, _NO_CONVERSATION))
        return
    if member.has_left:
        outcomes.append(Refused(origin, Code.NOT_MEMBER, "You are not a member of this conversation any more."))
        return
    up_to = min(command.up_to_seq, conversation.last_seq)
    if up_to <= (member.read_seq if command.state == "read" else member.delivered_seq):
        outcomes.append(_kept(origin, command.user_id, conversation_id, member, command.state, at_ms))
        return
    has_delivered = up_to > member.delivered_seq
    is_hidden = command.state == "read" and command.discreet
    if command.state == "read":
        member.read_seq, member.read_at_ms = up_to, at_ms
        if not is_hidden:
            member.shown_read_seq, member.shown_read_at_ms = up_to, at_ms
            changes.receipts.append(ReceiptRow(conversation_id, user_id, "read", up_to, at_ms))
    if has_delivered:
        member.delivered_seq, member.delivered_at_ms = up_to, at_ms
        changes.receipts.append(ReceiptRow(conversation_id, user_id, "delivered", up_to, at_ms))
        changes.delivered.add((conversation_id, user_id))
    changes.members.add((conversation_id, user_id))
    moved = CursorMoved(
        origin, conversation_id, member.username, command.state, up_to, at_ms, conversation.audience, user_id
    )
    if is_hidden:
        if has_delivered:
            outcomes.append(moved._replace(state="delivered"))
        moved = moved._replace(audience=(user_id,))
    outcomes.append(moved)


def _set_block(origin: Origin, command: SetBlock, view: View, changes: Changes) -> Outcome:
    pair = (command.user_id, command.peer_id)
    known = view.operations.get(command.operation_id)
    if known is not None and known.request == command.request:
        return BlockSet(origin, command.operation_id, known.conversation_id, pair, is_repeat=True)
    if known is not None or command.operation_id in view.messages:
        return _conflict(origin)
    is_pair = command.peer_id not in {"", command.user_id}
    conversation_id = command.conversation_id
    if not is_pair or direct_conversation_id(*pair) != conversation_id:
        return Refused(origin, Code.NOT_FOUND, "There is no such user.")
    operation = Operation(
        command.operation_id, conversation_id, command.user_id, BLOCK, command.request, 0, command.at_ms
    )
    view.operations[command.operation_id] = operation
    changes.operations.append(operation)
    blockers = view.blockers.get(conversation_id, frozenset())
    if command.is_blocked and command.user_id not in blockers:
        view.blockers[conversation_id] = blockers | {command.user_id}
        changes.blocks[conversation_id, command.user_id] = BlockRow(
            conversation_id, command.user_id, command.peer_id, command.peer, command.at_ms
        )
    elif not command.is_blocked and command.user_id in blockers:
        view.blockers[conversation_id] = blockers - {command.user_id}
        changes.blocks[conversation_id, command.user_id] = None
    return BlockSet(origin, command.operation_id, conversation_id, pair, is_repeat=False)


def _recall_block(origin: Origin, command: SetBlock, view: View) -> Outcome:
    known = view.operations.get(command.operation_id)
    if known is not None and known.request == command.request:
        pair = (command.user_id, command.peer_id)
        return BlockSet(origin, command.operation_id, known.conversation_id, pair, is_repeat=False)
    if known is not None or command.operation_id in view.messages:
        return _conflict(origin)
    return Refused(origin, Code.NOT_FOUND, "There is no such user.")


def _kept(
    origin: Origin,
    user_id: UserId,
    conversation_id: ConversationId,
    member: MemberState,
    state: CursorState,
    at_ms: int,
) -> CursorKept:
    if state == "read":
        seq, moved_at_ms = member.read_seq, member.read_at_ms
    else:
        seq, moved_at_ms = member.delivered_seq, member.delivered_at_ms
    return CursorKept(origin, user_id, conversation_id, member.username, state, seq, moved_at_ms or at_ms)


def _recall_cursor(
    origin: Origin, user_id: UserId, conversation_id: ConversationId, state: CursorState, view: View
) -> list[Outcome]:
    conversation = view.conversations.get(conversation_id)
    member = conversation.members.get(user_id) if conversation is not None else None
    if conversation is None or member is None:
        return []
    everyone = conversation.audience
    found: list[Outcome] = []

    def tell(what: CursorState, seq: int, at_ms: int, audience: tuple[UserId, ...]) -> None:
        if seq and at_ms:
            moved = CursorMoved(origin, conversation_id, member.username, what, seq, at_ms, audience, user_id)
            found.append(moved)

    if state == "delivered" or member.read_seq > member.shown_read_seq:
        tell("delivered", member.delivered_seq, member.delivered_at_ms, everyone)
    if state == "read":
        tell("read", member.shown_read_seq, member.shown_read_at_ms, everyone)
        if member.read_seq > member.shown_read_seq:
            tell("read", member.read_seq, member.read_at_ms, (user_id,))
    return found


def _conflict(origin: Origin) -> Refused:
    return Refused(origin, Code.ID_CONFLICT, "This id was used for another request. Use a new id for a new message.")
