"""All of history's SQL, keyset only: one function a question; those that belong together make up one reading."""

from typing import Final, TypeVar

from services.history.store.conversations import blockers, conversation, conversation_with_unread
from services.history.store.listing import display_names, group_sizes, heads, last_messages, settings, unread
from services.history.store.messages import (
    first_receipts,
    message,
    messages_of_page,
    messages_of_sync,
    outcomes,
    receipts,
    seq_at,
    seq_of,
)
from services.history.store.missed import changed_counts, conversations_of, epoch, members_of, missed_messages
from services.history.store.people import acquainted_in_groups, acquainted_in_pairs
from services.history.store.waiting import attempts, behind, own_messages, recipients_waiting, stored_at
from shared.database.snapshot import DatabaseAway, Read, Snapshots
from shared.runtime import telemetry

__all__ = [
    "CONNECTIONS",
    "DatabaseAway",
    "Read",
    "Store",
    "acquainted_in_groups",
    "acquainted_in_pairs",
    "attempts",
    "behind",
    "blockers",
    "changed_counts",
    "conversation",
    "conversation_with_unread",
    "conversations_of",
    "display_names",
    "epoch",
    "first_receipts",
    "group_sizes",
    "heads",
    "last_messages",
    "members_of",
    "message",
    "messages_of_page",
    "messages_of_sync",
    "missed_messages",
    "outcomes",
    "own_messages",
    "receipts",
    "recipients_waiting",
    "seq_at",
    "seq_of",
    "settings",
    "stored_at",
    "unread",
]

T = TypeVar("T")

CONNECTIONS: Final = 4
PATIENCE_S: Final = 1.5
"""Shorter than gateways wait for a reply, so that they hear from here that the database is away."""


class Store:
    """The tables that delivery writes, for reading. Nothing is connected before the first question."""

    def __init__(self, url: str) -> None:
        self._snapshots = Snapshots(url, size=CONNECTIONS, patience_s=PATIENCE_S)

    @property
    def last_read(self) -> float | None:
        """When a read last succeeded, in monotonic seconds; None before the first."""
        return self._snapshots.last_read

    @property
    def in_use(self) -> int:
        """How many connections are reading right now."""
        return self._snapshots.in_use

    async def read(self, reading: Read[T]) -> T:
        """Carry out a reading, all of it in one snapshot; what it raises comes through.

        Raises:
            DatabaseAway: the database could not be reached, or did not answer in time.
        """
        span = telemetry.current()
        with telemetry.within(None if span is None else span.child("read database")):
            return await self._snapshots.read(reading)

    async def close(self) -> None:
        """Close the connections."""
        await self._snapshots.close()
