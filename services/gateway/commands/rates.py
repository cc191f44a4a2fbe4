"""How fast a user may send: one bucket each, over all sockets and HTTP of this gateway."""

from typing import Final

from services.gateway.domain import Bucket, Rate, full_bucket, take
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId
from shared.runtime.metrics import Metrics

MAX_USERS: Final = 50_000


class UserRates:
    """The buckets of the users seen last; whoever falls out begins with a full one."""

    def __init__(self, rate: Rate, metrics: Metrics) -> None:
        self._rate = rate
        self._buckets: dict[UserId, Bucket] = {}
        metrics.bounded(
            "rate_buckets",
            "Users whose rate of messages is kept.",
            limit=MAX_USERS,
            now=lambda: len(self._buckets),
            kind="cache",
        )
        self._refused = metrics.sheds("rate_of_messages")

    def check(self, user_id: UserId, now_s: float) -> None:
        """Count a message.

        Raises:
            Refusal: `rate_limited`, with the time to wait.
        """
        bucket = self._buckets.get(user_id)
        if bucket is None:
            bucket = full_bucket(self._rate, now_s)
            if len(self._buckets) >= MAX_USERS:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[user_id], wait = take(bucket, self._rate, now_s)
        if wait is not None:
            self._refused.inc()
            wait_ms = int(wait.total_seconds() * 1000) + 1
            raise Refusal(Code.RATE_LIMITED, "Too many messages. Wait a moment.", wait_ms)
