"""When somebody is tried again, as pure values; and the tracker, which knows who has not got what was just stored."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from services.delivery.domain.retry import (
    SPREAD,
    Await,
    Close,
    Entry,
    Key,
    Park,
    RetryAt,
    Wake,
    decide_all,
    decide_one,
    tried,
    wait_ms,
)
from services.delivery.domain.values import CursorKept, CursorMoved, Outcome, Stored, StoredMessage
from services.delivery.retries.tracker import Tracker
from shared.contracts.commands import Origin
from shared.contracts.ids import ConversationId, GatewayId, MessageId, SessionId, UserId, Username
from shared.contracts.retries import RetrySettings

NOW = 1_763_812_800_000
KEY = Key(UserId("u-ben"), ConversationId("c"))
SETTINGS = RetrySettings(retry_base_s=10, retry_cap_s=300, max_retries=3)
ORIGIN = Origin(GatewayId("g"), 1, SessionId(""))


def entry(
    attempt: int = 0,
    *,
    up_to_seq: int = 5,
    next_at_ms: int = NOW,
    delivered_seq: int | None = 2,
    undelivered_seq: int | None = 5,
) -> Entry:
    """Make an entry that waits."""
    return Entry(KEY, Username("ben"), attempt, up_to_seq, next_at_ms, delivered_seq, undelivered_seq)


def wake_of(of: Entry) -> Wake:
    """Make the schedule of its present state."""
    return Wake(of.key, of.attempt, of.next_at_ms)


def test_each_attempt_is_counted_and_comes_twice_as_late_as_the_one_before() -> None:
    steps = [decide_one(one, wake_of(one), NOW, 0.0, SETTINGS) for one in map(entry, range(4))]
    assert steps == [
        RetryAt(1, 5, NOW + 10_000),
        RetryAt(2, 5, NOW + 20_000),
        RetryAt(3, 5, NOW + 40_000),
        Park(5, "no_device"),
    ]


@given(
    attempt=st.integers(1, 2000),
    chance=st.floats(0, 1),
    base=st.floats(0.1, 1000),
    cap=st.floats(0.1, 1000),
)
def test_a_wait_grows_up_to_the_cap_and_is_a_fifth_longer_at_most(
    attempt: int, chance: float, base: float, cap: float
) -> None:
    settings = RetrySettings(retry_base_s=base, retry_cap_s=cap)
    wait = wait_ms(attempt, chance, settings)
    assert min(base, cap) * 1000 - 1 <= wait <= cap * 1000 * (1 + SPREAD) + 1
    assert wait <= wait_ms(attempt + 1, chance, settings)
    assert wait_ms(attempt, 0, settings) <= wait <= wait_ms(attempt, 1, settings)


def test_who_has_everything_or_is_gone_is_not_tried_whenever_it_is_woken() -> None:
    for done in (entry(delivered_seq=None), entry(undelivered_seq=None), entry(3, undelivered_seq=None)):
        assert decide_one(done, Wake(KEY, 7, 1), NOW, 0.0, SETTINGS) == Close()


def test_what_was_stored_meanwhile_belongs_to_the_next_attempt() -> None:
    one = entry(1, up_to_seq=5, undelivered_seq=9)
    assert decide_one(one, wake_of(one), NOW, 0.0, SETTINGS) == RetryAt(2, 9, NOW + 20_000)
    last = entry(3, up_to_seq=5, undelivered_seq=9)
    assert decide_one(last, wake_of(last), NOW, 0.0, SETTINGS) == Park(9, "no_device")


def test_a_wake_up_for_an_earlier_state_waits_for_the_present_one_unless_that_is_due_too() -> None:
    early = entry(1, next_at_ms=NOW + 1)
    assert decide_one(early, Wake(KEY, 0, NOW - 10_000), NOW, 0.0, SETTINGS) == Await()
    late = entry(1, next_at_ms=NOW)
    assert decide_one(late, Wake(KEY, 0, NOW - 10_000), NOW, 0.0, SETTINGS) == RetryAt(2, 5, NOW + 20_000)


def test_the_broker_is_believed_that_it_is_time_whatever_our_clock_says() -> None:
    one = entry(1, next_at_ms=NOW + 2000)
    assert decide_one(one, wake_of(one), NOW, 0.0, SETTINGS) == RetryAt(2, 5, NOW + 20_000)


def test_chance_is_drawn_for_each_entry() -> None:
    other = entry()._replace(key=Key(UserId("u-cat"), ConversationId("c")))
    drawn = iter([0.0, 1.0])
    decided = decide_all(
        [entry(), other], {one.key: wake_of(one) for one in (entry(), other)}, NOW, lambda: next(drawn), SETTINGS
    )
    assert [step for _, step in decided] == [RetryAt(1, 5, NOW + 10_000), RetryAt(1, 5, NOW + 12_000)]


def test_an_attempt_tells_for_which_messages_it_was() -> None:
    one = tried(entry(1), RetryAt(2, 5, NOW + 20_000), NOW)
    assert (one.outcome, one.attempt, one.after_seq, one.up_to_seq, one.next_at_ms) == (
        "retrying",
        2,
        2,
        5,
        NOW + 20_000,
    )
    end = tried(entry(3), Park(5, "no_device"), NOW)
    assert (end.outcome, end.attempt, end.reason) == ("failed", 3, "no_device")


def stored(seq: int, sender: str, audience: Iterable[str], *, is_repeat: bool = False) -> Stored:
    """Make what comes of a message."""
    message = StoredMessage(
        ConversationId("c"),
        seq,
        seq,
        seq,
        MessageId(f"m{seq}"),
        UserId(sender),
        Username(sender),
        "",
        b"",
        "",
        "",
        NOW,
        None,
        (),
    )
    return Stored(ORIGIN, message, tuple(map(UserId, audience)), is_repeat)


def moved(who: str, up_to_seq: int) -> CursorMoved:
    """Make what comes of a receipt."""
    return CursorMoved(
        ORIGIN, ConversationId("c"), Username(who), "delivered", up_to_seq, NOW, (UserId(who),), UserId(who)
    )


def expired(tracker: Tracker, now: float) -> list[str]:
    """Name who waited too long."""
    return [key.user_id for key in tracker.take_expired(now, 100)]


def test_everybody_but_the_sender_is_tracked_from_the_first_message_they_lack() -> None:
    tracker = Tracker(10)
    tracker.note([stored(1, "ann", ["ann", "ben", "cat"])], 0)
    tracker.note([stored(2, "ann", ["ann", "ben", "cat"])], 9)
    assert expired(tracker, 9.9) == []
    assert expired(tracker, 10) == ["ben", "cat"]
    assert expired(tracker, 100) == []


def test_who_takes_the_last_message_is_not_tracked_and_who_takes_some_has_all_the_time_again() -> None:
    tracker = Tracker(10)
    audience = ["ann", "ben", "cat", "dan"]
    tracker.note([stored(1, "ann", audience), stored(2, "ann", audience), moved("ben", 2), moved("ann", 2)], 0)
    tracker.note([moved("cat", 1)], 6)
    assert expired(tracker, 10) == ["dan"]
    assert expired(tracker, 15.9) == []
    assert expired(tracker, 16) == ["cat"]


def test_a_repeat_and_what_moves_nothing_are_no_news() -> None:
    tracker = Tracker(10)
    kept = CursorKept(ORIGIN, UserId("ben"), ConversationId("c"), Username("ben"), "read", 1, NOW)
    outcomes: list[Outcome] = [stored(1, "ann", ["ann", "ben"], is_repeat=True), kept]
    tracker.note(outcomes, 0)
    assert len(tracker) == 0


def test_a_full_tracker_drops_what_is_new_and_counts_it() -> None:
    tracker = Tracker(10, limit=2)
    tracker.note([stored(1, "ann", ["ann", "ben", "cat", "dan", "eve"])], 0)
    assert (len(tracker), tracker.dropped) == (2, 2)
    tracker.note([stored(2, "ann", ["ann", "ben"])], 1)
    assert tracker.dropped == 2
    assert len(tracker.take_expired(10, 1)) == 1
    assert expired(tracker, 10) == ["cat"]
