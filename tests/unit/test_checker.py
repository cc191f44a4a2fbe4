"""The checker passes a right history and catches a planted bug for each of its rules."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.verify.checker import check
from deploy.verify.history import (
    Accepted,
    Ack,
    CaughtUp,
    Final,
    Hello,
    History,
    Observation,
    Quiesced,
    Read,
    Receipt,
    Receive,
    Refused,
    Resync,
    Row,
    Send,
    Welcome,
)

Events = list[Observation]
TALK = "d-ann-ben"
SENDERS = ("ann", "ben", "ann", "ann")
ROWS = tuple(Row(n, f"m{n}", sender, f"h{n}") for n, sender in enumerate(SENDERS, start=1))


def right_history() -> Events:
    """Ann and Ben exchange four messages, everything as promised."""
    events: Events = []
    for number, user in enumerate(("ann", "ben"), start=1):
        events += [
            Hello(t=0, user=user, connection=number, epoch=None, cursors={}),
            Welcome(t=0, user=user, connection=number, epoch="e1"),
            CaughtUp(t=0, user=user, connection=number, cursors={}, more=()),
        ]
    for row in ROWS:
        to, t = ("ben" if row.sender == "ann" else "ann"), row.seq * 10.0
        events += [
            Send(t=t, user=row.sender, to=to, id=f"i{row.seq}", digest=row.digest),
            ack(row, t + 1),
            receive(to, row, t + 2),
            *(receipt(observer, to, row.seq, t + 3) for observer in ("ann", "ben")),
            page("ann", ROWS[: row.seq], t + 4),
        ]
    events += [page("ben", ROWS[2:], 90, walk="w", has_more=True)]
    events += [page("ben", ROWS[:2], 91, walk="w", newest=False)]
    events += [Quiesced(t=95, user="ann"), Quiesced(t=95, user="ben")]
    return [*events, final("ann", "ben", delivered=4), final("ben", "ann", delivered=2)]


def ack(row: Row, t: float) -> Ack:
    return Ack(
        t=t,
        user=row.sender,
        id=f"i{row.seq}",
        conversation_id=TALK,
        seq=row.seq,
        message_id=row.message_id,
    )


def receive(user: str, row: Row, t: float) -> Receive:
    return Receive(
        t=t,
        user=user,
        connection=1 if user == "ann" else 2,
        how="live",
        conversation_id=TALK,
        seq=row.seq,
        rev=row.seq,
        message_id=row.message_id,
        sender=row.sender,
        digest=row.digest,
    )


def receipt(observer: str, user: str, seq: int, t: float) -> Receipt:
    return Receipt(t=t, observer=observer, conversation_id=TALK, user=user, state="delivered", up_to_seq=seq)


def page(
    user: str,
    rows: tuple[Row, ...],
    t: float,
    *,
    walk: str | None = None,
    newest: bool = True,
    has_more: bool = False,
) -> Read:
    return Read(
        t=t,
        user=user,
        conversation_id=TALK,
        begun=t - 0.5,
        rows=rows,
        has_more=has_more,
        newest=newest,
        walk=walk,
    )


def final(user: str, peer: str, *, delivered: int, rows: tuple[Row, ...] = ROWS) -> Final:
    return Final(
        t=100,
        user=user,
        conversation_id=TALK,
        rows=rows,
        peer=peer,
        peer_delivered_seq=delivered,
        peer_read_seq=0,
    )


def without(kind: type[Observation], **fields: object) -> Callable[[Events], Events]:
    """Drop the events of one kind whose fields have these values."""

    def plant(events: Events) -> Events:
        return [event for event in events if not _matches(event, kind, fields)]

    return plant


def changed(kind: type[Observation], where: dict[str, object], **changes: object) -> Callable[[Events], Events]:
    """Change fields of the events that match."""

    def plant(events: Events) -> Events:
        return [replace(event, **changes) if _matches(event, kind, where) else event for event in events]

    return plant


def with_more(*added: Observation) -> Callable[[Events], Events]:
    """Add events, each at its time."""

    def plant(events: Events) -> Events:
        return sorted([*events, *added], key=lambda event: event.t)

    return plant


def with_rows(rows: tuple[Row, ...], *readers: str) -> Callable[[Events], Events]:
    """Change what readers find at last, and drop the pages read before."""

    def plant(events: Events) -> Events:
        kept = [event for event in events if not isinstance(event, Read)]
        return [
            replace(event, rows=rows) if isinstance(event, Final) and event.user in readers else event for event in kept
        ]

    return plant


def _matches(event: Observation, kind: type[Observation], fields: dict[str, object]) -> bool:
    return isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())


EXTRA = Row(5, "m5", "ann", "h5")
SWAPPED = (ROWS[0], ROWS[1], replace(ROWS[3], seq=3), replace(ROWS[2], seq=4))
COMES_BACK: tuple[Observation, ...] = (
    Hello(t=92, user="ben", connection=3, epoch="e1", cursors={TALK: 9}),
    Welcome(t=92.1, user="ben", connection=3, epoch="e1"),
    *(replace(receipt("ben", user, seq, 92.2), connection=3) for user, seq in (("ann", 2), ("ben", 4))),
)
RESET = CaughtUp(t=93, user="ben", connection=3, cursors={TALK: 4}, more=())

PLANTED = {
    "the last acked message is gone": ("I1", "suffix", with_rows(ROWS[:3], "ann", "ben")),
    "the first acked message is gone": ("I1", "prefix", with_rows(ROWS[1:], "ann", "ben")),
    "an acked message is gone from within": (
        "I1",
        "middle",
        with_rows((*ROWS[:1], *ROWS[2:]), "ann", "ben"),
    ),
    "only one member lost it": ("I1", "as ben reads it", with_rows(ROWS[:3], "ben")),
    "a message answered 202 was never stored": (
        "I1",
        "202",
        with_more(Accepted(t=50, user="ann", id="i9", message_id="m9")),
    ),
    "a conversation with acks was never read": ("I1", "no final", without(Final)),
    "a retry was stored twice": (
        "I2",
        "2 times",
        with_rows((*ROWS, Row(5, "m5", "ann", "h4")), "ann", "ben"),
    ),
    "a repeat was acked differently": (
        "I2",
        "different acks",
        with_more(replace(ack(ROWS[3], 60), seq=5)),
    ),
    "a message that nobody sent is there": (
        "I2",
        "never sent",
        with_rows((*ROWS, EXTRA), "ann", "ben"),
    ),
    "a refused message is there": (
        "I2",
        "refused",
        with_more(Refused(t=45, user="ann", id="i4", code="blocked")),
    ),
    "the content was changed": (
        "I2",
        "another content",
        with_rows((*ROWS[:3], replace(ROWS[3], digest="h1")), "ann", "ben"),
    ),
    "members read different orders": ("I3", "differently", with_rows(SWAPPED, "ben")),
    "a seq was skipped": (
        "I3",
        "not dense: 3 then 5",
        with_rows((*ROWS[:3], replace(ROWS[3], seq=5)), "ann", "ben"),
    ),
    "a live message had another seq": (
        "I3",
        "received another",
        changed(Receive, {"user": "ben", "seq": 3}, seq=4),
    ),
    "a live message had another content": (
        "I3",
        "received another",
        changed(Receive, {"user": "ben", "seq": 3}, digest="h1"),
    ),
    "a page showed another message": (
        "I3",
        "read another",
        with_more(page("ann", (replace(ROWS[3], message_id="mX"),), 97, has_more=True)),
    ),
    "two messages of one sender changed places": (
        "I4",
        "sent i4 after i3",
        lambda events: changed(Ack, {"id": "i4", "message_id": "m4"}, seq=3, message_id="m3")(
            changed(Ack, {"id": "i3"}, seq=4, message_id="m4")(events)
        ),
    ),
    "a live message came after a later one": (
        "I4",
        "live after 4",
        lambda events: with_more(receive("ben", ROWS[2], 60))(without(Receive, user="ben", seq=3)(events)),
    ),
    "a read missed an acked message": (
        "I4",
        "did not read",
        with_more(page("ben", ROWS[:3], 60)),
    ),
    "a page repeated a message": (
        "I4",
        "walked",
        changed(Read, {"walk": "w", "newest": False}, rows=ROWS[:3]),
    ),
    "a page left a message out": (
        "I4",
        "walked",
        changed(Read, {"walk": "w", "newest": False}, rows=ROWS[:1]),
    ),
    "a receipt fell": ("I5", "fall", with_more(receipt("ann", "ben", 1, 80))),
    "a receipt was beyond the end": ("I5", "beyond", with_more(receipt("ann", "ben", 5, 80))),
    "a receipt came from a stranger": ("I5", "no member", with_more(receipt("ann", "eve", 1, 80))),
    "read was above delivered": (
        "I5",
        "ben in d-ann-ben read 4",
        changed(Final, {"user": "ann"}, peer_delivered_seq=3, peer_read_seq=4),
    ),
    "the last receipt never came": (
        "I5",
        "last saw ben at 3 of 4",
        without(Receipt, observer="ann", user="ben", up_to_seq=4),
    ),
    "a receipt was not stored": (
        "I5",
        "says ben got 3 of 4",
        changed(Final, {"user": "ann"}, peer_delivered_seq=3),
    ),
    "a recipient never got a message": (
        "I6",
        "ben never got 1",
        without(Receive, user="ben", seq=4),
    ),
    "a cursor was lowered silently": ("I10", "without a word", with_more(*COMES_BACK, RESET)),
}


def test_a_right_history_passes() -> None:
    assert check(right_history()) == []


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str) -> None:
    invariant, sign, plant = PLANTED[bug]
    violations = check(plant(right_history()))
    caught = [violation.what for violation in violations if violation.invariant == invariant]
    assert any(sign in what for what in caught), violations


def test_every_rule_has_its_planted_bug() -> None:
    assert {invariant for invariant, _, _ in PLANTED.values()} == {*("I1", "I2", "I3", "I4", "I5", "I6", "I10")}


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(
            with_more(Send(t=70, user="ann", to="ben", id="i9", digest="h9")),
            id="a send without an answer that did not appear",
        ),
        pytest.param(without(Ack, id="i4"), id="a send without an answer that did appear"),
        pytest.param(with_more(ack(ROWS[3], 60)), id="an equal repeated ack"),
        pytest.param(with_more(receive("ben", ROWS[0], 60)), id="a message received again"),
        pytest.param(
            with_more(
                *COMES_BACK,
                Resync(t=92.5, user="ben", connection=3, conversation_id=TALK, reason="gap"),
                RESET,
            ),
            id="a cursor lowered with a resync",
        ),
        pytest.param(
            with_more(COMES_BACK[0], replace(COMES_BACK[1], epoch="e2"), RESET),
            id="a cursor lowered with a new epoch",
        ),
        pytest.param(
            with_more(*COMES_BACK, replace(RESET, cursors={TALK: 2}, more=(TALK,))),
            id="a cursor lowered because there is more",
        ),
    ],
)
def test_what_the_page_allows_is_no_violation(allowed: Callable[[Events], Events]) -> None:
    assert check(allowed(right_history())) == []


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    history = History(right_history())
    history.write(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").events == history.events
