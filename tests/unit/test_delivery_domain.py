"""Delivery's decisions as pure values: the same log decides the same, however it is cut and however often it comes."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.delivery.domain.commands import decide, recall
from services.delivery.domain.values import (
    BlockSet,
    Changes,
    Conversation,
    CursorKept,
    CursorMoved,
    Item,
    MemberState,
    Outcome,
    Refused,
    Stored,
    View,
)
from shared.contracts.commands import Command, CursorState, Origin
from shared.contracts.errors import Code
from shared.contracts.ids import ConversationId, GatewayId, SessionId, Username
from tests.support.delivery import a_block, a_cursor, a_message, conversation, user

PEOPLE = ["ann", "ben", "cat"]

a_pair = st.permutations(PEOPLE).map(lambda people: (people[0], people[1]))


@st.composite
def sends(draw: st.DrawFn) -> Command:
    """Draw a message, under few ids so that some come twice."""
    sender, to = draw(a_pair)
    text = draw(st.sampled_from(["one", "two"]))
    return a_message(sender, to, f"m{draw(st.integers(0, 30))}", text, seen_seq=draw(st.integers(0, 5)))


@st.composite
def cursors(draw: st.DrawFn) -> Command:
    """Draw a receipt, also above the last message."""
    who, other = draw(a_pair)
    state: CursorState = draw(st.sampled_from(["delivered", "read"]))
    return a_cursor(who, other, state, draw(st.integers(1, 12)), discreet=draw(st.booleans()))


@st.composite
def blocks(draw: st.DrawFn) -> Command:
    """Draw a block or its end, under ids that messages have too."""
    who, other = draw(a_pair)
    return a_block(who, other, f"m{draw(st.integers(0, 30))}", is_blocked=draw(st.booleans()))


logs = st.lists(st.one_of(sends(), cursors(), blocks()), max_size=60)
logs_without_refusals = st.lists(st.one_of(sends(), cursors()), max_size=60)


def items(commands: Sequence[Command]) -> list[Item]:
    """Put commands into a log, one bundle each."""
    return [
        Item(0, n, 0, Origin(GatewayId("g"), n, SessionId("")), command) for n, command in enumerate(commands, start=1)
    ]


def empty_view() -> View:
    """Know nothing yet."""
    return View({}, {})


def state(view: View) -> object:
    """Write down all that a view knows, to compare it."""
    return (
        {
            name: (c.last_seq, c.rev, {u: repr(m) for u, m in c.members.items()})
            for name, c in view.conversations.items()
        },
        dict(view.messages),
        dict(view.operations),
        {name: blockers for name, blockers in view.blockers.items() if blockers},
    )


@given(logs, st.data())
def test_a_log_decides_the_same_however_it_is_cut_into_batches(commands: list[Command], data: st.DataObject) -> None:
    whole = empty_view()
    expected, _ = decide(items(commands), whole)
    cut = data.draw(st.integers(0, len(commands)))
    pieces = empty_view()
    outcomes: list[Outcome] = []
    for batch in (items(commands)[:cut], items(commands)[cut:]):
        outcomes += decide(batch, pieces)[0]
    assert outcomes == expected
    assert state(pieces) == state(whole)


@given(logs_without_refusals)  # what was refused is decided anew
def test_a_replay_from_the_beginning_stores_no_message_twice(commands: list[Command]) -> None:
    view = empty_view()
    first, _ = decide(items(commands), view)
    stored = dict(view.messages)
    outcomes, changes = decide(items(commands), view)
    assert changes.messages == []
    assert view.messages == stored
    assert all(outcome.is_repeat for outcome in outcomes if isinstance(outcome, Stored))
    assert sum(isinstance(o, Stored) for o in outcomes) == sum(isinstance(o, Stored) for o in first)


@given(logs)
def test_what_was_stored_is_recalled_with_its_first_answer(commands: list[Command]) -> None:
    view = empty_view()
    first, _ = decide(items(commands), view)
    before = state(view)
    recalled = recall(items(commands), view)
    assert state(view) == before
    stored = [outcome.message for outcome in first if isinstance(outcome, Stored) and not outcome.is_repeat]
    again = [outcome.message for outcome in recalled if isinstance(outcome, Stored)]
    assert set(stored) == set(again)


@given(logs)
@settings(max_examples=200)
def test_seqs_are_dense_and_cursors_only_grow(commands: list[Command]) -> None:
    view = empty_view()
    seqs: dict[ConversationId, list[int]] = {}
    marks: dict[tuple[str, str, str], list[int]] = {}
    for item in items(commands):
        outcomes, _ = decide([item], view)
        for outcome in outcomes:
            if isinstance(outcome, Stored) and not outcome.is_repeat:
                seqs.setdefault(outcome.message.conversation_id, []).append(outcome.message.seq)
        for name, found in view.conversations.items():
            for who, member in found.members.items():
                assert member.shown_read_seq <= member.read_seq <= member.delivered_seq <= found.last_seq
                marks.setdefault((name, who, "shown"), []).append(member.shown_read_seq)
                marks.setdefault((name, who, "delivered"), []).append(member.delivered_seq)
                marks.setdefault((name, who, "read"), []).append(member.read_seq)
    for name, found_seqs in seqs.items():
        assert found_seqs == list(range(1, len(found_seqs) + 1))
        assert view.conversations[name].rev == len(found_seqs)
    assert all(a <= b for values in marks.values() for a, b in pairwise(values))


def test_a_former_member_is_told_so_and_a_stranger_is_told_nothing() -> None:
    group = Conversation(
        "group",
        members={user("ann"): MemberState(Username("ann")), user("ben"): MemberState(Username("ben"), left_rev=4)},
    )
    group.count_members()
    name = ConversationId("g1")
    view = View({name: group}, {})
    outcomes, changes = decide(
        items([a_message(who, "nobody", f"{who}1")._replace(conversation_id=name) for who in ("ann", "ben", "eve")]),
        view,
    )
    stored, former, stranger = outcomes
    assert isinstance(stored, Stored)
    assert stored.audience == (user("ann"),)
    assert isinstance(former, Refused)
    assert former.code is Code.NOT_MEMBER
    assert isinstance(stranger, Refused)
    assert stranger.code is Code.NOT_FOUND
    assert len(changes.messages) == 1


def test_a_message_in_a_group_is_announced_to_every_present_member() -> None:
    people = {user(f"p{n}"): MemberState(Username(f"p{n}")) for n in range(50)}
    group = Conversation("group", members=people)
    group.count_members()
    view = View({ConversationId("g1"): group}, {})
    outcomes, _ = decide(items([a_message("p3", "", "m1")._replace(conversation_id=ConversationId("g1"))]), view)
    assert isinstance(outcomes[0], Stored)
    assert set(outcomes[0].audience) == set(people)


def test_a_cursor_that_reads_further_also_delivers_and_gives_both_a_time() -> None:
    view = empty_view()
    decide(items([a_message("ann", "ben", f"m{n}") for n in range(4)]), view)
    outcomes, changes = decide(items([a_cursor("ben", "ann", "delivered", 1), a_cursor("ben", "ann", "read", 3)]), view)
    assert [type(outcome) for outcome in outcomes] == [CursorMoved, CursorMoved]
    assert {(row.state, row.up_to_seq) for row in changes.receipts} == {("delivered", 1), ("read", 3), ("delivered", 3)}
    kept, nothing = decide(items([a_cursor("ben", "ann", "delivered", 2)]), view)
    assert isinstance(kept[0], CursorKept)
    assert kept[0].up_to_seq == 3
    assert nothing == Changes()


def test_an_own_message_counts_as_delivered_only_where_nothing_undelivered_lies_before_it() -> None:
    view = empty_view()
    decide(items([a_message("ann", "ben", "a1"), a_message("ann", "ben", "a2"), a_message("ben", "ann", "b1")]), view)
    members = view.conversations[conversation("ann", "ben")].members
    assert members[user("ann")].delivered_seq == 2
    assert members[user("ben")].delivered_seq == 0


def test_who_reads_discreetly_tells_the_others_of_the_delivery_alone() -> None:
    view = empty_view()
    decide(items([a_message("ann", "ben", f"m{n}") for n in range(3)]), view)
    outcomes, changes = decide(items([a_cursor("ben", "ann", "read", 2, discreet=True)]), view)
    told = [(o.state, o.up_to_seq, set(o.audience)) for o in outcomes if isinstance(o, CursorMoved)]
    assert told == [("delivered", 2, {user("ann"), user("ben")}), ("read", 2, {user("ben")})]
    assert [(row.state, row.up_to_seq) for row in changes.receipts] == [("delivered", 2)]
    ben = view.conversations[conversation("ann", "ben")].members[user("ben")]
    assert (ben.delivered_seq, ben.read_seq, ben.shown_read_seq) == (2, 2, 0)
    again = recall(items([a_cursor("ben", "ann", "read", 2, discreet=True)]), view)
    assert [(o.state, o.up_to_seq, set(o.audience)) for o in again if isinstance(o, CursorMoved)] == told
    openly, _ = decide(items([a_cursor("ben", "ann", "read", 3)]), view)
    assert [(o.state, set(o.audience)) for o in openly if isinstance(o, CursorMoved)] == [
        ("read", {user("ann"), user("ben")})
    ]


def test_a_block_stops_both_of_a_pair_until_it_ends_and_needs_no_conversation() -> None:
    view = empty_view()
    outcomes, changes = decide(
        items(
            [
                a_block("ann", "ben", "b1"),
                a_message("ben", "ann", "m1"),
                a_message("ann", "ben", "m1"),
                a_message("ann", "cat", "m2"),
                a_block("ann", "ben", "b2", is_blocked=False),
                a_message("ben", "ann", "m1"),
            ]
        ),
        view,
    )
    assert [o.code if isinstance(o, Refused) else type(o) for o in outcomes] == [
        BlockSet,
        Code.BLOCKED,
        Code.BLOCKED,
        Stored,
        BlockSet,
        Stored,
    ]
    assert changes.blocks == {(conversation("ann", "ben"), user("ann")): None}
    assert len(changes.operations) == 2


def test_an_id_names_one_request_whatever_kind_it_is() -> None:
    view = empty_view()
    commands: list[Command] = [
        a_block("ann", "ben", "x"),
        a_message("ann", "cat", "x"),
        a_block("ann", "ben", "x", is_blocked=False),
        a_block("ann", "ben", "x"),
        a_message("ann", "cat", "y"),
        a_block("ann", "ben", "y"),
    ]
    outcomes, _ = decide(items(commands), view)
    assert [o.code if isinstance(o, Refused) else getattr(o, "is_repeat", None) for o in outcomes] == [
        False,
        Code.ID_CONFLICT,
        Code.ID_CONFLICT,
        True,
        False,
        Code.ID_CONFLICT,
    ]
