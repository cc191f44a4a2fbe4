"""Delivery's SQL: batches of the log with their position, and the entries of what has not reached its recipients."""

from services.delivery.store.batches import STORE_ERRORS, Advance, Overtaken, Place, Poisoned, Store

__all__ = ["STORE_ERRORS", "Advance", "Overtaken", "Place", "Poisoned", "Store"]
