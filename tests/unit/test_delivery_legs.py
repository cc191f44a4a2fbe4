"""What delivery notes of legs: the oldest and the newest of a batch, one message until its receipt."""

from services.delivery.domain.values import CursorMoved, Item, Outcome, Stored, StoredMessage
from services.delivery.legs import MAX_KEPT, Legs
from shared.contracts.commands import CursorState, Origin
from shared.contracts.ids import ConversationId, GatewayId, MessageId, SessionId, UserId, Username
from shared.runtime.metrics import Metrics
from tests.support.delivery import a_cursor, a_message

NOW_MS = 1_760_000_010_000


def origin(ref: int) -> Origin:
    return Origin(GatewayId("g"), ref, SessionId("s"))


def item(ref: int, accepted_ms: int) -> Item:
    return Item(0, 1, ref, origin(ref), a_message("ann", "ben", f"m{ref}", sent_at_ms=accepted_ms))


def stored(ref: int, accepted_ms: int, conversation: str = "d1", *, is_repeat: bool = False) -> Stored:
    message = StoredMessage(
        ConversationId(conversation),
        ref,
        ref,
        ref,
        MessageId(f"m{ref}"),
        UserId("u-ann"),
        Username("ann"),
        "c",
        b"",
        "hi",
        "text/plain",
        accepted_ms,
        None,
        (),
    )
    return Stored(origin(ref), message, (UserId("u-ann"), UserId("u-ben")), is_repeat)


def moved(ref: int, up_to: int, user: str = "u-ben", state: CursorState = "delivered") -> CursorMoved:
    who = UserId(user)
    return CursorMoved(origin(ref), ConversationId("d1"), Username("x"), state, up_to, NOW_MS, (who,), who)


class Measured:
    """Legs, and what they counted and summed up."""

    def __init__(self) -> None:
        self.metrics = Metrics("test")
        self.legs = Legs(self.metrics)

    def commit(self, *outcomes: Outcome, items: tuple[Item, ...] = (), now_ms: int = NOW_MS) -> None:
        self.legs.committed(items, outcomes, 0, now_ms)

    def of(self, leg: str) -> tuple[float, float]:
        told = dict(line.rsplit(" ", 1) for line in self.metrics.render().decode().splitlines() if line[0] != "#")
        count, total = (told[f'parley_leg_seconds_{what}{{leg="{leg}"}}'] for what in ("count", "sum"))
        return float(count), round(float(total), 3)


def test_the_oldest_and_the_newest_of_a_batch_are_measured_whatever_they_are() -> None:
    measured = Measured()
    cursor = Item(0, 1, 9, origin(9), a_cursor("ben", "ann", "read", 3, at_ms=NOW_MS - 200))
    measured.commit(items=(item(1, NOW_MS - 3000), item(2, NOW_MS - 1000), cursor))
    assert measured.of("stored") == (2, 3.2)
    measured.commit(items=(item(3, NOW_MS - 500),))
    assert measured.of("stored") == (3, 3.7)
    measured.commit(items=(item(4, NOW_MS + 60_000),))
    assert measured.of("stored") == (4, 3.7), "a clock that is ahead is no negative time"
    measured.commit()
    assert measured.of("stored") == (4, 3.7)


def test_a_message_is_delivered_when_another_than_its_sender_has_it() -> None:
    measured = Measured()
    measured.commit(stored(5, NOW_MS - 4000))
    measured.commit(moved(6, 4), moved(7, 5, "u-ann"))
    assert measured.of("delivered") == (0, 0), "not far enough, and the sender itself"
    measured.commit(stored(8, NOW_MS), moved(9, 8, state="read"))
    assert measured.of("delivered") == (1, 4.0)
    measured.commit(moved(10, 8))
    assert measured.of("delivered")[0] == 2, "the newer message was noted in its place"
    measured.commit(moved(11, 9))
    assert measured.of("delivered")[0] == 2


def test_a_repeat_is_no_message_to_wait_for() -> None:
    measured = Measured()
    measured.commit(stored(5, NOW_MS - 4000, is_repeat=True))
    measured.commit(moved(6, 5))
    assert measured.of("delivered") == (0, 0)


def test_a_batch_is_announced_once() -> None:
    measured = Measured()
    outcome = stored(5, NOW_MS)
    measured.commit(outcome)
    for _ in range(2):
        measured.legs.announced(outcome, measured.legs.announcing([outcome]))
    assert measured.of("announced")[0] == 1


def test_what_nobody_ever_receives_is_forgotten_in_the_end() -> None:
    measured = Measured()
    for number in range(MAX_KEPT + 5):
        measured.commit(stored(number, NOW_MS, f"d{number}"))
    assert len(measured.legs._awaited) == MAX_KEPT
    assert len(measured.legs._commits) <= MAX_KEPT
