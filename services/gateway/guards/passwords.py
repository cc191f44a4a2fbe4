"""Passwords are hashed in a few threads with a bounded queue: signing in must not starve everything else."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

import argon2

from shared.contracts.errors import Code, Refusal
from shared.runtime.metrics import Metrics

T = TypeVar("T")

_BUSY_MS: Final = 2_000


class Verdict(NamedTuple):
    """Whether a password fits, and whether its hash should be made anew with today's parameters."""

    is_right: bool
    is_outdated: bool = False


class Passwords:
    """argon2id in a pool of its own; `async with` it. argon2 lets go of the GIL while it works.

    `threads` at a time, `waiting` more in the queue; whoever comes then is refused with `unavailable`.
    """

    def __init__(self, *, threads: int, waiting: int, time_cost: int, memory_kib: int) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._room = threads + waiting
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._asked = 0
        self._on_full: Callable[[], None] = _ignore
        # What the password of an unknown user is checked against: same work, same time.
        self._nobodys = self._hasher.hash("the password of nobody")

    async def __aenter__(self) -> Self:
        """Do nothing: threads start when they are needed."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Let the running hashes end and drop the waiting ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def watch(self, metrics: Metrics) -> None:
        """Make the metrics of the queue."""
        metrics.bounded(
            "passwords_hashing",
            "Passwords being hashed or waiting for it.",
            limit=self._room,
            now=lambda: self._asked,
        )
        self._on_full = metrics.sheds("passwords_hashing").inc

    async def hash(self, password: str) -> str:
        """Hash a new password, salted, in PHC form.

        Raises:
            Refusal: `unavailable`, when too many wait.
        """
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password_hash: str, password: str) -> Verdict:
        """Check a password; "" as its hash (no such user, or one without a password) is wrong and takes as long.

        Raises:
            Refusal: `unavailable`, when too many wait.
        """

        def check() -> Verdict:
            try:
                self._hasher.verify(password_hash or self._nobodys, _normal(password))
            except argon2.exceptions.VerificationError:
                return Verdict(is_right=False)
            is_outdated = self._hasher.check_needs_rehash(password_hash or self._nobodys)
            return Verdict(is_right=bool(password_hash), is_outdated=is_outdated)

        return await self._run(check)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._asked >= self._room:
            self._on_full()
            raise Refusal(Code.UNAVAILABLE, "Too many people are signing in right now. Try again.", _BUSY_MS)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._asked -= 1


def _ignore() -> None:
    pass


def _normal(password: str) -> str:
    """Write the same password the same way, whatever keyboard it came from (NFC, RFC 8265)."""
    return unicodedata.normalize("NFC", password)
