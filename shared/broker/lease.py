"""A lease: among replicas that could all do something, it says which one does.

It is a key with a short life, created and refreshed by compare-and-swap. Whoever holds it knows without asking how
long it surely does; whoever died holds it no longer than its life.
"""

import time
from typing import Final

from shared.broker import buckets
from shared.broker.connection import Connection
from shared.contracts import subjects

LIFE_S: Final = 3
"""Of a lease that is not refreshed; refresh it three times as often."""


class Lease:
    """One replica's claim to a lease by name. `owner` is unlike every other replica's, in every life of it."""

    def __init__(self, connection: Connection, name: str, owner: str, life_s: int = LIFE_S) -> None:
        self.life_s = life_s
        self.other = ""
        """Who held it when this replica asked last; "" where it was itself, or nobody."""
        self._connection = connection
        self._name = name
        self._owner = owner.encode()
        self._seq = 0
        self._until_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether no other replica can hold it now."""
        return time.monotonic() < self._until_s

    async def claim(self) -> bool:
        """Take it, or keep it; tells whether this replica has it.

        Raises:
            One of BROKER_ERRORS: nothing is known; what was held is held until its life ends. BUCKET_GONE: the broker
                has lost its memory.
        """
        if not self.is_held:
            self._seq = 0
        if await self._put(self._seq):
            return True
        # Somebody else's, or this one's own: the answer to a claim may have been lost, or its life have ended.
        found = await buckets.last(self._connection, subjects.LEASES_BUCKET, self._name)
        if found is not None and found.value != self._owner:
            self._seq, self._until_s = 0, 0.0
            self.other = (found.value or b"").decode()
            return False
        return await self._put(found.seq if found is not None else 0)

    def doubt(self) -> None:
        """Look who holds it before claiming it the next time: the broker may have lost its memory."""
        self._seq, self._until_s = 0, 0.0

    async def release(self) -> None:
        """Give it up, so that another replica need not wait for its end.

        Raises:
            One of BROKER_ERRORS.
        """
        seq, self._seq, self._until_s = self._seq, 0, 0.0
        if seq:
            await buckets.erase(self._connection, subjects.LEASES_BUCKET, seq)

    async def _put(self, after_seq: int) -> bool:
        until_s = time.monotonic() + self.life_s  # the broker counts from later on
        seq = await buckets.put(
            self._connection,
            subjects.LEASES_BUCKET,
            self._name,
            self._owner,
            life_s=self.life_s,
            after_seq=after_seq,
        )
        if seq is None:
            return False
        self._seq, self._until_s, self.other = seq, until_s, ""
        return True
