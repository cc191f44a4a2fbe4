"""When a recipient who is away is tried again: arguments in, a decision out; the time and chance are arguments too."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from shared.contracts.ids import ConversationId, UserId, Username
from shared.contracts.retries import RetrySettings

NO_DEVICE: Final = "no_device"
"""Why an entry is parked: nobody took what waits in it."""
SPREAD: Final = 0.2
"""How much longer a wait may be, by chance: what failed at once shall not come back at once."""


class Key(NamedTuple):
    """Names an entry: a recipient and a conversation."""

    user_id: UserId
    conversation_id: ConversationId


class Wake(NamedTuple):
    """An entry's schedule: when it is due, in the state that it had when the schedule was made."""

    key: Key
    attempt: int
    next_at_ms: int


class Entry(NamedTuple):
    """A waiting entry as it is when it is woken.

    `delivered_seq`: how far the recipient has the conversation, None for one who is no member any more.
    `undelivered_seq`: the last message of somebody else above that, None where there is none.
    """

    key: Key
    username: Username
    attempt: int
    up_to_seq: int
    next_at_ms: int
    delivered_seq: int | None
    undelivered_seq: int | None


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try now, as the attempt of this number, for the messages up to `up_to_seq`; the next time is `next_at_ms`."""

    attempt: int
    up_to_seq: int
    next_at_ms: int


@dataclass(frozen=True, slots=True)
class Park:
    """Enough was tried, for the messages up to `up_to_seq`: wait for a hello, the sender or an operator."""

    up_to_seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """The recipient has everything, or is gone."""


@dataclass(frozen=True, slots=True)
class Await:
    """It was woken for an earlier state: nothing but its schedule is to be made again."""


Step = RetryAt | Park | Close | Await


class Tried(NamedTuple):
    """What an attempt was, or that there will be none any more ("failed"): for the messages behind `after_seq`."""

    key: Key
    username: Username
    outcome: Literal["retrying", "failed"]
    attempt: int
    after_seq: int
    up_to_seq: int
    at_ms: int
    next_at_ms: int
    reason: str


def decide_all(
    entries: Iterable[Entry],
    woken: Mapping[Key, Wake],
    now_ms: int,
    chance: Callable[[], float],
    settings: RetrySettings,
) -> list[tuple[Entry, Step]]:
    """Decide what becomes of each entry that was woken; `chance` gives numbers from 0 to 1."""
    return [(entry, decide_one(entry, woken[entry.key], now_ms, chance(), settings)) for entry in entries]


def decide_one(entry: Entry, woken: Wake, now_ms: int, chance: float, settings: RetrySettings) -> Step:
    """Decide what becomes of an entry that was woken.

    A schedule that was made for its present state is believed: the broker's clock may be ahead of ours.
    """
    if entry.delivered_seq is None or entry.undelivered_seq is None:
        return Close()
    is_for_this_state = (woken.attempt, woken.next_at_ms) == (entry.attempt, entry.next_at_ms)
    if not is_for_this_state and entry.next_at_ms > now_ms:
        return Await()
    if entry.attempt >= settings.max_retries:
        return Park(entry.undelivered_seq, NO_DEVICE)
    attempt = entry.attempt + 1
    return RetryAt(attempt, entry.undelivered_seq, now_ms + wait_ms(attempt, chance, settings))


def wait_ms(attempt: int, chance: float, settings: RetrySettings) -> int:
    """Tell how long after an attempt (1, 2, …) the next one comes: twice as long each time, up to the cap.

    `chance` (0 to 1) makes it up to a fifth longer.
    """
    doubled = settings.retry_base_s * 2.0 ** min(attempt - 1, 60)
    return round(min(settings.retry_cap_s, doubled) * (1 + SPREAD * chance) * 1000)


def tried(entry: Entry, step: RetryAt | Park, now_ms: int) -> Tried:
    """Describe an attempt, or the end of all attempts, for those who are told of it."""
    after_seq = entry.delivered_seq or 0
    if isinstance(step, RetryAt):
        return Tried(
            entry.key,
            entry.username,
            "retrying",
            step.attempt,
            after_seq,
            step.up_to_seq,
            now_ms,
            step.next_at_ms,
            "",
        )
    return Tried(
        entry.key, entry.username, "failed", entry.attempt, after_seq, step.up_to_seq, now_ms, now_ms, step.reason
    )
