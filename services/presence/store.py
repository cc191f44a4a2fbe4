"""What presence keeps of users for good, in a bucket on disk, and how it clears up after gateways that died."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from services.presence.backlog import Backlog
from services.presence.domain.facts import SessionKey
from services.presence.domain.sight import Kept
from shared.broker import buckets
from shared.broker.connection import Connection
from shared.broker.lease import Lease
from shared.contracts.ids import UserId
from shared.runtime import logs

BATCH: Final = 500
"""How many users are written together; each batch is flushed to disk by the broker, beside the messages."""
BATCHES_AT_ONCE: Final = 2
REMOVALS_AT_ONCE: Final = 16

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode
_log = logs.get(__name__)


class Store:
    """Reads at once, writes in the background, and only while the lease is held."""

    def __init__(self, connection: Connection, lease: Lease) -> None:
        self.writes: Backlog[UserId, Kept] = Backlog(self._put, batch=BATCH, at_once=BATCHES_AT_ONCE)
        self.removals: Backlog[SessionKey, int] = Backlog(self._remove, batch=1, at_once=REMOVALS_AT_ONCE)
        self._connection = connection
        self._lease = lease

    async def read(self, users: Collection[UserId]) -> dict[UserId, Kept]:
        """Read what is kept of some users, at most a thousand; of whom nothing is kept is left out.

        Raises:
            One of BROKER_ERRORS.
        """
        newer = {user: kept for user in users if (kept := self.writes.get(user)) is not None}
        found = await buckets.last_seen_of(self._connection, [user for user in users if user not in newer])
        return {user: kept for user, value in found.items() if (kept := _read(user, value)) is not None} | newer

    async def _put(self, kept: Mapping[UserId, Kept]) -> None:
        self._check_lease()
        await buckets.put_last_seen(self._connection, {user: _encode(value) for user, value in kept.items()})

    async def _remove(self, sessions: Mapping[SessionKey, int]) -> None:
        for key, seq in sessions.items():
            self._check_lease()
            await buckets.drop_session(self._connection, *key, only_seq=seq)

    def _check_lease(self) -> None:
        if not self._lease.is_held:  # this process may have been frozen for a while
            raise TimeoutError("the lease ran out")


def _read(user: UserId, value: bytes) -> Kept | None:
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        _log.warning("kept_cannot_be_read", user_id=user, error=str(error))
        return None
