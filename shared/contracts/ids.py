"""Identifiers and the fixed functions that make them: the same input gives the same id on every machine, for ever."""

import re
import zlib
from hashlib import blake2b
from typing import Final, NewType

UserId = NewType("UserId", str)
Username = NewType("Username", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
ClientId = NewType("ClientId", str)
"""The `id` that a client gives to a frame that changes something; unique per sender."""
SessionId = NewType("SessionId", str)
GatewayId = NewType("GatewayId", str)
LogId = NewType("LogId", str)
"""Names one incarnation of the log; drawn when the stream is created."""

ID_PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"
USERNAME_PATTERN: Final = r"[a-z0-9_-]{3,32}"
_is_id = re.compile(ID_PATTERN).fullmatch


def is_id(text: str) -> bool:
    """Tell whether a text may stand as an id in a frame or a subject: 1-64 of `[A-Za-z0-9_-]`."""
    return _is_id(text) is not None


def direct_conversation_id(one: UserId, other: UserId) -> ConversationId:
    """Name the direct conversation of two users: `d` and 120 bits of BLAKE2b over the sorted pair, base32."""
    low, high = sorted((one, other))
    return ConversationId("d" + _base32(blake2b(f"{low}\0{high}".encode(), digest_size=15).digest()))


def message_id(sender: UserId, client_id: ClientId) -> MessageId:
    """Name a message before it is stored: `m` and 128 bits of BLAKE2b over (sender, client id), base32."""
    return MessageId("m" + _base32(blake2b(f"{sender}\0{client_id}".encode(), digest_size=16).digest()))


def partition_of(conversation: ConversationId, partitions: int) -> int:
    """Tell in which partition of the log a conversation lives; stable as long as the count is (CRC-32)."""
    return zlib.crc32(conversation.encode()) % partitions


def shard_of(user: UserId, shards: int) -> int:
    """Tell on which announcement subject a user is addressed (CRC-32)."""
    return zlib.crc32(user.encode()) % shards


def _base32(digest: bytes) -> str:
    """Write 5 bits a character (RFC 4648, lower case, no padding), two characters at a time."""
    bits = len(digest) * 8
    padded = -(-bits // 10) * 10
    number = int.from_bytes(digest, "big") << (padded - bits)
    pairs = "".join([_PAIRS[number >> shift & 1023] for shift in range(padded - 10, -1, -10)])
    return pairs[: -(-bits // 5)]


_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(one + other for one in _ALPHABET for other in _ALPHABET)
