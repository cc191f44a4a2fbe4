"""What delivery says after a commit: answers to who asked, announcements to everyone concerned, gateway control.

Answers and announcements travel as MessagePack lists of these named tuples (arrays on the wire: they grow at
their end, with a default). Control messages are one JSON object each, told apart by their subject.
"""

from dataclasses import dataclass
from typing import NamedTuple

from shared.contracts.ids import ClientId, ConversationId, GatewayId, MessageId, SessionId, UserId, Username


class Answer(NamedTuple):
    """The outcome of one command, for the gateway that accepted it (`Origin.ref`).

    `code` is "" for a stored message (then `message_id`, `conversation_id`, `seq`, `rev`, `sent_at_ms` and
    `duplicate` are those of the `ack`), or a `Code` with its `detail`. `frame`: the `read_receipt` frame for
    who asked about a cursor that did not move, from deliveries that did not announce it yet.
    """

    ref: int
    code: str = ""
    detail: str = ""
    message_id: MessageId = MessageId("")
    conversation_id: ConversationId = ConversationId("")
    seq: int = 0
    rev: int = 0
    sent_at_ms: int = 0
    duplicate: bool = False
    frame: bytes = b""


class Announcement(NamedTuple):
    """One frame for the sockets of some users.

    `to`: the users addressed. `frame`: the client's JSON, encoded once. `rev`: the conversation's revision that
    it carries, 0 for frames without one (receipts). `skip`: the socket that asked, answered by its `ack`.
    `author` and `client_id`: the author's own devices get the frame with `id` put in; "" where there is none.
    `only`: the one socket that is told, "" for all of them.
    """

    to: tuple[UserId, ...]
    conversation_id: ConversationId
    rev: int
    frame: bytes
    skip: SessionId = SessionId("")
    author: UserId = UserId("")
    client_id: ClientId = ClientId("")
    only: SessionId = SessionId("")


@dataclass(frozen=True, slots=True)
class SessionsRevoked:
    """Sign-ins that ended: their sockets are closed with 4401. Published by the gateway that ended them."""

    user_id: UserId
    sign_in_ids: list[str]


@dataclass(frozen=True, slots=True)
class DeviceTaken:
    """A device said hello: an older socket of the same device, on any gateway, is closed with 4409.

    The newer is the one with the greater (`at_ms`, `session_id`).
    """

    user_id: UserId
    device_id: str
    session_id: SessionId
    at_ms: int
    gateway_id: GatewayId


@dataclass(frozen=True, slots=True)
class ConversationChanged:
    """Members or blocks of a conversation changed: what is remembered of it is dropped. Published by delivery."""

    conversation_id: ConversationId
    user_ids: list[UserId]


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """A user's name or choices, as they are now; published by the gateway that changed them.

    `read_receipts`, `typing`, `last_seen`: whether others may see them.
    """

    user_id: UserId
    username: Username
    display_name: str
    read_receipts: bool
    typing: bool
    last_seen: bool
