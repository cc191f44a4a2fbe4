"""Who may see how somebody is: whoever shares a conversation, with no block between; asked of history, remembered."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from shared.broker.connection import Connection
from shared.broker.rpc import ask
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import UserId
from shared.contracts.queries import Acquainted, FindAcquainted
from shared.contracts.subjects import ACQUAINTED
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics

MAX_PAIRS: Final = 100_000
ALLOWED_S: Final = 60.0
REFUSED_S: Final = 5.0
"""A conversation may come into being at any moment."""
MAX_ASKED: Final = 500
ASK_S: Final = 2.0
AWAY_S: Final = 1.0
"""How long history is left alone after it did not answer."""

_Pair = tuple[UserId, UserId]


@dataclass(frozen=True, slots=True)
class _Right:
    is_allowed: bool
    until_s: float


@dataclass(eq=False, slots=True)
class _Question:
    """What is being asked; what is forgotten meanwhile is not remembered from its answer."""

    user_id: UserId
    others: set[UserId]


class Acquaintances:
    """Answers by pair, the oldest let go where there are too many; `forget` what changed."""

    def __init__(self, connection: Connection, metrics: Metrics) -> None:
        self._connection = connection
        self._rights: dict[_Pair, _Right] = {}
        self._questions: set[_Question] = set()
        self._away_until_s = 0.0
        metrics.bounded(
            "acquaintances",
            "Pairs of users of whom is remembered whether one may watch the other.",
            limit=MAX_PAIRS,
            now=lambda: len(self._rights),
            kind="cache",
        )

    async def among(self, user_id: UserId, others: Collection[UserId]) -> set[UserId]:
        """Tell whom of some users a user may watch; everybody may watch oneself.

        Raises:
            Refusal: `unavailable`.
        """
        now_s = monotonic()
        allowed: set[UserId] = set()
        unknown: list[UserId] = []
        for other in others:
            right = self._rights.get((user_id, other))
            if other == user_id:
                allowed.add(other)
            elif right is None or right.until_s < now_s:
                unknown.append(other)
            elif right.is_allowed:
                allowed.add(other)
        for start in range(0, len(unknown), MAX_ASKED):
            allowed |= await self._ask(user_id, unknown[start : start + MAX_ASKED])
        return allowed

    def forget(self, user_ids: Collection[UserId]) -> None:
        """Drop what is remembered of these users among each other, because it changed."""
        concerned = frozenset(user_ids)
        if len(concerned) ** 2 < len(self._rights):
            for pair in permutations(concerned, 2):
                self._rights.pop(pair, None)
        else:
            for pair in [pair for pair in self._rights if concerned.issuperset(pair)]:
                del self._rights[pair]
        for question in self._questions:
            if question.user_id in concerned:
                question.others -= concerned

    def forget_all(self) -> None:
        """Drop everything: what changed may not have been heard."""
        self._rights.clear()
        for question in self._questions:
            question.others.clear()

    async def _ask(self, user_id: UserId, others: list[UserId]) -> set[UserId]:
        if monotonic() < self._away_until_s:
            raise Refusal(Code.UNAVAILABLE, "It is not known right now whom you may watch. Try again.", 1000)
        question = _Question(user_id, set(others))
        self._questions.add(question)
        try:
            asked = FindAcquainted(user_id, others)
            found = set((await ask(self._connection, ACQUAINTED, asked, Acquainted, ASK_S)).user_ids)
        except Refusal:
            self._away_until_s = monotonic() + AWAY_S
            raise
        finally:
            self._questions.discard(question)
        now_s = monotonic()
        for other in question.others:
            self._rights.pop((user_id, other), None)
            is_allowed = other in found
            self._rights[user_id, other] = _Right(is_allowed, now_s + (ALLOWED_S if is_allowed else REFUSED_S))
        while len(self._rights) > MAX_PAIRS:
            del self._rights[next(iter(self._rights))]
        return found.intersection(others)
