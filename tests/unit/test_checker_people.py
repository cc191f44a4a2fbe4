"""The checker's rules about people: a right history passes, and each has a planted bug that it catches."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from deploy.verify.checker import check
from deploy.verify.history import (
    Ack,
    CaughtUp,
    Chose,
    Drop,
    Fault,
    Final,
    Hello,
    Observation,
    Presence,
    Queue,
    Quiesced,
    Receipt,
    Receive,
    Row,
    Send,
    State,
    Status,
    Typed,
    Typing,
    TypingState,
    Waits,
    Watch,
    Welcome,
)
from tests.unit.test_checker import Events, changed, with_more, without

TALK = "d-ann-ben"
ANN, BEN, EVE, BEN_AGAIN, BEN_LAST = range(1, 6)
ROWS = (Row(1, "m1", "ann", "h1"), Row(2, "m2", "ann", "h2"))


def right_history() -> Events:
    """Ann writes twice to Ben, who is away for the second message; they type; Eve looks on."""
    events: Events = [
        *connected("ann", ANN, 0),
        *connected("ben", BEN, 0),
        *connected("eve", EVE, 0),
        *sent(ROWS[0], 1),
        *arrived(ROWS[0], 2, BEN),
        Watch(t=3, user="ann", connection=ANN, users=("ben",)),
        presence("ann", "ben", "online", 3.1),
        Watch(t=3, user="eve", connection=EVE, users=("ann", "ben")),
        presence("eve", "ann", "offline", 3.1, EVE),
        presence("eve", "ben", "offline", 3.1, EVE),
        Typed(t=5, user="ann", to="ben", state="start"),
        typing("start", 5.1),
        Typed(t=7, user="ann", to="ben", state="stop"),
        typing("stop", 7.1),
        Fault(t=10, what="kill gateway", phase="start"),
        Fault(t=12, what="kill gateway", phase="stop"),
        Drop(t=20, user="ben", connection=BEN, code=1000),
        presence("ann", "ben", "offline", 21, last_seen="2026-11-22T10:00:00.000Z"),
        *sent(ROWS[1], 22),
        status("retrying", 33),
        queue(40, Waits("m2", TALK, "ben", 2, "retrying")),
        *connected("ben", BEN_AGAIN, 50, {("ben", "delivered"): 1}),
        *arrived(ROWS[1], 51, BEN_AGAIN),
        presence("ann", "ben", "online", 51),
        Typed(t=60, user="ben", to="ann", state="start"),
        replace(typing("start", 60.1), observer="ann", user="ben", connection=ANN),
        Chose(t=70, user="ben", status="away"),
        presence("ann", "ben", "away", 70.1),
        queue(90),
        *(Quiesced(t=95, user=user) for user in ("ann", "ben", "eve")),
    ]
    return [*events, final("ann", "ben", 2), final("ben", "ann", 0)]


def connected(user: str, connection: int, t: float, ticks: dict[tuple[str, State], int] | None = None) -> Events:
    """Say hello, and be told the ticks of one conversation."""
    return [
        Hello(t=t, user=user, connection=connection, epoch=None, cursors={}),
        Welcome(t=t + 0.1, user=user, connection=connection, epoch="e1"),
        *(
            replace(receipt(user, about, seq, t + 0.2, connection), state=state)
            for (about, state), seq in (ticks or {}).items()
        ),
        CaughtUp(t=t + 0.3, user=user, connection=connection, cursors={}, more=()),
    ]


def sent(row: Row, t: float) -> Events:
    """Ann sends a message, and it is acked."""
    client_id = f"i{row.seq}"
    return [
        Send(t=t, user="ann", to="ben", id=client_id, digest=row.digest),
        Ack(t=t + 0.1, user="ann", id=client_id, conversation_id=TALK, seq=row.seq, message_id=row.message_id),
    ]


def arrived(row: Row, t: float, connection: int) -> Events:
    """Ben gets a message and says so."""
    return [
        Receive(
            t=t,
            user="ben",
            connection=connection,
            how="live",
            conversation_id=TALK,
            seq=row.seq,
            rev=row.seq,
            message_id=row.message_id,
            sender="ann",
            digest=row.digest,
        ),
        receipt("ann", "ben", row.seq, t + 0.2, ANN),
        receipt("ben", "ben", row.seq, t + 0.2, connection),
    ]


def receipt(observer: str, user: str, seq: int, t: float, connection: int) -> Receipt:
    return Receipt(
        t=t,
        observer=observer,
        conversation_id=TALK,
        user=user,
        state="delivered",
        up_to_seq=seq,
        connection=connection,
    )


def presence(
    observer: str, user: str, status: str, t: float, connection: int = ANN, last_seen: str | None = None
) -> Presence:
    return Presence(t=t, observer=observer, connection=connection, user=user, status=status, last_seen=last_seen)


def typing(state: TypingState, t: float) -> Typing:
    return Typing(t=t, observer="ben", connection=BEN, conversation_id=TALK, user="ann", state=state, ttl_s=7)


def status(state: str, t: float) -> Status:
    return Status(
        t=t,
        observer="ann",
        message_id="m2",
        conversation_id=TALK,
        status=state,
        user="ben",
        up_to_seq=2,
        retry_count=1,
        max_retries=3,
    )


def queue(t: float, *items: Waits) -> Queue:
    return Queue(t=t, user="ann", begun=t - 0.5, items=items)


def final(user: str, peer: str, delivered: int) -> Final:
    return Final(
        t=100,
        user=user,
        conversation_id=TALK,
        rows=ROWS,
        peer=peer,
        peer_delivered_seq=delivered,
        peer_read_seq=0,
    )


ANN_AGAIN = connected("ann", 9, 80)
"""A hello at which Ben's tick is not told."""

PLANTED: dict[str, tuple[str, str, Callable[[Events], Events]]] = {
    "a hello told no ticks": ("I6", "had delivered 0 of d-ann-ben, who had confirmed 2", with_more(*ANN_AGAIN)),
    "a hello told an old tick": (
        "I6",
        "had delivered 1",
        with_more(*connected("ann", 9, 80, {("ben", "delivered"): 1})),
    ),
    "an own tick was forgotten": (
        "I6",
        "ben was told at hello that ben had delivered 0",
        without(Receipt, connection=BEN_AGAIN, up_to_seq=1),
    ),
    "ticks came after caught_up": (
        "I6",
        "had delivered 0",
        with_more(*ANN_AGAIN, receipt("ann", "ben", 2, 80.5, 9)),
    ),
    "an entry stayed open for what was delivered": (
        "I6",
        "1 of d-ann-ben that ben had confirmed",
        changed(Queue, {"t": 90}, items=(Waits("m2", TALK, "ben", 2, "failed"),)),
    ),
    "a stored message stayed queued": (
        "I6",
        "m2 as queued, which was acked",
        changed(Queue, {"t": 40}, items=(Waits("m2", TALK, "ben", None, "queued"),)),
    ),
    "what waits was not in the queue": ("I6", "lacks 1 for ben", changed(Queue, {"t": 40}, items=())),
    "a recipient was told of retries": (
        "I7",
        "which somebody else sent",
        with_more(replace(status("retrying", 34), observer="ben", user="ann")),
    ),
    "a sender was retried": ("I7", "its own sender", with_more(replace(status("retrying", 34), user="ann"))),
    "more tries than there may be": (
        "I7",
        "after 4 of 3",
        with_more(replace(status("retrying", 34), retry_count=4)),
    ),
    "a retry beyond the end": ("I7", "beyond", with_more(replace(status("retrying", 34), up_to_seq=3))),
    "a stranger saw somebody online": ("I7", "eve saw ben online", with_more(presence("eve", "ben", "online", 4, EVE))),
    "a stranger saw when somebody was there": (
        "I7",
        "eve saw ben offline, last seen 2026",
        with_more(presence("eve", "ben", "offline", 22, EVE, last_seen="2026-11-22T10:00:00.000Z")),
    ),
    "a stranger saw typing": (
        "I7",
        "for somebody else",
        with_more(replace(typing("start", 5.2), observer="eve", connection=EVE)),
    ),
    "somebody who left stays online": (
        "I8",
        "ann sees ben away, who is offline",
        with_more(Drop(t=75, user="ben", connection=BEN_AGAIN, code=1006)),
    ),
    "somebody who came back stays offline": (
        "I8",
        "ann sees ben offline, who is online",
        lambda events: without(Presence, t=51)(without(Presence, t=70.1)(without(Chose)(events))),
    ),
    "a chosen status was lost": ("I8", "ann sees ben online, who is away", without(Presence, t=70.1)),
    "invisible was not hidden": (
        "I8",
        "ann sees ben away, who is offline",
        with_more(Chose(t=71, user="ben", status="invisible")),
    ),
    "a watch was never answered": ("I8", "ann watches ben and was told nothing", without(Presence, observer="ann")),
    "a watch was forgotten over a reconnect": (
        "I8",
        "told nothing",
        with_more(
            Drop(t=79, user="ann", connection=ANN, code=1006),
            *connected("ann", 9, 80, {("ben", "delivered"): 2}),
            Watch(t=81, user="ann", connection=9, users=("ben",)),
        ),
    ),
    "typing came again and again": (
        "I8",
        "ann sees ben type 12.0 s",
        with_more(replace(typing("start", 65), observer="ann", user="ben", connection=ANN)),
    ),
    "a start overtook its stop and stayed": ("I8", "ben sees ann type", with_more(typing("start", 9))),
    "a start was not heard": ("I8", "ann did not hear", without(Typing, t=60.1)),
}


def test_a_right_history_passes() -> None:
    assert check(right_history()) == []


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str) -> None:
    invariant, sign, plant = PLANTED[bug]
    violations = check(plant(right_history()))
    caught = [violation.what for violation in violations if violation.invariant == invariant]
    assert any(sign in what for what in caught), violations


def test_every_invariant_has_its_planted_bug() -> None:
    assert {invariant for invariant, _, _ in PLANTED.values()} == {"I6", "I7", "I8"}


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(with_more(Typed(t=15, user="ann", to="ben", state="start")), id="typing lost soon after a crash"),
        pytest.param(with_more(Typed(t=30, user="ann", to="ben", state="start")), id="typing to somebody away"),
        pytest.param(with_more(Typed(t=99, user="ann", to="ben", state="start")), id="typing just before the end"),
        pytest.param(with_more(typing("start", 8)), id="a start that came late but ends in time"),
        pytest.param(
            with_more(Drop(t=75, user="ben", connection=BEN_AGAIN, code=1000), presence("ann", "ben", "offline", 76)),
            id="offline without last_seen",
        ),
        pytest.param(
            with_more(
                Chose(t=71, user="ben", status="invisible"),
                presence("ann", "ben", "offline", 72),
            ),
            id="invisible shows as offline",
        ),
        pytest.param(
            with_more(
                *connected("ann", 9, 80, {("ben", "delivered"): 2}),
                Drop(t=79, user="ann", connection=ANN, code=1006),
            ),
            id="nobody watches on a new connection",
        ),
        pytest.param(
            with_more(queue(51.1, Waits("m2", TALK, "ben", 2, "retrying"))),
            id="a queue that was asked for before the receipt",
        ),
    ],
)
def test_what_the_page_allows_is_no_violation(allowed: Callable[[list[Observation]], list[Observation]]) -> None:
    assert check(allowed(right_history())) == []
