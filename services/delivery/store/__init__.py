"""Delivery's SQL: batches of the log with their position, and the entries of what has not reached its recipients."""

from services.delivery.store.batches import (
    CACHED_CONVERSATIONS,
    STORE_ERRORS,
    Advance,
    Overtaken,
    Place,
    Poisoned,
    Store,
)
from services.delivery.store.retries import RetryStore, Woken
from services.delivery.store.retry_reader import Told

__all__ = [
    "CACHED_CONVERSATIONS", "STORE_ERRORS", "Advance", "Overtaken", "Place", "Poisoned", "RetryStore", "Store", "Told",
    "Woken",
]  # fmt: skip
