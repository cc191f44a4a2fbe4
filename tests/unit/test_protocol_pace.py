"""How a socket's frames, receipts and silences are paced."""

import asyncio

import pytest

from services.gateway.domain import Rate
from services.gateway.ws.intake import FLOOD, WINDOW_S, Intake
from services.gateway.ws.lane import FULL, Lane, Work
from services.gateway.ws.life import Life, Sign
from services.gateway.ws.receipts import MAX_HELD, Merging, Receipt
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId
from tests.support.websocket import until

QUICK = Rate(per_s=100, burst=3)
SLOW = Rate(per_s=0.01, burst=2)


def receipt(conversation: str) -> Receipt:
    return Receipt(ConversationId(conversation), "read")


class Passed:
    """Receipts that were passed on, while it is open."""

    def __init__(self) -> None:
        self.receipts: list[tuple[str, int]] = []
        self.is_open = True

    def __call__(self, one: Receipt, up_to_seq: int) -> bool:
        if self.is_open:
            self.receipts.append((one.conversation_id, up_to_seq))
        return self.is_open


async def test_receipts_within_the_rate_pass_at_once() -> None:
    passed = Passed()
    merging = Merging(SLOW, passed)
    merging.take(receipt("a"), 1)
    merging.take(receipt("a"), 2)
    assert passed.receipts == [("a", 1), ("a", 2)]


async def test_receipts_over_the_rate_wait_in_order_and_the_greatest_of_a_cursor_stays() -> None:
    passed = Passed()
    merging = Merging(QUICK, passed)
    for up_to_seq in range(1, 4):
        merging.take(receipt("a"), up_to_seq)
    for one, up_to_seq in (("a", 7), ("b", 1), ("a", 9), ("a", 8)):
        merging.take(receipt(one), up_to_seq)
    await until(lambda: len(passed.receipts) == 5)
    assert passed.receipts[3:] == [("a", 9), ("b", 1)]


async def test_without_a_rate_every_receipt_passes() -> None:
    passed = Passed()
    merging = Merging(None, passed)
    for up_to_seq in range(100):
        merging.take(receipt("a"), up_to_seq)
    assert len(passed.receipts) == 100


async def test_a_receipt_that_can_not_be_passed_on_is_kept_and_flushed_at_the_end() -> None:
    passed = Passed()
    passed.is_open = False
    merging = Merging(None, passed)
    merging.take(receipt("a"), 4)
    merging.take(receipt("b"), 2)
    passed.is_open = True
    merging.put_back(receipt("a"), 3)
    merging.flush()
    assert passed.receipts == [("a", 4), ("b", 2)]


async def test_there_is_an_end_to_what_is_kept() -> None:
    merging = Merging(SLOW, Passed())
    for number in range(MAX_HELD + 2):
        merging.take(receipt(str(number)), 1)
    with pytest.raises(Refusal) as caught:
        merging.take(receipt("one more"), 1)
    merging.take(receipt("5"), 2)
    merging.flush()
    assert caught.value.code is Code.RATE_LIMITED


class Frames:
    """What an intake did."""

    def __init__(self, rate: Rate) -> None:
        self.taken: list[str] = []
        self.events: list[str] = []
        self.intake = Intake(
            rate,
            self.taken.append,
            on_full=lambda: self.events.append("full"),
            on_empty=lambda: self.events.append("empty"),
            on_flood=lambda: self.events.append("flood"),
        )


async def test_frames_over_the_rate_are_taken_later_in_their_order() -> None:
    frames = Frames(QUICK)
    for number in range(10):
        frames.intake.take(str(number))
    assert len(frames.taken) < 10
    assert frames.intake.is_behind
    await until(lambda: not frames.intake.is_behind)
    assert frames.taken == [str(number) for number in range(10)]
    assert frames.events == []


async def test_more_than_three_times_the_rate_over_ten_seconds_is_a_flood() -> None:
    rate = Rate(per_s=2, burst=6)
    frames = Frames(rate)
    allowed = int(FLOOD * WINDOW_S * rate.per_s)
    for _ in range(allowed):
        frames.intake.take("x")
    assert frames.events == []
    frames.intake.take("x")
    frames.intake.stop()
    assert frames.events == ["flood"]


async def test_large_frames_that_wait_stop_the_reading_until_they_are_taken() -> None:
    frames = Frames(QUICK)
    for _ in range(12):
        frames.intake.take("x" * 200_000)
    assert frames.events == ["full"]
    await until(lambda: not frames.intake.is_behind)
    assert frames.events == ["full", "empty"]
    assert len(frames.taken) == 12


def test_silence_is_answered_by_a_ping_and_then_given_up() -> None:
    life = Life(20.0, 10.0, 100.0)
    assert [life.look(100.0 + second) for second in range(18)] == [Sign.FINE] * 18
    signs = [life.look(100.0 + second) for second in range(18, 34)]
    assert signs.count(Sign.PING) == 1
    assert signs[-1] is Sign.DEAD
    pinged = signs.index(Sign.PING)
    assert pinged <= 2
    assert signs.index(Sign.DEAD) - pinged == 10


def test_any_frame_is_life() -> None:
    life = Life(20.0, 10.0, 100.0)
    assert life.look(121.0) is Sign.PING
    life.hear()
    assert [life.look(123.0), life.look(132.0), life.look(144.0)] == [Sign.FINE, Sign.FINE, Sign.PING]


async def test_a_lane_keeps_its_order_where_a_job_must_wait() -> None:
    done: list[int] = []
    events: list[str] = []
    may_go_on = asyncio.Event()

    def job(number: int) -> Work | None:
        async def work() -> None:
            await may_go_on.wait()
            done.append(number)

        if number == 1:
            return work
        done.append(number)
        return None

    async with asyncio.TaskGroup() as tasks:
        lane = Lane(tasks, lambda: events.append("full"), lambda: events.append("empty"))
        for number in range(FULL + 3):
            lane.put(lambda number=number: job(number))  # type: ignore[misc]  # a default binds the loop's value
        assert done == [0]
        assert events == ["full"]
        may_go_on.set()
    assert done == list(range(FULL + 3))
    assert events == ["full", "empty"]
    assert lane.is_free
