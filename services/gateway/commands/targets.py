"""Where a request goes: usernames and conversation ids looked up once, and remembered within bounds."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from services.gateway.domain import Principal, User, fold_username
from services.gateway.protocol.inbound import SendRequest
from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, UserId, Username, direct_conversation_id, partition_of
from shared.contracts.queries import GetMembers, Members
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


class Target(NamedTuple):
    """A conversation, its partition of the log, and the other member where it is direct ("" where it is not)."""

    conversation_id: ConversationId
    partition: int
    peer_id: UserId = UserId("")
    peer: Username = Username("")


class Circle(NamedTuple):
    """Who is, and who was, in a conversation; good until `until_s` (monotonic)."""

    until_s: float
    is_direct: bool
    present: dict[UserId, Username]
    left: frozenset[UserId]


class Targets:
    """Finds the conversation that a request speaks of, and refuses whoever has no business there.

    These checks spare the log what would be refused; delivery's are the ones that count. So where history can't
    be asked, a request about a conversation passes unchecked.
    """

    def __init__(self, connection: Connection, find_user: FindUser, partitions: int) -> None:
        self._connection = connection
        self._find_user = find_user
        self._partitions = partitions
        self._pairs: dict[tuple[UserId, str], Target] = {}
        self._circles: dict[ConversationId, Circle] = {}
        self._away_until_s = 0.0

    @property
    def remembered(self) -> int:
        """How many conversations and pairs are remembered."""
        return len(self._pairs) + len(self._circles)

    def known(self, who: Principal, request: SendRequest) -> Target | None:
        """Find where a message goes without asking anybody; None where somebody must be asked (`find`).

        Raises:
            Refusal: `not_found` or `not_member`.
        """
        if request.to is not None:
            return self._pairs.get((who.user_id, request.to))
        if request.conversation_id is not None:
            return self.known_member(who.user_id, request.conversation_id)
        return None

    async def find(self, who: Principal, request: SendRequest) -> Target:
        """Find where a message goes.

        Raises:
            Refusal: `not_found`, `not_member`, `invalid` (to oneself, or no username), `unavailable`.
        """
        if request.conversation_id is not None:
            return await self.find_member(who.user_id, request.conversation_id)
        return await self._find_peer(who, request.to or "")

    def known_member(self, user_id: UserId, conversation_id: ConversationId) -> Target | None:
        """Let a member into a conversation without asking anybody; None where somebody must be asked.

        Raises:
            Refusal: `not_found` to strangers, `not_member` to former members.
        """
        circle = self._circles.get(conversation_id)
        if circle is None or circle.until_s < monotonic():
            return None
        return self._admit(user_id, conversation_id, circle)

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
        now = monotonic()
        circle = self._circles.get(conversation_id)
        if circle is not None and circle.until_s >= now:
            return circle  # another request has asked meanwhile
        if now < self._away_until_s:
            return circle
        try:
            members = await ask(
                self._connection, subjects.MEMBERS, GetMembers(conversation_id), Members, timeout_s=LOOKUP_S
            )
        except Refusal as refusal:
            if refusal.code is not Code.UNAVAILABLE:
                raise
            self._away_until_s = monotonic() + AWAY_S
            return circle
        circle = Circle(
            monotonic() + CONVERSATION_LIFE_S,
            members.kind == "direct",
            {member.user_id: member.username for member in members.members if not member.left},
            frozenset(member.user_id for member in members.members if member.left),
        )
        if members.kind:  # one that does not exist may come into being at any moment
            _remember(self._circles, conversation_id, circle, MAX_CONVERSATIONS)
        return circle

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
