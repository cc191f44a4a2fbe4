"""What each role may publish and hear at the broker: what its code does, and nothing else.

Whatever is in none of the lists is refused; a subject that is new in `shared.contracts.subjects` is given its place
here. Nobody hears another role's inbox, and nobody but the operator can change a stream of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from shared.broker.access import inbox_of
from shared.broker.buckets import stream_of
from shared.broker.streams import DUE_CONSUMER
from shared.contracts import subjects
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.contracts.presence import gateway_key, session_key

Role = Literal["gateway", "delivery", "history", "presence", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_ANY: Final = "*"
_API: Final = "$JS.API"
_RPC_HISTORY: Final = "rpc.history.*"
_RPC_PRESENCE: Final = "rpc.presence.*"
_RPC_DELIVERY: Final = "rpc.delivery.*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a role may do; `*` is one token, `>` all that follow.

    `answers`: it may reply to what it was asked, once each, wherever the asker wants to hear it.
    `never_publishes`: what it may not, although a wildcard of `publishes` has it.
    """

    publishes: tuple[str, ...]
    hears: tuple[str, ...]
    answers: bool = False
    never_publishes: tuple[str, ...] = ()


def _any(subject: str) -> str:
    """Take all subjects that differ from this one in their last token."""
    return f"{subject.rpartition('.')[0]}.{_ANY}"


def _key(bucket: str, key: str) -> str:
    return f"$KV.{bucket}.{key}"


def _stream(verb: str, stream: str) -> str:
    return f"{_API}.STREAM.{verb}.{stream}"


def _read(bucket: str) -> str:
    return f"{_API}.DIRECT.GET.{stream_of(bucket)}"


_REACHED: Final = _stream("INFO", subjects.CHAT_STREAM)
"""What everybody asks each second where there are several nodes: whether the log can be reached over this one."""
_ANNOUNCEMENTS: Final = _any(subjects.announcements(0))
_TYPING: Final = _any(subjects.typing(0))
_ANSWERS: Final = subjects.answers(GatewayId(_ANY))
_PRESENCE_OF: Final = subjects.presence_of(UserId(_ANY))
_SESSIONS: Final = _key(subjects.PRESENCE_BUCKET, session_key(UserId(_ANY), SessionId(_ANY)))
_GATEWAYS: Final = _key(subjects.PRESENCE_BUCKET, gateway_key(GatewayId(_ANY)))


def _of_gateway() -> Permissions:
    return Permissions(
        publishes=(
            subjects.ALL_LOG,
            _stream("INFO", subjects.CHAT_STREAM),
            _RPC_HISTORY,
            _RPC_PRESENCE,
            subjects.RETRY_MESSAGE,
            subjects.HELLOS_SAID,
            _TYPING,
            subjects.SESSIONS_REVOKED,
            subjects.ACCOUNT_CHANGED,
            subjects.DEVICE_TAKEN,
            # its sessions, and its own life
            _SESSIONS,
            _GATEWAYS,
            _read(subjects.PRESENCE_BUCKET),
        ),
        hears=(
            _ANSWERS,
            _ANNOUNCEMENTS,
            _TYPING,
            subjects.SESSIONS_REVOKED,
            subjects.CONVERSATION_CHANGED,
            subjects.ACCOUNT_CHANGED,
            subjects.DEVICE_TAKEN,
            _PRESENCE_OF,
            subjects.PRESENCE_RESET,
        ),
    )


def _of_delivery() -> Permissions:
    log, schedules = subjects.CHAT_STREAM, subjects.RETRY_STREAM
    return Permissions(
        publishes=(
            # reading the log: a consumer for each time it is read, without acknowledgements
            _stream("INFO", log),
            f"{_API}.CONSUMER.CREATE.{log}.{_ANY}",
            f"{_API}.CONSUMER.MSG.NEXT.{log}.{_ANY}",
            f"{_API}.CONSUMER.DELETE.{log}.{_ANY}",
            # What a record of the log could be acknowledged at; of no use, but it is a reply, and the broker would
            # keep an account of each that is not allowed anyway.
            f"$JS.ACK.{log}.>",
            _stream("PURGE", log),  # the keeper trims what is applied
            # what came of it
            _ANSWERS,
            _ANNOUNCEMENTS,
            subjects.CONVERSATION_CHANGED,
            subjects.DEAD_DELIVERY,
            _stream("INFO", subjects.DLQ_STREAM),
            # schedules, and the work that they become
            _stream("INFO", schedules),  # how full it is, for the metrics
            subjects.ALL_RETRIES,
            f"{_API}.CONSUMER.MSG.NEXT.{schedules}.{DUE_CONSUMER}",
            f"$JS.ACK.{schedules}.{DUE_CONSUMER}.>",
        ),
        hears=(_RPC_DELIVERY, subjects.HELLOS_SAID),
        answers=True,
    )


def _of_history() -> Permissions:
    return Permissions(publishes=(_REACHED,), hears=(_RPC_HISTORY,), answers=True)


def _of_presence() -> Permissions:
    sessions, leases = stream_of(subjects.PRESENCE_BUCKET), stream_of(subjects.LEASES_BUCKET)
    return Permissions(
        publishes=(
            _REACHED,
            _PRESENCE_OF,
            subjects.PRESENCE_RESET,
            # whom a killed gateway left behind, what is kept of everybody, and who leads
            _SESSIONS,
            _key(subjects.LAST_SEEN_BUCKET, _ANY),
            _key(subjects.LEASES_BUCKET, _ANY),
            _read(subjects.PRESENCE_BUCKET),
            _read(subjects.LAST_SEEN_BUCKET),
            _read(subjects.LEASES_BUCKET),
            _stream("MSG.DELETE", leases),
            # what was in memory is made again after a restart of the broker
            *(_stream("INFO", stream_of(bucket)) for bucket in _BUCKETS),
            _stream("CREATE", sessions),
            _stream("CREATE", leases),
        ),
        hears=(f"{subjects.PRESENCE_EVENTS}.>", _RPC_PRESENCE),
        answers=True,
    )


def _of_operator() -> Permissions:
    return Permissions(
        publishes=(
            f"{_API}.>",
            subjects.ALL_LOG,  # dead letters that are tried again
            subjects.SESSIONS_REVOKED,  # accounts that are disabled, or have another password
            _RPC_DELIVERY,
            _RPC_HISTORY,
            _RPC_PRESENCE,
        ),
        hears=(),
        never_publishes=(f"{_API}.ACCOUNT.>", f"{_API}.SERVER.>", f"{_API}.META.>"),
    )


_BUCKETS: Final = (subjects.PRESENCE_BUCKET, subjects.LAST_SEEN_BUCKET, subjects.LEASES_BUCKET)


def _with_inbox(role: Role, permissions: Permissions) -> Permissions:
    """Add where a role hears its answers, and where it proves to itself that it is heard."""
    inbox = f"{inbox_of(role)}.>"
    return Permissions(
        publishes=(*permissions.publishes, inbox),
        hears=(*permissions.hears, inbox),
        answers=permissions.answers,
        never_publishes=permissions.never_publishes,
    )


_OWN: Final[Mapping[Role, Permissions]] = {
    "gateway": _of_gateway(),
    "delivery": _of_delivery(),
    "history": _of_history(),
    "presence": _of_presence(),
    "operator": _of_operator(),
}
PERMISSIONS: Final[Mapping[Role, Permissions]] = {role: _with_inbox(role, _OWN[role]) for role in ROLES}
