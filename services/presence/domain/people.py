"""Everybody who is there, merged from sessions and gateways: facts in, what others are to be told out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from services.presence.domain.facts import Fact, GatewayEnded, GatewayPut, SessionEnded, SessionKey, SessionPut
from services.presence.domain.person import NOTHING, Person, Session, Settled
from services.presence.domain.sight import Kept, after_choosing, after_leaving, state_of
from shared.contracts.ids import GatewayId, UserId
from shared.contracts.presence import PresenceState, SetPresence


class People:
    """The present of one leader. `now_ms` is Unix time; `now_s` is on a clock that never goes back.

    Gateways live for `life_s`; whoever left looks as before for `linger_s`. After a disturbance (`begin_again`) what
    was known is held for a life, though the bucket does not say so any more: gateways put it again. `unread` are
    those whose `Kept` is missing, `touched` those to be settled, `abandoned` the sessions, with their `seq`, whose
    keys a dead gateway left in the bucket.
    """

    def __init__(self, life_s: float, linger_s: float) -> None:
        self.life_s = life_s
        self.people: dict[UserId, Person] = {}
        self.unread: dict[UserId, None] = {}
        self.touched: dict[UserId, None] = {}
        self.leaving: dict[UserId, float] = {}
        self.abandoned: dict[SessionKey, int] = {}
        self.held_until_s: float | None = None
        self.sessions = 0
        self.online = 0
        self._linger_s = linger_s
        self._alive: set[GatewayId] = set()
        self._of_gateway: dict[GatewayId, dict[SessionKey, None]] = {}
        self._lost: dict[GatewayId, float] = {}  # gateways with sessions but no key, and how long they are waited for
        self._held_gateways: set[GatewayId] = set()
        self._held_sessions: set[SessionKey] = set()

    # --- facts

    def note(self, fact: Fact, now_s: float) -> None:
        """Take in what has happened."""
        match fact:
            case SessionPut():
                self._put(fact, now_s, is_news=True)
            case SessionEnded():
                if fact.user_id in self.people:
                    self._end((fact.user_id, fact.session_id), fact.at_ms)
            case GatewayPut():
                self._live(fact.gateway_id)
            case GatewayEnded():
                self._die(fact.gateway_id, fact.at_ms)
            case _:
                assert_never(fact)

    def begin_again(
        self, facts: Sequence[Fact], now_ms: int, now_s: float, *, holds_gateways: bool, holds_sessions: bool
    ) -> None:
        """Take in all that the bucket holds, the older before the newer, instead of what was known.

        What is missing there has ended, or is held: gateways that may have been kept from saying that they live, and
        sessions that the broker may have forgotten, until they are put again or are given up.
        """
        gateways, sessions = set(self._alive), {key for of in self._of_gateway.values() for key in of}
        for user, person in self.people.items():
            person.kept = None
            self.unread[user] = None
        for fact in facts:
            self._recall(fact, now_s, holds_gateways=holds_gateways)
            if isinstance(fact, SessionPut | SessionEnded):
                sessions.discard((fact.user_id, fact.session_id))
            elif isinstance(fact, GatewayPut):
                gateways.discard(fact.gateway_id)
        self._held_gateways, self._held_sessions = gateways & self._alive, sessions
        if not holds_sessions:
            self._end_held_sessions(now_ms)
        if not holds_gateways:
            self._end_held_gateways(now_ms - self._life_ms)
        self.held_until_s = now_s + self.life_s if self._held_gateways or self._held_sessions else None
        for gateway in self._lost:
            self._leave_all(gateway, now_ms - self._life_ms)

    # --- what is kept

    def kept_is(self, user: UserId, kept: Kept | None) -> None:
        """Learn what is kept of a user; None: nothing is."""
        self.unread.pop(user, None)
        person = self.people.get(user)
        if person is None or person.kept is not None:
            return
        shows = person.shows
        if kept is None and shows is None:
            shows = all(session.shows_last_seen for session in person.sessions.values())
        person.saved = kept or Kept()
        person.kept = person.saved if shows is None else replace(person.saved, shows_last_seen=shows)
        person.shows = None
        if person.told is None:
            person.told = state_of(user, person.saved, is_there=False)
        self.touched[user] = None

    def is_known(self, user: UserId) -> bool:
        """Tell whether `told` can be answered without reading what is kept."""
        person = self.people.get(user)
        return person is not None and person.told is not None

    def told(self, user: UserId) -> PresenceState:
        """Return how a known user looks."""
        state = self.people[user].told
        assert state is not None  # noqa: S101 - `is_known`
        return state

    def seems_there(self, user: UserId) -> bool:
        """Tell whether a user is there, or has left just now."""
        person = self.people.get(user)
        return person is not None and (person.is_there or user in self.leaving)

    # --- choices

    def begin_choice(self, user: UserId) -> Person:
        """Keep a user at hand until `end_choice`; a stranger's `kept` must be read first."""
        person = self._person(user)
        person.choices += 1
        return person

    def choose(self, choice: SetPresence, now_ms: int) -> Kept:
        """Follow a choice of somebody whose `kept` was read; `settle` the user then."""
        person = self.people[choice.user_id]
        assert person.kept is not None  # noqa: S101 - read between `begin_choice` and this
        person.kept = after_choosing(person.kept, choice, is_there=self.seems_there(choice.user_id), now_ms=now_ms)
        return person.kept

    def end_choice(self, user: UserId) -> None:
        """Let a user go who was kept at hand."""
        if (person := self.people.get(user)) is not None:
            person.choices -= 1
            self.touched[user] = None

    # --- what comes of it

    def settle(self, user: UserId, now_s: float, *, is_due: bool = False) -> Settled:
        """Tell what became of a user since the last time; `is_due`: whoever left has been waited for long enough."""
        self.touched.pop(user, None)
        person = self.people.get(user)
        if person is None or person.kept is None:
            return NOTHING
        if person.is_there:
            self.leaving.pop(user, None)
        elif person.left_ms:
            self._account(user, person, person.kept, now_s, is_due=is_due)
        state = state_of(user, person.kept, is_there=self.seems_there(user))
        told, person.told = person.told, state
        saved, person.saved = person.saved, person.kept
        self.online += (state.status != "offline") - (told is not None and told.status != "offline")
        if not (person.sessions or person.choices or user in self.leaving):
            del self.people[user]
        return Settled(state if state != told else None, person.kept if person.kept != saved else None)

    def due(self, now_s: float) -> list[UserId]:
        """Name those who left and have been waited for long enough."""
        due: list[UserId] = []
        for user, until_s in self.leaving.items():
            if until_s > now_s:
                break
            due.append(user)
        return due

    def give_up(self, now_ms: int, now_s: float) -> None:
        """End what was waited for in vain: gateways with sessions that never said that they live, and what is held."""
        for gateway in [gateway for gateway, until_s in self._lost.items() if until_s <= now_s]:
            self._die(gateway, now_ms - self._life_ms)
        if self.held_until_s is not None and self.held_until_s <= now_s:
            self.held_until_s = None
            self._end_held_sessions(now_ms - self._life_ms)
            self._end_held_gateways(now_ms - self._life_ms)

    # --- below

    @property
    def _life_ms(self) -> int:
        return int(self.life_s * 1000)

    def _person(self, user: UserId) -> Person:
        person = self.people.get(user)
        if person is None:
            person = self.people[user] = Person()
            self.unread[user] = None
        return person

    def _recall(self, fact: Fact, now_s: float, *, holds_gateways: bool) -> None:
        """Take in what has happened while nobody may have been there to see it."""
        match fact:
            case SessionPut():
                self._put(fact, now_s, is_news=False)
            case SessionEnded():
                self._end_unseen((fact.user_id, fact.session_id), fact.at_ms)
            case GatewayEnded() if holds_gateways and fact.gateway_id in self._alive:
                pass
            case _:
                self.note(fact, now_s)

    def _put(self, fact: SessionPut, now_s: float, *, is_news: bool) -> None:
        user, session, gateway = fact.user_id, fact.session_id, fact.gateway_id
        person = self._person(user)
        before = person.sessions.get(session)
        if before is None:
            self.sessions += 1
        elif before.gateway_id != gateway:
            self._detach((user, session), before.gateway_id)
        person.sessions[session] = Session(gateway, fact.shows_last_seen, fact.seq)
        self._of_gateway.setdefault(gateway, {})[user, session] = None
        self._held_sessions.discard((user, session))
        if gateway not in self._alive:
            self._lost.setdefault(gateway, now_s + self.life_s)
        if is_news and (before is None or before.shows_last_seen != fact.shows_last_seen):
            if person.kept is None:
                person.shows = fact.shows_last_seen
            else:
                person.kept = replace(person.kept, shows_last_seen=fact.shows_last_seen)
        self._look(user, person, 0)

    def _end(self, key: SessionKey, at_ms: int) -> None:
        user, session_id = key
        person = self.people[user]
        session = person.sessions.pop(session_id, None)
        if session is not None:
            self.sessions -= 1
            self._held_sessions.discard(key)
            self._detach(key, session.gateway_id)
        self._look(user, person, at_ms)

    def _end_unseen(self, key: SessionKey, at_ms: int) -> None:
        """End a session that may have ended while nobody was there to account for it."""
        person = self._person(key[0])
        self._end(key, at_ms)
        if person.told is None and not person.is_there:
            person.left_ms = max(person.left_ms, at_ms)

    def _detach(self, key: SessionKey, gateway: GatewayId) -> None:
        of_gateway = self._of_gateway[gateway]
        del of_gateway[key]
        if not of_gateway:
            del self._of_gateway[gateway]
            self._lost.pop(gateway, None)

    def _live(self, gateway: GatewayId) -> None:
        self._held_gateways.discard(gateway)
        self._lost.pop(gateway, None)
        if gateway not in self._alive:
            self._alive.add(gateway)
            for user, _ in self._of_gateway.get(gateway, ()):
                self._look(user, self.people[user], 0)

    def _die(self, gateway: GatewayId, at_ms: int) -> None:
        """End a gateway and its sessions for good: one that lives after all puts them again."""
        self._held_gateways.discard(gateway)
        self._alive.discard(gateway)
        for user, session in list(self._of_gateway.get(gateway, ())):
            self.abandoned[user, session] = self.people[user].sessions[session].seq
            self._end_unseen((user, session), at_ms)

    def _look(self, user: UserId, person: Person, at_ms: int) -> None:
        """See whether a user is there now, and note when not any more."""
        is_there = any(session.gateway_id in self._alive for session in person.sessions.values())
        if is_there:
            person.left_ms = 0
        elif person.is_there:
            person.left_ms = at_ms
        person.is_there = is_there
        self.touched[user] = None

    def _leave_all(self, gateway: GatewayId, at_ms: int) -> None:
        """Have those left who were there by a gateway that was gone already when this leader came."""
        for user, _ in self._of_gateway[gateway]:
            person = self.people[user]
            if person.told is None and not (person.is_there or person.left_ms):
                person.left_ms = at_ms

    def _account(self, user: UserId, person: Person, kept: Kept, now_s: float, *, is_due: bool) -> None:
        """Have a user left who has no session any more, at once where others see no difference."""
        is_seen = person.told is not None and person.told.status != "offline"
        if is_seen and kept.chosen != "invisible" and not is_due:
            self.leaving.setdefault(user, now_s + self._linger_s)
            return
        self.leaving.pop(user, None)
        person.kept = after_leaving(kept, person.left_ms)
        person.left_ms = 0

    def _end_held_sessions(self, at_ms: int) -> None:
        for key in list(self._held_sessions):
            self._end(key, at_ms)

    def _end_held_gateways(self, at_ms: int) -> None:
        for gateway in list(self._held_gateways):
            self._die(gateway, at_ms)
