"""Who is there and how users look, decided from values alone."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.presence.domain.facts import Fact, GatewayEnded, GatewayPut, SessionEnded, SessionPut
from services.presence.domain.people import People
from services.presence.domain.person import Settled
from services.presence.domain.sight import Kept, after_choosing, after_leaving, state_of
from services.presence.handlers import read_fact
from shared.broker.buckets import Entry
from shared.contracts.ids import GatewayId, SessionId, UserId
from shared.contracts.presence import PresenceState, SetPresence

ANN, BEN = UserId("u-ann"), UserId("u-ben")
ONE, TWO = GatewayId("g-one"), GatewayId("g-two")
PHONE, LAPTOP = SessionId("phone"), SessionId("laptop")
NOON = 1_763_812_800_000
LIFE_S = 30.0
LINGER_S = 0.7


def put(
    user: UserId, session: SessionId = PHONE, gateway: GatewayId = ONE, *, shows: bool = True, seq: int = 1
) -> SessionPut:
    return SessionPut(user, session, gateway, shows, seq)


def people(*facts: Fact, kept: Kept | None = None) -> People:
    """Some people, of all of whom the same is kept; everything they did is settled."""
    present = People(LIFE_S, LINGER_S)
    for fact in facts:
        present.note(fact, 0)
    read(present, kept)
    settle(present, 0)
    return present


def read(present: People, kept: Kept | None = None) -> None:
    for user in list(present.unread):
        present.kept_is(user, kept)


def settle(present: People, now_s: float) -> list[Settled]:
    due = [present.settle(user, now_s, is_due=True) for user in present.due(now_s)]
    return due + [present.settle(user, now_s) for user in list(present.touched)]


def told(settled: list[Settled]) -> list[PresenceState]:
    return [one.tell for one in settled if one.tell is not None]


def status_of(present: People, user: UserId) -> str:
    return present.told(user).status if present.is_known(user) else "offline"


# --- how one user looks


def test_a_user_who_is_there_looks_as_was_chosen() -> None:
    assert state_of(ANN, Kept("away", last_seen_ms=5), is_there=True) == PresenceState(ANN, "away")


def test_whoever_is_invisible_looks_offline_and_last_seen_when_becoming_so() -> None:
    kept = after_choosing(Kept(), SetPresence(ANN, "invisible"), is_there=True, now_ms=NOON)
    assert state_of(ANN, kept, is_there=True) == PresenceState(ANN, "offline", NOON)
    assert after_leaving(kept, NOON + 5_000) == kept


def test_becoming_invisible_twice_or_from_afar_leaves_last_seen_as_it_was() -> None:
    kept = Kept(last_seen_ms=NOON)
    away = after_choosing(kept, SetPresence(ANN, "invisible"), is_there=False, now_ms=NOON + 9)
    assert away.last_seen_ms == NOON
    assert after_choosing(away, SetPresence(ANN, "invisible"), is_there=True, now_ms=NOON + 10) == away


def test_a_choice_says_nothing_of_what_it_leaves_out() -> None:
    kept = Kept("dnd", shows_last_seen=False, last_seen_ms=NOON)
    assert after_choosing(kept, SetPresence(ANN), is_there=True, now_ms=NOON + 9) == kept
    shown = after_choosing(kept, SetPresence(ANN, shows_last_seen=True), is_there=True, now_ms=NOON + 9)
    assert shown == replace(kept, shows_last_seen=True)


def test_hidden_last_seen_is_told_to_nobody() -> None:
    assert state_of(ANN, Kept(shows_last_seen=False, last_seen_ms=NOON), is_there=False).last_seen_ms is None


def test_last_seen_never_goes_back() -> None:
    assert after_leaving(Kept(last_seen_ms=NOON), NOON - 1).last_seen_ms == NOON
    assert after_leaving(Kept(), NOON).last_seen_ms == NOON


# --- sessions and gateways


def test_a_session_counts_as_long_as_its_gateway_lives() -> None:
    present = people(put(ANN))
    assert status_of(present, ANN) == "offline"
    present.note(GatewayPut(ONE), 0)
    assert told(settle(present, 0)) == [PresenceState(ANN, "online")]


def test_of_two_devices_only_the_last_to_leave_is_noticed() -> None:
    present = people(GatewayPut(ONE), GatewayPut(TWO), put(ANN), put(ANN, LAPTOP, TWO))
    assert (present.sessions, present.online) == (2, 1)
    present.note(SessionEnded(ANN, PHONE, NOON), 0)
    assert told(settle(present, 0)) == []
    present.note(SessionEnded(ANN, LAPTOP, NOON + 100), 1)
    assert told(settle(present, 1)) == []
    assert settle(present, 1 + LINGER_S) == [
        Settled(PresenceState(ANN, "offline", NOON + 100), Kept(last_seen_ms=NOON + 100))
    ]
    assert (present.sessions, present.online, present.people) == (0, 0, {})


def test_a_page_loaded_again_is_not_noticed() -> None:
    present = people(GatewayPut(ONE), put(ANN))
    present.note(SessionEnded(ANN, PHONE, NOON), 0)
    settle(present, 0)
    present.note(put(ANN, LAPTOP), 0.5)
    assert [*settle(present, 0.5), *settle(present, 5)] == [Settled()]
    assert status_of(present, ANN) == "online"


def test_a_gateway_that_dies_takes_its_sessions_and_leaves_their_keys_to_be_removed() -> None:
    present = people(GatewayPut(ONE), GatewayPut(TWO), put(ANN, seq=7), put(BEN, LAPTOP, TWO))
    present.note(GatewayEnded(ONE, NOON), 10)
    settle(present, 10)
    assert present.abandoned == {(ANN, PHONE): 7}
    present.note(SessionEnded(ANN, PHONE, NOON + 60_000), 10.1)
    assert told([*settle(present, 10.1), *settle(present, 11)]) == [PresenceState(ANN, "offline", NOON)]
    assert status_of(present, BEN) == "online"
    assert present.sessions == 1


def test_a_gateway_that_was_taken_for_dead_brings_back_what_it_puts_again() -> None:
    present = people(GatewayPut(ONE), put(ANN), put(BEN))
    present.note(GatewayEnded(ONE, NOON), 10)
    present.note(GatewayPut(ONE), 10)
    present.note(put(ANN, seq=9), 10)
    settle(present, 10)
    assert told(settle(present, 11)) == [PresenceState(BEN, "offline", NOON)]
    assert status_of(present, ANN) == "online"


def test_sessions_of_a_gateway_never_heard_of_are_removed_after_a_life() -> None:
    present = people(put(ANN), put(BEN, gateway=TWO))
    present.give_up(NOON, LIFE_S - 1)
    assert present.abandoned == {}
    present.note(GatewayPut(TWO), LIFE_S - 1)
    present.give_up(NOON, LIFE_S)
    assert present.abandoned == {(ANN, PHONE): 1}


def test_a_session_may_move_to_another_gateway() -> None:
    present = people(GatewayPut(ONE), GatewayPut(TWO), put(ANN), put(ANN, gateway=TWO))
    present.note(GatewayEnded(ONE, NOON), 1)
    settle(present, 1)
    assert settle(present, 2) == []
    assert status_of(present, ANN) == "online"
    assert present.sessions == 1


def test_who_left_before_anything_was_read_of_them_is_accounted_for_then() -> None:
    present = People(LIFE_S, LINGER_S)
    for fact in (GatewayPut(ONE), put(ANN), SessionEnded(ANN, PHONE, NOON)):
        present.note(fact, 0)
    assert settle(present, 0) == [Settled()]
    present.kept_is(ANN, Kept("away", last_seen_ms=NOON - 9))
    assert settle(present, 0) == [
        Settled(PresenceState(ANN, "offline", NOON), Kept("away", last_seen_ms=NOON)),
    ]
    assert present.people == {}


def test_an_unknown_session_that_ends_is_nobody() -> None:
    assert people(SessionEnded(ANN, PHONE, NOON)).people == {}


# --- choices


def test_a_choice_is_told_and_kept() -> None:
    present = people(GatewayPut(ONE), put(ANN))
    present.begin_choice(ANN)
    present.choose(SetPresence(ANN, "dnd"), NOON)
    assert present.settle(ANN, 0) == Settled(PresenceState(ANN, "dnd"), Kept("dnd"))
    present.end_choice(ANN)
    assert settle(present, 0) == [Settled()]


def test_becoming_invisible_is_told_at_once_and_leaving_is_not_told_then() -> None:
    present = people(GatewayPut(ONE), put(ANN))
    present.begin_choice(ANN)
    present.choose(SetPresence(ANN, "invisible"), NOON)
    invisible = Kept("invisible", last_seen_ms=NOON)
    assert present.settle(ANN, 0) == Settled(PresenceState(ANN, "offline", NOON), invisible)
    present.end_choice(ANN)
    present.note(SessionEnded(ANN, PHONE, NOON + 9_000), 9)
    assert [*settle(present, 9), *settle(present, 10)] == [Settled()]
    assert present.people == {}


def test_somebody_away_from_everything_may_choose_and_is_forgotten_after() -> None:
    present = People(LIFE_S, LINGER_S)
    present.begin_choice(ANN)
    present.kept_is(ANN, None)
    present.choose(SetPresence(ANN, "away"), NOON)
    assert present.settle(ANN, 0) == Settled(None, Kept("away"))
    present.end_choice(ANN)
    settle(present, 0)
    assert present.people == {}


def test_whoever_becomes_invisible_while_still_waited_for_is_gone_at_once() -> None:
    present = people(GatewayPut(ONE), put(ANN))
    present.note(SessionEnded(ANN, PHONE, NOON), 0)
    settle(present, 0)
    present.begin_choice(ANN)
    present.choose(SetPresence(ANN, "invisible"), NOON + 100)
    assert present.settle(ANN, 0.1).tell == PresenceState(ANN, "offline", NOON + 100)
    assert present.due(10) == []


def test_a_new_session_brings_whether_last_seen_is_shown_and_a_repeat_does_not() -> None:
    present = people(GatewayPut(ONE))
    present.note(put(ANN, shows=False), 0)
    present.kept_is(ANN, Kept("away"))
    assert settle(present, 0)[0].keep == Kept("away", shows_last_seen=False)
    present.begin_choice(ANN)
    present.choose(SetPresence(ANN, shows_last_seen=True), NOON)
    present.settle(ANN, 0)
    present.end_choice(ANN)
    present.note(put(ANN, shows=False, seq=2), 1)
    assert settle(present, 1) == [Settled()], "the same session said the same as before the choice"
    present.note(put(ANN, shows=True, seq=3), 1)
    present.note(put(ANN, shows=False, seq=4), 1)
    assert settle(present, 1)[0].keep == Kept("away", shows_last_seen=False)


# --- beginning again


def test_a_new_leader_takes_in_the_bucket_and_what_ended_while_nobody_led() -> None:
    present = People(LIFE_S, LINGER_S)
    facts: list[Fact] = [GatewayPut(ONE), put(ANN), SessionEnded(ANN, LAPTOP, NOON), SessionEnded(BEN, PHONE, NOON)]
    present.begin_again(facts, NOON + 9, 0, holds_gateways=True, holds_sessions=True)
    assert settle(present, 0) == [Settled(), Settled()], "nothing before it is read what is kept"
    present.kept_is(ANN, Kept("away"))
    present.kept_is(BEN, Kept("dnd", last_seen_ms=NOON - 1))
    assert settle(present, 0) == [
        Settled(PresenceState(ANN, "away")),
        Settled(PresenceState(BEN, "offline", NOON), Kept("dnd", last_seen_ms=NOON)),
    ]
    assert present.held_until_s is None


def test_a_new_leader_finds_those_gone_whose_gateway_is() -> None:
    present = People(LIFE_S, LINGER_S)
    present.begin_again([put(ANN)], NOON, 0, holds_gateways=True, holds_sessions=True)
    read(present)
    assert settle(present, 0) == [
        Settled(PresenceState(ANN, "offline", NOON - 30_000), Kept(last_seen_ms=NOON - 30_000))
    ]


def test_what_a_broker_forgot_is_held_until_it_is_put_again_or_time_is_up() -> None:
    present = people(GatewayPut(ONE), put(ANN), put(BEN, LAPTOP))
    present.begin_again([], NOON, 100, holds_gateways=True, holds_sessions=True)
    read(present)
    assert told(settle(present, 100)) == []
    present.note(GatewayPut(ONE), 101)
    present.note(put(ANN), 101)
    assert present.held_until_s == 100 + LIFE_S
    present.give_up(NOON + 30_000, 130)
    settle(present, 130)
    assert told(settle(present, 131)) == [PresenceState(BEN, "offline", NOON)]
    assert status_of(present, ANN) == "online"


def test_what_is_held_ends_when_the_bucket_says_so() -> None:
    present = people(GatewayPut(ONE), GatewayPut(TWO), put(ANN), put(BEN, LAPTOP, TWO))
    present.begin_again([], NOON, 100, holds_gateways=True, holds_sessions=True)
    read(present)
    present.note(SessionEnded(ANN, PHONE, NOON + 1), 101)
    present.note(GatewayEnded(TWO, NOON + 2), 101)
    settle(present, 101)
    assert [state.user_id for state in told(settle(present, 102))] == [ANN, BEN]


def test_a_bucket_that_was_only_not_heard_is_believed_about_sessions_but_not_about_gateways() -> None:
    present = people(GatewayPut(ONE), put(ANN), put(BEN, LAPTOP))
    facts: list[Fact] = [put(ANN), GatewayEnded(ONE, NOON - 5)]
    present.begin_again(facts, NOON, 100, holds_gateways=True, holds_sessions=False)
    read(present)
    settle(present, 100)
    assert told(settle(present, 101)) == [PresenceState(BEN, "offline", NOON)]
    present.give_up(NOON + 30_000, 130)
    settle(present, 130)
    assert told(settle(present, 131)) == [PresenceState(ANN, "offline", NOON)]


def test_events_that_were_dropped_hold_nothing() -> None:
    present = people(GatewayPut(ONE), GatewayPut(TWO), put(ANN), put(BEN, LAPTOP, TWO))
    facts: list[Fact] = [put(ANN), put(BEN, LAPTOP, TWO), GatewayPut(ONE), GatewayEnded(TWO, NOON)]
    present.begin_again(facts, NOON, 100, holds_gateways=False, holds_sessions=False)
    read(present)
    settle(present, 100)
    assert told(settle(present, 101)) == [PresenceState(BEN, "offline", NOON)]
    assert present.held_until_s is None


def test_beginning_again_does_not_take_the_word_of_old_sessions_for_a_choice() -> None:
    present = People(LIFE_S, LINGER_S)
    present.begin_again([GatewayPut(ONE), put(ANN, shows=True)], NOON, 0, holds_gateways=True, holds_sessions=True)
    read(present, Kept(shows_last_seen=False))
    assert settle(present, 0)[0].keep is None
    present = People(LIFE_S, LINGER_S)
    present.begin_again([GatewayPut(ONE), put(ANN, shows=False)], NOON, 0, holds_gateways=True, holds_sessions=True)
    read(present, None)
    assert settle(present, 0)[0].keep == Kept(shows_last_seen=False)


# --- a recount

_users = st.sampled_from([ANN, BEN])
_sessions = st.sampled_from([PHONE, LAPTOP])
_gateways = st.sampled_from([ONE, TWO])
_facts = st.one_of(
    st.builds(SessionPut, _users, _sessions, _gateways, st.booleans(), st.just(1)),
    st.builds(SessionEnded, _users, _sessions, st.just(NOON)),
    st.builds(GatewayPut, _gateways),
    st.builds(GatewayEnded, _gateways, st.just(NOON)),
)


@given(st.lists(st.tuples(_facts, st.booleans(), st.booleans()), max_size=40))
def test_after_any_story_everybody_looks_as_a_recount_says(story: list[tuple[Fact, bool, bool]]) -> None:
    present = People(LIFE_S, LINGER_S)
    sessions: dict[tuple[UserId, SessionId], GatewayId] = {}
    gateways: set[GatewayId] = set()
    now_s = 0.0
    for fact, is_read, is_settled in story:
        now_s += 1
        present.note(fact, now_s)
        match fact:
            case SessionPut():
                sessions[fact.user_id, fact.session_id] = fact.gateway_id
            case SessionEnded():
                sessions.pop((fact.user_id, fact.session_id), None)
            case GatewayPut():
                gateways.add(fact.gateway_id)
            case GatewayEnded():
                gateways.discard(fact.gateway_id)
                sessions = {key: gateway for key, gateway in sessions.items() if gateway != fact.gateway_id}
        if is_read:
            read(present)
        if is_settled:
            settle(present, now_s)
    read(present)
    settle(present, now_s)
    settle(present, now_s + 1)
    there = {user for (user, _), gateway in sessions.items() if gateway in gateways}
    assert {user for user in (ANN, BEN) if status_of(present, user) == "online"} == there
    assert present.sessions == len(sessions)
    assert present.online == len(there)
    assert set(present.people) == {user for user, _ in sessions}
    present.abandoned.clear()
    present.give_up(NOON, now_s + LIFE_S)
    assert set(present.abandoned) == {key for key, gateway in sessions.items() if gateway not in gateways}


# --- keys of the bucket


def test_keys_that_say_nothing_known_are_passed_over() -> None:
    for key, value in [("x.y", b"1"), ("s.only", b"1"), ("s.a.b.c", b"1"), ("s.a.b", b"{}"), ("s.a.b", b"nonsense")]:
        assert read_fact(Entry(key, value, 1), 30_000) is None


def test_a_gateway_whose_key_expired_died_a_life_ago_and_one_that_ended_it_just_now() -> None:
    assert read_fact(Entry("g.one", None, 1, NOON, has_expired=True), 30_000) == GatewayEnded(
        GatewayId("one"), NOON - 30_000
    )
    assert read_fact(Entry("g.one", None, 1, NOON), 30_000) == GatewayEnded(GatewayId("one"), NOON)
