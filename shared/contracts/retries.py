"""Messages that have not reached their recipients: what may be asked of delivery about them; JSON both ways."""

from dataclasses import dataclass, field
from typing import Literal

from shared.contracts.ids import ConversationId, MessageId, UserId, Username

RetryState = Literal["waiting", "failed"]


@dataclass(frozen=True, slots=True)
class HellosSaid:
    """Users who said hello (or began to poll) just now: what was parked for them is waiting again."""

    user_ids: list[UserId]


@dataclass(frozen=True, slots=True)
class RetryMessage:
    """Its sender asks to try a message's recipients again, now."""

    sender_id: UserId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Retried:
    """How many entries are due now; 0 where everybody asked for has everything."""

    entries: int


@dataclass(frozen=True, slots=True)
class ListRetries:
    """An operator asks for entries, in the order of (recipient's id, conversation), behind one; `limit` 1-1,000."""

    state: RetryState | None = None
    username: Username | None = None
    after: tuple[UserId, ConversationId] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class RetryEntry:
    """An entry, and how many messages wait in it. Times are Unix milliseconds; `reason` "" while it waits."""

    user_id: UserId
    username: Username
    conversation_id: ConversationId
    state: RetryState
    attempt: int
    max_attempts: int
    messages: int
    opened_at_ms: int
    next_at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class RetryList:
    """A page of entries; `next` continues it, None at the end. `total` counts all that match."""

    entries: list[RetryEntry]
    total: int
    next: tuple[UserId, ConversationId] | None = None


@dataclass(frozen=True, slots=True)
class ProcessRetries:
    """An operator has entries tried now, whatever they wait for, and parked ones again; all where nothing is named."""

    state: RetryState | None = None
    username: Username | None = None
    conversation_id: ConversationId | None = None


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """How delivery tries: the first time `after_s` after a message was stored, then with exponential backoff.

    Attempt n + 1 comes `retry_base_s` * 2 ** (n - 1) after attempt n, at most `retry_cap_s`, and up to a fifth more
    by chance. After `max_retries` attempts an entry is parked when the next one would be due.
    """

    retry_after_s: float = field(default=10.0, metadata={"min": 0.1})
    retry_base_s: float = field(default=10.0, metadata={"min": 0.1})
    retry_cap_s: float = field(default=300.0, metadata={"min": 0.1})
    max_retries: int = field(default=3, metadata={"min": 1, "max": 20})
