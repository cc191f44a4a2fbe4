"""What presence keeps of users for good, in a bucket on disk, and how it clears up after gateways that died."""

from collections.abc import Collection
from typing import Final

import msgspec

from services.presence.backlog import Backlog
from services.presence.domain.facts import SessionKey
from services.presence.domain.sight import Kept
from shared.broker import buckets
from shared.broker.connection import Connection
from shared.contracts.ids import UserId
from shared.runtime import logs

WRITES_AT_ONCE: Final = 16
"""Each is flushed to disk by the broker, beside the messages."""
REMOVALS_AT_ONCE: Final = 16

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode
_log = logs.get(__name__)


class Store:
    """Reads at once, writes in the background."""

    def __init__(self, connection: Connection) -> None:
        self.writes: Backlog[UserId, Kept] = Backlog(self._put, at_once=WRITES_AT_ONCE)
        self.removals: Backlog[SessionKey, int] = Backlog(self._remove, at_once=REMOVALS_AT_ONCE)
        self._connection = connection

    async def read(self, users: Collection[UserId]) -> dict[UserId, Kept]:
        """Read what is kept of some users, at most a thousand; of whom nothing is kept is left out.

        Raises:
            One of BROKER_ERRORS.
        """
        newer = {user: kept for user in users if (kept := self.writes.get(user)) is not None}
        found = await buckets.last_seen_of(self._connection, [user for user in users if user not in newer])
        return {user: kept for user, value in found.items() if (kept := _read(user, value)) is not None} | newer

    async def _put(self, user: UserId, kept: Kept) -> None:
        await buckets.put_last_seen(self._connection, user, _encode(kept))

    async def _remove(self, key: SessionKey, seq: int) -> None:
        await buckets.drop_session(self._connection, *key, only_seq=seq)


def _read(user: UserId, value: bytes) -> Kept | None:
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        _log.warning("kept_cannot_be_read", user_id=user, error=str(error))
        return None
