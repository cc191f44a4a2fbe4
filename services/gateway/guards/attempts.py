"""How often somebody may try to sign in, to register or to search, without locking out whom they pretend to be."""

import math
from datetime import timedelta
from typing import Final

from services.gateway import domain
from services.gateway.domain import Bucket, Rate
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId, Username
from shared.runtime import clock
from shared.runtime.metrics import Metrics

WRONG_PASSWORDS: Final = Rate(per_s=1 / 30, burst=10)
"""For one account from one address: whoever knows the password still enters from another address."""
WRONG_FROM_ADDRESS: Final = Rate(per_s=1 / 3, burst=100)
REGISTERED_FROM_ADDRESS: Final = Rate(per_s=1 / 2, burst=200)
SEARCHES: Final = Rate(per_s=1 / 2, burst=30)
CHANGES: Final = Rate(per_s=1.0, burst=30)
"""Of the own profile and of blocks: each is told to every gateway."""
MAX_KEYS: Final = 50_000
_WHATS: Final = ("address", "account", "registration", "search", "change")
"""What is counted; the first word of each key."""


class Attempts:
    """Counts tries per account and address, searches and changes per user; a switched-off one lets everybody try.

    A try is paid for before its password is checked, so that a hundred at once are no way around it; a right
    password gets its price back.
    """

    def __init__(self, metrics: Metrics, *, is_on: bool) -> None:
        self._is_on = is_on
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        metrics.bounded(
            "attempt_buckets",
            "Accounts, addresses and users whose rate of tries is kept.",
            limit=MAX_KEYS,
            now=lambda: len(self._buckets),
            kind="cache",
        )
        self._refused = {what: metrics.sheds(f"rate_of_{what}") for what in _WHATS}

    def begin_sign_in(self, username: Username | str, address: str) -> None:
        """Pay for a try.

        Raises:
            Refusal: `rate_limited`.
        """
        network = domain.network_of(address)
        self._take(("address", network), WRONG_FROM_ADDRESS)
        try:
            self._take(("account", username, network), WRONG_PASSWORDS)
        except Refusal:
            self._put_back(("address", network), WRONG_FROM_ADDRESS)
            raise

    def give_back(self, username: Username | str, address: str) -> None:
        """Pay back a try whose password was right, or that was never decided."""
        network = domain.network_of(address)
        self._put_back(("address", network), WRONG_FROM_ADDRESS)
        self._put_back(("account", username, network), WRONG_PASSWORDS)

    def begin_registration(self, address: str) -> None:
        """Pay for a new account.

        Raises:
            Refusal: `rate_limited`.
        """
        self._take(("registration", domain.network_of(address)), REGISTERED_FROM_ADDRESS)

    def begin_search(self, user_id: UserId) -> None:
        """Pay for a search for people.

        Raises:
            Refusal: `rate_limited`.
        """
        self._take(("search", user_id), SEARCHES)

    def begin_change(self, user_id: UserId) -> None:
        """Pay for a change of one's profile, or of whom one blocks.

        Raises:
            Refusal: `rate_limited`.
        """
        self._take(("change", user_id), CHANGES)

    def _take(self, key: tuple[str, ...], rate: Rate) -> None:
        if not self._is_on:
            return
        now_s = clock.monotonic()
        bucket = self._buckets.pop(key, None) or domain.full_bucket(rate, now_s)
        self._buckets[key], wait = domain.take(bucket, rate, now_s)
        while len(self._buckets) > MAX_KEYS:  # the one that was used least lately
            del self._buckets[next(iter(self._buckets))]
        if wait is not None:
            self._refused[key[0]].inc()
            raise _too_often(wait)

    def _put_back(self, key: tuple[str, ...], rate: Rate) -> None:
        if key in self._buckets:
            self._buckets[key] = domain.give_back(self._buckets[key], rate)


def _too_often(wait: timedelta) -> Refusal:
    retry_after_ms = math.ceil(wait.total_seconds() * 1000)
    return Refusal(Code.RATE_LIMITED, "That was tried too often. Wait, then try again.", retry_after_ms)
