"""Blocking somebody, and ending that: a command on the pair's direct conversation, whether that exists or not."""

from services.gateway.commands.calls import Calls
from services.gateway.domain import Principal, User
from shared.contracts.commands import BLOCK, SetBlock, request_hash
from shared.contracts.ids import ClientId, direct_conversation_id, message_id
from shared.runtime.clock import now_ms


async def set_block(calls: Calls, who: Principal, peer: User, client_id: ClientId, *, is_blocked: bool) -> None:
    """Block somebody, or end that, and wait until it is so. What is so already stays so.

    Raises:
        Refusal: `id_conflict`; `unavailable`: not confirmed within 2 s, to be repeated with the same id.
    """
    conversation_id = direct_conversation_id(who.user_id, peer.id)
    command = SetBlock(
        message_id(who.user_id, client_id),
        conversation_id,
        who.user_id,
        who.username,
        peer.id,
        peer.username,
        request_hash(BLOCK, conversation_id, "block" if is_blocked else "unblock", None, ()),
        is_blocked,
        now_ms(),
    )
    await calls.call(BLOCK, command)
