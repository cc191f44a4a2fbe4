"""Retries: what has not reached its recipients is noticed, tried, told of and parked; entries are kept in `retry`."""

from services.delivery.retries.counts import RetryCounts
from services.delivery.retries.service import Retries

__all__ = ["Retries", "RetryCounts"]
