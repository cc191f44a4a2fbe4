"""The checks, a file for each part of the page; the lanes of all of them run side by side."""

from deploy.verify.checks import (
    accounts,
    messages,
    operations,
    pages,
    patience,
    polling,
    receipts,
    refusals,
    replay,
    sends,
    sessions,
)

LANES = (
    replay.MANY,
    patience.SILENCE,
    patience.FLOOD,
    patience.NO_HELLO,
    operations.LANE,
    accounts.LANE,
    sessions.LANE,
    messages.LANE,
    refusals.LANE,
    replay.LANE,
    receipts.LANE,
    sends.LANE,
    pages.LANE,
    polling.LANE,
)
