"""Which messages a page holds: where it is read, and where it ends early."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.history.domain.stored import StoredMessage
from shared.contracts.queries import GetPage, Sync

PAGE_BYTES: Final = 256 * 1024
"""A page, a sync page and a part of a resume end early at so much content."""


class Reading(NamedTuple):
    """Where a page is read: from `edge`, not included, down or up, and one message more than `limit`.

    `around`: the message that stays in the page when it has to be cut.
    """

    edge: int
    is_backwards: bool
    limit: int
    around: int | None = None


class Cut(NamedTuple):
    """The messages of a page, oldest first, and whether there are more beyond its ends."""

    messages: list[StoredMessage]
    has_older: bool
    has_newer: bool


def reading_of(query: GetPage, last_seq: int, found: int | None) -> Reading:
    """Decide where to read; `found` is the seq of what the query names by its id or time."""
    is_around = query.around is not None or query.around_seq is not None
    if is_around and found is not None:
        lowest = max(1, min(found - query.limit // 2, last_seq - query.limit + 1))
        return Reading(lowest - 1, is_backwards=False, limit=query.limit, around=found)
    if query.at_ms is not None and found is not None:
        return Reading(found - 1, is_backwards=False, limit=query.limit)
    if query.after_seq is not None:
        return Reading(query.after_seq, is_backwards=False, limit=query.limit)
    before = query.before_seq if found is None else found
    return Reading(last_seq + 1 if before is None else before, is_backwards=True, limit=query.limit)


def cut_page(rows: Sequence[StoredMessage], reading: Reading, last_seq: int) -> Cut:
    """Make a page of the messages read, which are in the order of reading."""
    low, high = _fitting_around(rows, reading)
    kept = list(rows[low:high])
    is_more = high < len(rows)
    if reading.is_backwards:
        kept.reverse()
        newest = kept[-1].seq if kept else reading.edge - 1
        return Cut(kept, has_older=is_more, has_newer=newest < last_seq)
    oldest = kept[0].seq if kept else reading.edge + 1
    return Cut(kept, has_older=min(oldest, last_seq + 1) > 1, has_newer=is_more)


def fitting(rows: Sequence[StoredMessage], limit: int) -> int:
    """Tell how many messages from the front make a page: by number and by size, at least one."""
    used = 0
    for count, message in enumerate(rows[:limit]):
        used += message.size
        if used > PAGE_BYTES and count:
            return count
    return min(limit, len(rows))


def _fitting_around(rows: Sequence[StoredMessage], reading: Reading) -> tuple[int, int]:
    """Return the bounds of what is kept: from the front, or growing to both sides of the message in the middle."""
    if reading.around is None:
        return 0, fitting(rows, reading.limit)
    rows = rows[: reading.limit]
    middle = bisect_left(rows, reading.around, key=lambda message: message.seq)
    low, high = middle, middle + 1
    room = PAGE_BYTES - sum(message.size for message in rows[low:high])
    while True:
        is_older = low > 0 and rows[low - 1].size <= room
        is_newer = high < len(rows) and rows[high].size <= room
        if not (is_older or is_newer):
            return low, high
        if is_newer and (not is_older or high - middle <= middle - low):
            room -= rows[high].size
            high += 1
        else:
            low -= 1
            room -= rows[low].size


def cut_sync(rows: Sequence[StoredMessage], query: Sync, head: int) -> tuple[list[StoredMessage], int, bool]:
    """Return a sync page's messages, its `rev` and whether it is `complete`; `rows` are in the order of reading."""
    kept = list(rows[: fitting(rows, query.limit)])
    is_complete = len(kept) == len(rows)
    if query.before_seq is not None:
        return kept[::-1], head, is_complete
    return kept, head if is_complete else kept[-1].rev, is_complete
