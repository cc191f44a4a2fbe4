"""Everything that changes a conversation, as it is appended to the log.

A record of the log is a *bundle*: a MessagePack list of items `[kind, origin, command]`. Each item stands for
itself: one that cannot be read spoils none of its neighbours. The values are named tuples, arrays on the wire:
they grow at their end, with a default, and a field is never taken away.
"""

from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from shared.contracts.ids import (
    ClientId,
    ConversationId,
    GatewayId,
    MessageId,
    SessionId,
    UserId,
    Username,
)

CursorState = Literal["delivered", "read"]


class Origin(NamedTuple):
    """Who waits for the outcome of a command: the gateway, and what it keeps about the request under `ref`.

    `session` is the socket that asked ("" for HTTP): it is not sent what it is answered.
    """

    gateway: GatewayId
    ref: int
    session: SessionId = SessionId("")

    @property
    def request_id(self) -> str:
        """What names the request in logs, where it brought no id of its own."""
        return f"{self.gateway}-{self.ref}"


class SendMessage(NamedTuple):
    """Store a message. `peer_id` and `peer` are the other member of a direct conversation, "" for a group.

    `request` is the hash of what was asked for (`request_hash`): a repeat must match it. `sent_at_ms` is the
    accepting gateway's clock, Unix time in milliseconds. `seen_seq` moves the sender's read cursor (0: not);
    `discreet`: without telling others.
    """

    message_id: MessageId
    conversation_id: ConversationId
    sender_id: UserId
    sender: Username
    client_id: ClientId
    request: bytes
    content: str
    sent_at_ms: int
    peer_id: UserId = UserId("")
    peer: Username = Username("")
    content_type: str = "text/plain"
    reply_to: MessageId | None = None
    mentions: tuple[Username, ...] = ()
    seen_seq: int = 0
    discreet: bool = False


class MoveCursor(NamedTuple):
    """Say that a member has, or has read, everything up to `up_to_seq`.

    Cursors only grow; `read` implies `delivered`. `at_ms` is the accepting gateway's clock, Unix milliseconds.
    `discreet`: others hear of `delivered` alone.
    """

    conversation_id: ConversationId
    user_id: UserId
    username: Username
    state: CursorState
    up_to_seq: int
    at_ms: int
    discreet: bool = False


class SetBlock(NamedTuple):
    """Block the other one of a pair, or end that. While either blocks, neither's messages are taken.

    `conversation_id` is the pair's direct conversation, whether it exists or not. `operation_id` is what the id of
    a message under the same client id would be, and `request` a hash as a message has it.
    """

    operation_id: MessageId
    conversation_id: ConversationId
    user_id: UserId
    username: Username
    peer_id: UserId
    peer: Username
    request: bytes
    is_blocked: bool
    at_ms: int


Command = SendMessage | MoveCursor | SetBlock

SEND: Final = "send"
CURSOR: Final = "cursor"
BLOCK: Final = "block"
KINDS: Final[dict[str, type[SendMessage] | type[MoveCursor] | type[SetBlock]]] = {
    SEND: SendMessage,
    CURSOR: MoveCursor,
    BLOCK: SetBlock,
}
"""The kind that stands before a command in the log, and the command it announces."""


def request_hash(
    kind: str,
    target: str,
    content: str,
    reply_to: str | None,
    mentions: tuple[str, ...],
    attachments: tuple[str, ...] = (),
) -> bytes:
    """Tell one request from another under the same id: 128 bits of BLAKE2b over its length-prefixed parts."""
    digest = blake2b(digest_size=16)
    for part in (
        kind,
        target,
        content,
        reply_to or "",
        str(len(mentions)),
        *mentions,
        *attachments,
    ):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()
