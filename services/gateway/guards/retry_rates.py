"""How often a user may have messages tried again: each now and then, and not too many in a row."""

import math
from typing import Final

from services.gateway.domain import Bucket, Rate, full_bucket, take
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import MessageId, UserId
from shared.runtime.metrics import Metrics

OF_USER: Final = Rate(per_s=1, burst=30)
OF_MESSAGE: Final = Rate(per_s=1 / 10, burst=1)
MAX_KEYS: Final = 50_000


class RetryRates:
    """Counts requests; a switched-off one lets all pass. Times are monotonic seconds."""

    def __init__(self, metrics: Metrics, *, is_on: bool) -> None:
        self._is_on = is_on
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        metrics.bounded(
            "retry_rate_buckets",
            "Users and messages whose rate of retries is kept.",
            limit=MAX_KEYS,
            now=lambda: len(self._buckets),
            kind="cache",
        )
        self._refused = metrics.sheds("rate_of_retries")

    def check_user(self, user_id: UserId, now_s: float) -> None:
        """Count a request of a user, whatever it is for.

        Raises:
            Refusal: `rate_limited`.
        """
        self._take((user_id,), OF_USER, now_s)

    def check_message(self, user_id: UserId, message_id: MessageId, now_s: float) -> None:
        """Count a retry of a message.

        Raises:
            Refusal: `rate_limited`.
        """
        self._take((user_id, message_id), OF_MESSAGE, now_s)

    def _take(self, key: tuple[str, ...], rate: Rate, now_s: float) -> None:
        if not self._is_on:
            return
        bucket = self._buckets.pop(key, None) or full_bucket(rate, now_s)
        self._buckets[key], wait = take(bucket, rate, now_s)
        while len(self._buckets) > MAX_KEYS:  # the one that was used least lately
            del self._buckets[next(iter(self._buckets))]
        if wait is not None:
            self._refused.inc()
            wait_ms = math.ceil(wait.total_seconds() * 1000)
            raise Refusal(Code.RATE_LIMITED, "That was tried again only just now. Wait, then try again.", wait_ms)
