"""How long polls watch: what one was answered is remembered until the next, so that nothing is missed between them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from services.gateway.domain import Principal
from services.gateway.fanout.watcher import Shown, Watcher
from services.gateway.fanout.watching import Watching
from shared.contracts.ids import Username
from shared.runtime.clock import monotonic
from shared.runtime.metrics import Metrics
from shared.runtime.tasks import beside

KEPT_S: Final = 35.0
MAX_KEPT: Final = 10_000
"""Sign-ins between two polls; the one whose last poll is the longest ago is forgotten where there are more."""
SCAN_S: Final = 1.0


def _ignore() -> None:
    """Wake nobody: there is no poll."""


class Ear:
    """Watches some users for one client: what differs from the last it was answered, or once `began`, is news."""

    __slots__ = ("_is_complete", "_known", "_on_news", "_shown", "usernames", "watcher")

    def __init__(self, usernames: Collection[Username], open_: Callable[["Ear"], Watcher]) -> None:
        self.usernames = frozenset(usernames)
        self.watcher = open_(self)
        self._shown: dict[Username, Shown] = {}
        self._known: dict[Username, Shown] | None = None
        self._is_complete = asyncio.Event()
        if not self.usernames:
            self._is_complete.set()
        self._on_news = _ignore

    def tell(self, username: Username, shown: Shown) -> bool:
        """Take how somebody is now."""
        self._shown[username] = shown
        if len(self._shown) == len(self.usernames):
            self._is_complete.set()
        if self._known is not None and self._known.get(username) != shown:
            self._on_news()
        return True

    async def begin(self, on_news: Callable[[], None]) -> None:
        """Wait until it is known how everybody is, and be woken by news from then on."""
        await self._is_complete.wait()
        if self._known is None:
            self._known = dict(self._shown)
        self._on_news = on_news

    def end(self) -> None:
        """Wake nobody any more."""
        self._on_news = _ignore

    @property
    def has_news(self) -> bool:
        """Whether somebody is not as the client knows it."""
        return self._shown != self._known

    def answer(self, usernames: Collection[Username]) -> list[tuple[Username, Shown]]:
        """Tell how everybody is, in the order of the question; the client knows that then."""
        self._known = dict(self._shown)
        return [(username, self._shown[username]) for username in usernames]


class _Kept(NamedTuple):
    ear: Ear
    until_s: float


class Ears:
    """The ears of polls; made by `running`. Each sign-in has one that is kept for its next poll."""

    def __init__(self, watching: Watching, metrics: Metrics) -> None:
        self._watching = watching
        self._kept: dict[str, _Kept] = {}  # the next to go first
        metrics.bounded(
            "ears_kept",
            "Watches of long polls that are kept for the next poll.",
            limit=MAX_KEPT,
            now=lambda: len(self._kept),
            kind="cache",
        )
        self._forgotten = metrics.counter("ears_forgotten", "Watches of long polls given up because of too many.")

    @asynccontextmanager
    async def listening(
        self, who: Principal, usernames: Collection[Username], on_news: Callable[[], None] = _ignore
    ) -> AsyncIterator[Ear]:
        """Watch for a poll; when the block begins it is known how everybody is, at worst after 2 s.

        Raises:
            Refusal: `unavailable`, where too many are watched here.
        """
        ear = self._take(who.sign_in_id, frozenset(usernames))
        if ear is None:
            ear = Ear(usernames, lambda ear: self._watching.open(who.user_id, ear.tell))
        is_over = True
        try:
            self._watching.watch(ear.watcher, usernames)
            await ear.begin(on_news)
            yield ear
            is_over = not usernames
        finally:
            ear.end()
            if is_over:
                self._watching.close(ear.watcher)
            else:
                self._keep(who.sign_in_id, ear)

    async def tend(self) -> None:
        """Let go of those for whom no poll came, until cancelled."""
        while True:
            await asyncio.sleep(SCAN_S)
            now_s = monotonic()
            while self._kept:
                sign_in_id, kept = next(iter(self._kept.items()))
                if kept.until_s > now_s:
                    break
                self._forget(sign_in_id)

    def _take(self, sign_in_id: str, usernames: frozenset[Username]) -> Ear | None:
        kept = self._kept.get(sign_in_id)
        if kept is None or kept.ear.usernames != usernames:
            return None
        del self._kept[sign_in_id]
        return kept.ear

    def _keep(self, sign_in_id: str, ear: Ear) -> None:
        self._forget(sign_in_id)
        self._kept[sign_in_id] = _Kept(ear, monotonic() + KEPT_S)
        if len(self._kept) > MAX_KEPT:
            self._forgotten.inc()
            self._forget(next(iter(self._kept)))

    def _forget(self, sign_in_id: str) -> None:
        kept = self._kept.pop(sign_in_id, None)
        if kept is not None:
            self._watching.close(kept.ear.watcher)


@asynccontextmanager
async def running(watching: Watching, metrics: Metrics) -> AsyncIterator[Ears]:
    """Look after the ears until the block ends."""
    ears = Ears(watching, metrics)
    async with beside(ears.tend()):
        yield ears
