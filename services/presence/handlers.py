"""What presence does with what it hears and is asked: takes it in, settles who is touched, tells and keeps."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

import msgspec

from services.presence.domain.facts import Fact, GatewayEnded, GatewayPut, SessionEnded, SessionPut
from services.presence.domain.people import People
from services.presence.domain.person import Settled
from services.presence.domain.sight import Kept, state_of
from services.presence.settings import Timing
from services.presence.store import Store
from shared.broker.buckets import Entry
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.lease import Lease
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import GatewayId, SessionId, UserId, is_id
from shared.contracts.presence import (
    MAX_ASKED,
    GetPresence,
    PresenceSet,
    PresenceState,
    PresenceStates,
    SessionRecord,
    SetPresence,
)
from shared.runtime import clock, logs

ROUND: Final = 500
"""How many users are read or settled at a time; between two rounds everything else has its turn."""
STORED_S: Final = 1.5
"""How long a choice may take to be on disk; shorter than gateways wait for the answer."""
RETRY_S: Final = 0.2

_encode = msgspec.json.Encoder().encode
_record = msgspec.json.Decoder(SessionRecord).decode
_log = logs.get(__name__)


class NotLeading(Exception):
    """Another replica answers this question; it has heard it too."""


class Counting(Protocol):
    """What this reports of its work."""

    def heard(self) -> None:
        """Count an event of the bucket."""

    def told(self) -> None:
        """Count a change that was published."""


class Presence:
    """Everybody who is there, as long as this replica leads.

    `work` is set when there is something to `settle`. `is_told`: all that was known before is read, so that changes
    are told and questions answered.
    """

    def __init__(self, connection: Connection, lease: Lease, store: Store, timing: Timing, counts: Counting) -> None:
        self.work = asyncio.Event()
        self.is_told = False
        self.store = store
        self._lease = lease
        self._connection = connection
        self._timing = timing
        self._counts = counts
        self.people = People(timing.gateway_life_s, timing.linger_s)
        self._to_read = asyncio.Event()

    @property
    def is_leading(self) -> bool:
        """Whether this replica, and no other, tells and answers."""
        return self.is_told and self._lease.is_held

    # --- what the bucket says

    def on_entry(self, entry: Entry) -> None:
        """Take in a change of the bucket."""
        self._counts.heard()
        fact = read_fact(entry, self._life_ms)
        if fact is not None:
            self.people.note(fact, clock.monotonic())
            self._wake()

    def begin_again(self, entries: Iterable[Entry], *, holds_gateways: bool, holds_sessions: bool) -> None:
        """Take in the whole bucket instead of what was known of it."""
        facts = [fact for entry in entries if (fact := read_fact(entry, self._life_ms)) is not None]
        self.people.begin_again(
            facts,
            clock.now_ms(),
            clock.monotonic(),
            holds_gateways=holds_gateways,
            holds_sessions=holds_sessions,
        )
        self._wake()

    def forget(self) -> None:
        """Know nothing any more, and write nothing: another replica leads."""
        self.people = People(self._timing.gateway_life_s, self._timing.linger_s)
        self.store.writes.clear()
        self.store.removals.clear()

    # --- what comes of it

    async def read_unread(self) -> None:
        """Read what is kept of those who came, until cancelled."""
        while True:
            self._to_read.clear()
            while unread := list(islice(self.people.unread, ROUND)):
                people = self.people
                try:
                    kept = await self.store.read(unread)
                except BROKER_ERRORS as error:
                    _log.debug("reading_failed", error=repr(error))
                    await asyncio.sleep(RETRY_S)
                    continue
                for user in unread:
                    people.kept_is(user, kept.get(user))
                self.work.set()
            await self._to_read.wait()

    async def settle(self) -> None:
        """Tell and keep what has changed of all who are touched, or left long enough ago."""
        self.work.clear()
        people, now_s = self.people, clock.monotonic()
        for user in people.due(now_s):
            await self._follow(people.settle(user, now_s, is_due=True), user)
        for number, user in enumerate(list(people.touched), 1):
            await self._follow(people.settle(user, now_s), user)
            if number % ROUND == 0:
                await asyncio.sleep(0)
        people.give_up(clock.now_ms(), now_s)
        while people.abandoned:
            self.store.removals.put(*people.abandoned.popitem())
        if people.touched:
            self.work.set()

    async def settle_all(self) -> None:
        """Settle whoever left, too, without waiting for a return."""
        await self.settle()
        for user in list(self.people.leaving):
            await self._follow(self.people.settle(user, clock.monotonic(), is_due=True), user)

    # --- what gateways ask

    async def states(self, question: GetPresence) -> PresenceStates:
        """Tell how users are.

        Raises:
            Refusal: `invalid`, `unavailable`.
            NotLeading.
        """
        users = question.user_ids
        if len(users) > MAX_ASKED:
            raise Refusal(Code.INVALID, f"At most {MAX_ASKED} users can be asked about at once.")
        _check_ids(users)
        strangers = {user for user in users if not self.people.is_known(user)}
        kept = await self._read(strangers) if strangers else {}
        self._check_leading()
        return PresenceStates([self._state(user, kept) for user in users])

    async def choose(self, choice: SetPresence) -> PresenceSet:
        """Follow a user's choice, and answer when it is on disk.

        Raises:
            Refusal: `invalid`, `unavailable`.
            NotLeading.
        """
        user = choice.user_id
        _check_ids([user])
        people = self.people
        person = people.begin_choice(user)
        try:
            if person.kept is None:
                found = await self._read([user])
                people.kept_is(user, found.get(user))
            if people is not self.people or person.kept is None:
                raise NotLeading
            self._check_leading()
            kept = people.choose(choice, clock.now_ms())
            await self._follow(people.settle(user, clock.monotonic()), user, first=True)
            state = people.told(user)
        finally:
            people.end_choice(user)
            self._wake()
        try:
            async with asyncio.timeout(STORED_S):
                await self.store.writes.written(user)
        except TimeoutError as error:
            raise Refusal(Code.UNAVAILABLE, "The choice could not be kept yet. Try again.") from error
        return PresenceSet(kept.chosen, state)

    # --- below

    @property
    def _life_ms(self) -> int:
        return int(self._timing.gateway_life_s * 1000)

    def _wake(self) -> None:
        self.work.set()
        if self.people.unread:
            self._to_read.set()

    async def _read(self, users: Collection[UserId]) -> dict[UserId, Kept]:
        try:
            return await self.store.read(users)
        except BROKER_ERRORS as error:
            raise Refusal(Code.UNAVAILABLE, "What is kept of a user cannot be read right now. Try again.") from error

    def _check_leading(self) -> None:
        if not self.is_leading:
            raise NotLeading

    def _state(self, user: UserId, kept: dict[UserId, Kept]) -> PresenceState:
        if self.people.is_known(user):
            return self.people.told(user)
        return state_of(user, kept.get(user, Kept()), is_there=self.people.seems_there(user))

    async def _follow(self, settled: Settled, user: UserId, *, first: bool = False) -> None:
        """Keep and tell what has changed; nothing may come between this and the settling."""
        if settled.keep is not None:
            self.store.writes.put(user, settled.keep, first=first)
        if settled.tell is None or not self.is_leading:
            return  # whoever takes over, or begins again, says so, and everybody asks
        self._counts.told()
        try:
            await self._connection.publish(subjects.presence_of(user), _encode(settled.tell))
        except BROKER_ERRORS as error:
            _log.debug("change_not_told", error=repr(error))  # the same holds after a reconnect


def read_fact(entry: Entry, life_ms: int) -> Fact | None:
    """Read what a key of the bucket says; None where it says nothing that can be understood."""
    match entry.key.split("."):
        case ["s", user, session]:
            return _session_fact(UserId(user), SessionId(session), entry)
        case ["g", gateway]:
            if entry.value is not None:
                return GatewayPut(GatewayId(gateway))
            # a key that expired was put for the last time a life ago, and its gateway died soon after
            return GatewayEnded(GatewayId(gateway), entry.ended_ms - (life_ms if entry.has_expired else 0))
        case _:
            return None


def _session_fact(user: UserId, session: SessionId, entry: Entry) -> Fact | None:
    if entry.value is None:
        return SessionEnded(user, session, entry.ended_ms)
    try:
        record = _record(entry.value)
    except msgspec.DecodeError as error:
        _log.warning("session_cannot_be_read", key=entry.key, error=str(error))
        return None
    return SessionPut(user, session, record.gateway_id, record.shows_last_seen, entry.seq)


def _check_ids(users: Sequence[UserId]) -> None:
    """Refuse what may not stand in a key or a subject."""
    if not all(map(is_id, users)):
        raise Refusal(Code.INVALID, "A user id is 1 to 64 letters, digits, - or _.")
