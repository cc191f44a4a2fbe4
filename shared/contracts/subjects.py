"""Every subject, stream and bucket of the broker, written once; a subject carries the type of its payload."""

from typing import Any, Final, Generic, TypeVar

from shared.contracts import events, presence, queries, retries
from shared.contracts.ids import ConversationId, GatewayId, UserId

P = TypeVar("P")
R = TypeVar("R")


class Subject(str, Generic[P]):  # noqa: SLOT000 - a constant keeps its type in `__orig_class__`, for the document
    """A subject whose messages carry a `P`."""


class Query(str, Generic[P, R]):  # noqa: SLOT000 - as above
    """A request-reply subject: a `P` is answered with an `R`."""


CHAT_STREAM: Final = "CHAT"
"""The log: bundles of commands."""
DLQ_STREAM: Final = "DLQ"
"""Dead letters: what could not be decoded or applied."""

RETRY_STREAM: Final = "RETRY"
"""Schedules that wake the entries of `retry`, and the wake-ups; the entries themselves are in the database."""
PRESENCE_BUCKET: Final = "presence"
"""Sessions and gateways, in memory (`shared.contracts.presence`)."""
LAST_SEEN_BUCKET: Final = "last_seen"
"""What presence keeps of a user for good: when last seen, the chosen status."""
LEASES_BUCKET: Final = "leases"
"""Which replica leads, in memory: one key for each thing that one replica does for all."""

LOG: Final = "chat.p"
ALL_LOG: Final = f"{LOG}.*"
ALL_DEAD_LETTERS: Final = "dlq.>"
DEAD_DELIVERY: Final = "dlq.delivery"

SESSIONS_REVOKED: Final = Subject[events.SessionsRevoked]("gw.ctl.sessions_revoked")
CONVERSATION_CHANGED: Final = Subject[events.ConversationChanged]("gw.ctl.conversation_changed")
ACCOUNT_CHANGED: Final = Subject[events.AccountChanged]("gw.ctl.account_changed")
DEVICE_TAKEN: Final = Subject[events.DeviceTaken]("gw.ctl.device_taken")

ALL_RETRIES: Final = "retry.*.*"
ALL_DUE: Final = "due.*.*"
HELLOS_SAID: Final = Subject[retries.HellosSaid]("delivery.hellos")
"""To delivery: one replica hears each."""

PRESENCE_EVENTS: Final = "presence.ev"
"""What happens in the presence bucket is republished behind it: `presence.ev.s.…`, `presence.ev.g.…`."""
PRESENCE_RESET: Final = Subject[presence.PresenceReset]("presence.reset")

MEMBERS: Final = Query[queries.GetMembers, queries.Members]("rpc.history.members")
PAGE: Final = Query[queries.GetPage, queries.Page[Any]]("rpc.history.page")
RESUME: Final = Query[queries.Resume, queries.Resumed[Any]]("rpc.history.resume")
SYNC: Final = Query[queries.Sync, queries.Synced[Any]]("rpc.history.sync")
OUTCOMES: Final = Query[queries.FindOutcomes, queries.Outcomes]("rpc.history.outcomes")
MESSAGE: Final = Query[queries.GetMessage, queries.Found[Any]]("rpc.history.message")
CONVERSATIONS: Final = Query[queries.GetConversations, queries.Conversations[Any]]("rpc.history.conversations")
CONVERSATION: Final = Query[queries.GetConversation, queries.Found[Any]]("rpc.history.conversation")
UNDELIVERED: Final = Query[queries.GetUndelivered, queries.UndeliveredPage]("rpc.history.undelivered")
TIMELINE: Final = Query[queries.GetTimeline, queries.Timeline]("rpc.history.timeline")
RECEIPTS: Final = Query[queries.GetReceipts, queries.MessageReceipts]("rpc.history.receipts")
ACQUAINTED: Final = Query[queries.FindAcquainted, queries.Acquainted]("rpc.history.acquainted")

PRESENCE: Final = Query[presence.GetPresence, presence.PresenceStates]("rpc.presence.states")
SET_PRESENCE: Final = Query[presence.SetPresence, presence.PresenceSet]("rpc.presence.set")

RETRY_MESSAGE: Final = Query[retries.RetryMessage, retries.Retried]("rpc.delivery.retry_message")
LIST_RETRIES: Final = Query[retries.ListRetries, retries.RetryList]("rpc.delivery.list_retries")
PROCESS_RETRIES: Final = Query[retries.ProcessRetries, retries.Retried]("rpc.delivery.process_retries")


def log(partition: int) -> str:
    """Name the log's subject of a partition."""
    return f"{LOG}.{partition}"


def partition_in(subject: str) -> int:
    """Read the partition back from a subject of the log."""
    return int(subject.rpartition(".")[2])


def answers(gateway: GatewayId) -> Subject[list[events.Answer]]:
    """Name the subject of a gateway's answers."""
    return Subject(f"chat.re.{gateway}")


def announcements(shard: int) -> Subject[list[events.Announcement]]:
    """Name the subject of the announcements to the users of a shard."""
    return Subject(f"chat.ev.{shard}")


def typing(shard: int) -> Subject[list[events.Announcement]]:
    """Name the subject of typing frames to the users of a shard."""
    return Subject(f"typing.{shard}")


def presence_of(user: UserId) -> Subject[presence.PresenceState]:
    """Name the subject on which presence says how a user is now."""
    return Subject(f"presence.user.{user}")


def retry(user: UserId, conversation: ConversationId) -> str:
    """Name the subject of an entry's schedule: one more replaces the one before."""
    return f"retry.{user}.{conversation}"


def due(user: UserId, conversation: ConversationId) -> str:
    """Name the subject on which an entry's schedule fires."""
    return f"due.{user}.{conversation}"
