"""Where a request goes: usernames and conversation ids looked up once, and remembered within bounds."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from services.gateway.domain import Principal, User, fold_username
from services.gateway.protocol.inbound import SendRequest, TypingRequest
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import ConversationChanged
from shared.contracts.ids import ConversationId, UserId, Username, direct_conversation_id, message_id, partition_of
from shared.contracts.queries import FindOutcomes, GetMembers, Members, Outcomes
from shared.runtime.clock import monotonic

K = TypeVar("K")
V = TypeVar("V")

MAX_CONVERSATIONS: Final = 10_000
CONVERSATION_LIFE_S: Final = 60.0
MAX_PAIRS: Final = 20_000
LOOKUP_S: Final = 1.0
"""How long history may take for members: delivery checks again, so nobody has to wait for it."""
AWAY_S: Final = 1.0
"""How long history is left alone after it did not answer."""

FindUser = Callable[[Username], Awaitable[User | None]]

_decode_change = msgspec.json.Decoder(ConversationChanged).decode


class Target(NamedTuple):
    """A conversation, its partition of the log, and the other member where it is direct ("" where it is not)."""

    conversation_id: ConversationId
    partition: int
    peer_id: UserId = UserId("")
    peer: Username = Username("")


class Audience(NamedTuple):
    """The other members of a conversation; `is_blocked`: of a pair one blocks the other."""

    conversation_id: ConversationId
    others: tuple[UserId, ...]
    is_blocked: bool


class Circle(NamedTuple):
    """Who is, and who was, in a conversation, and who of a pair blocks; good until `until_s` (monotonic)."""

    until_s: float
    is_direct: bool
    present: dict[UserId, Username]
    left: frozenset[UserId]
    blockers: frozenset[UserId]


class Targets:
    """Finds the conversation that a request speaks of, and refuses whoever has no business there.

    These checks spare the log what would be refused; delivery's are the ones that count. So where history can't
    be asked, a request about a conversation passes unchecked; but nobody is told who is in it (`find_audience`).
    """

    def __init__(self, connection: Connection, find_user: FindUser, partitions: int) -> None:
        self._connection = connection
        self._find_user = find_user
        self._partitions = partitions
        self._pairs: dict[tuple[UserId, str], Target] = {}
        self._circles: dict[ConversationId, Circle] = {}
        self._asking: dict[ConversationId, int] = {}
        self.on_changed: list[Callable[[ConversationId], None]] = []
        """Called when members or blocks of a conversation changed."""
        self._outdated: set[ConversationId] = set()  # changed while they are asked for: not to be remembered
        self._away_until_s = 0.0

    @property
    def remembered(self) -> int:
        """How many conversations and pairs are remembered."""
        return len(self._pairs) + len(self._circles)

    async def listen(self) -> None:
        """Hear of changed conversations from now on, and forget them.

        Raises:
            One of BROKER_ERRORS.
        """
        self._connection.on_reconnect.append(self.forget_all)
        self._connection.on_dropped.append(self._on_dropped)
        await self._connection.subscribe(subjects.CONVERSATION_CHANGED, self._on_changed)

    def known(self, who: Principal, request: SendRequest) -> Target | None:
        """Find where a message goes without asking anybody; None where somebody must be asked (`find`).

        Raises:
            Refusal: `not_found` or `not_member`.
        """
        conversation_id = request.conversation_id
        if conversation_id is None:
            return self._pairs.get((who.user_id, request.to or ""))
        circle = self._known_circle(conversation_id)
        if circle is None:
            return None
        target = self._admit(who.user_id, conversation_id, circle)
        return None if circle.blockers else target

    async def find(self, who: Principal, request: SendRequest) -> Target:
        """Find where a message goes.

        Raises:
            Refusal: `not_found`, `not_member`, `blocked`, `invalid` (to oneself, or no username), `unavailable`.
        """
        if request.conversation_id is None:
            return await self._find_peer(who, request.to or "")
        target = await self.find_member(who.user_id, request.conversation_id)
        circle = self._known_circle(request.conversation_id)
        if circle is not None and circle.blockers and not await self._may_be_stored(who, request):
            if who.user_id in circle.blockers:
                raise Refusal(Code.BLOCKED, f"You blocked {target.peer}. Unblock to write.")
            raise Refusal(Code.BLOCKED, f"You can't write to {target.peer}.")
        return target

    def known_audience(self, who: Principal, request: TypingRequest) -> Audience | None:
        """Find whom a typing user is shown to without asking anybody; None where somebody must be asked.

        Raises:
            Refusal: `not_found` or `not_member`.
        """
        conversation_id = request.conversation_id
        if conversation_id is None:
            pair = self._pairs.get((who.user_id, request.to or ""))
            if pair is None:
                return None
            conversation_id = pair.conversation_id
        circle = self._known_circle(conversation_id)
        return None if circle is None else self._audience(who.user_id, conversation_id, circle)

    async def find_audience(self, who: Principal, request: TypingRequest) -> Audience | None:
        """Find whom a typing user is shown to; None where that can't be known now.

        Raises:
            Refusal: `not_found`, `not_member`, `invalid` (to oneself, or no username).
        """
        conversation_id = request.conversation_id
        if conversation_id is None:
            try:
                pair = self._pairs.get((who.user_id, request.to or "")) or await self._find_peer(who, request.to or "")
            except Refusal as refusal:
                if refusal.code is Code.UNAVAILABLE:
                    return None
                raise
            conversation_id = pair.conversation_id
        circle = await self._circle(conversation_id)
        if circle is None or circle.until_s < monotonic():
            return None
        return self._audience(who.user_id, conversation_id, circle)

    def known_member(self, user_id: UserId, conversation_id: ConversationId) -> Target | None:
        """Let a member into a conversation without asking anybody; None where somebody must be asked.

        Raises:
            Refusal: `not_found` to strangers, `not_member` to former members.
        """
        circle = self._known_circle(conversation_id)
        return None if circle is None else self._admit(user_id, conversation_id, circle)

    async def find_member(self, user_id: UserId, conversation_id: ConversationId) -> Target:
        """Let a member into a conversation; anybody, where its members can't be asked for now.

        Raises:
            Refusal: `not_found` to strangers, `not_member` to former members.
        """
        circle = await self._circle(conversation_id)
        if circle is None:
            return Target(conversation_id, partition_of(conversation_id, self._partitions))
        return self._admit(user_id, conversation_id, circle)

    def forget(self, conversation_id: ConversationId) -> None:
        """Drop what is remembered of a conversation, because it changed."""
        self._circles.pop(conversation_id, None)
        if conversation_id in self._asking:
            self._outdated.add(conversation_id)

    def forget_all(self) -> None:
        """Drop what is remembered of all conversations, because a change may have been missed."""
        self._circles.clear()
        self._outdated.update(self._asking)

    def _on_changed(self, payload: bytes) -> None:
        conversation_id = _decode_change(payload).conversation_id
        self.forget(conversation_id)
        for hook in self.on_changed:
            hook(conversation_id)

    def _on_dropped(self, subject: str) -> None:
        if subject == subjects.CONVERSATION_CHANGED:
            self.forget_all()

    def _known_circle(self, conversation_id: ConversationId) -> Circle | None:
        circle = self._circles.get(conversation_id)
        return None if circle is None or circle.until_s < monotonic() else circle

    def _audience(self, user_id: UserId, conversation_id: ConversationId, circle: Circle) -> Audience:
        self._admit(user_id, conversation_id, circle)
        others = tuple(member for member in circle.present if member != user_id)
        return Audience(conversation_id, others, bool(circle.blockers))

    def _admit(self, user_id: UserId, conversation_id: ConversationId, circle: Circle) -> Target:
        if user_id not in circle.present:
            if user_id in circle.left:
                raise Refusal(Code.NOT_MEMBER, "You are not a member of this conversation any more.")
            raise Refusal(Code.NOT_FOUND, "There is no such conversation.")
        partition = partition_of(conversation_id, self._partitions)
        if circle.is_direct:
            for peer_id, peer in circle.present.items():
                if peer_id != user_id:
                    return Target(conversation_id, partition, peer_id, peer)
        return Target(conversation_id, partition)

    async def _circle(self, conversation_id: ConversationId) -> Circle | None:
        """Ask who is in a conversation; where that can't be asked, tell what was true once, if anything."""
        now = monotonic()
        circle = self._circles.get(conversation_id)
        if circle is not None and circle.until_s >= now:
            return circle  # another request has asked meanwhile
        if now < self._away_until_s:
            return circle
        self._asking[conversation_id] = self._asking.get(conversation_id, 0) + 1
        try:
            members = await ask(
                self._connection, subjects.MEMBERS, GetMembers(conversation_id), Members, timeout_s=LOOKUP_S
            )
        except Refusal as refusal:
            if refusal.code is not Code.UNAVAILABLE:
                raise
            self._away_until_s = monotonic() + AWAY_S
            return circle
        finally:
            is_outdated = self._asked(conversation_id)
        circle = Circle(
            monotonic() + CONVERSATION_LIFE_S,
            members.kind == "direct",
            {member.user_id: member.username for member in members.members if not member.left},
            frozenset(member.user_id for member in members.members if member.left),
            frozenset(members.blocker_ids),
        )
        if members.kind and not is_outdated:  # one that does not exist may come into being at any moment
            _remember(self._circles, conversation_id, circle, MAX_CONVERSATIONS)
        return circle

    def _asked(self, conversation_id: ConversationId) -> bool:
        """Note that a question is over; tells whether the conversation changed meanwhile."""
        is_outdated = conversation_id in self._outdated
        self._asking[conversation_id] -= 1
        if not self._asking[conversation_id]:
            del self._asking[conversation_id]
            self._outdated.discard(conversation_id)
        return is_outdated

    async def _may_be_stored(self, who: Principal, request: SendRequest) -> bool:
        """Tell whether a message may be a repeat of a stored one, which is answered whoever blocks whom by now."""
        question = FindOutcomes([message_id(who.user_id, request.id)])
        try:
            return bool((await ask(self._connection, subjects.OUTCOMES, question, Outcomes, timeout_s=LOOKUP_S)).found)
        except Refusal:
            return True  # nobody knows: delivery decides

    async def _find_peer(self, who: Principal, to: str) -> Target:
        name = fold_username(to)
        if name is None:
            wrong = "must be a username: 3-32 characters of a-z 0-9 _ -"
            raise Refusal(Code.INVALID, f"to: {wrong}.", fields={"to": wrong})
        peer = await self._find_user(name)
        if peer is None:
            raise Refusal(Code.NOT_FOUND, f"No user is called {name}.")
        if peer.id == who.user_id:
            raise Refusal(Code.INVALID, "Nobody writes to oneself.", fields={"to": "must be somebody else"})
        conversation_id = direct_conversation_id(who.user_id, peer.id)
        partition = partition_of(conversation_id, self._partitions)
        target = Target(conversation_id, partition, peer.id, peer.username)
        _remember(self._pairs, (who.user_id, to), target, MAX_PAIRS)
        return target


def _remember(cache: dict[K, V], key: K, value: V, most: int) -> None:
    """Keep a value, and let go of the oldest where there are too many."""
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > most:
        del cache[next(iter(cache))]
