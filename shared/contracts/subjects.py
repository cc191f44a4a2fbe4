"""Every subject, stream and bucket of the broker, written once; a subject carries the type of its payload."""

from typing import Any, Final, Generic, TypeVar

from shared.contracts import events, queries
from shared.contracts.ids import GatewayId

P = TypeVar("P")
R = TypeVar("R")


class Subject(str, Generic[P]):
    """A subject whose messages carry a `P`."""

    __slots__ = ()


class Query(str, Generic[P, R]):
    """A request-reply subject: a `P` is answered with an `R`."""

    __slots__ = ()


CHAT_STREAM: Final = "CHAT"
"""The log: bundles of commands."""
DLQ_STREAM: Final = "DLQ"
"""Dead letters: what could not be decoded or applied."""

LOG: Final = "chat.p"
ALL_LOG: Final = f"{LOG}.*"
ALL_DEAD_LETTERS: Final = "dlq.>"
DEAD_DELIVERY: Final = "dlq.delivery"

SESSIONS_REVOKED: Final = Subject[events.SessionsRevoked]("gw.ctl.sessions_revoked")
DEVICE_TAKEN: Final = Subject[events.DeviceTaken]("gw.ctl.device_taken")

MEMBERS: Final = Query[queries.GetMembers, queries.Members]("rpc.history.members")
PAGE: Final = Query[queries.GetPage, queries.Page[Any]]("rpc.history.page")
RESUME: Final = Query[queries.Resume, queries.Resumed[Any]]("rpc.history.resume")
SYNC: Final = Query[queries.Sync, queries.Synced[Any]]("rpc.history.sync")
OUTCOMES: Final = Query[queries.FindOutcomes, queries.Outcomes]("rpc.history.outcomes")
MESSAGE: Final = Query[queries.GetMessage, queries.Found[Any]]("rpc.history.message")


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
