"""How fast a socket's frames are taken: over the rate they wait, far over it the socket is closed."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from services.gateway.domain import Rate, full_bucket, take
from shared.runtime.clock import monotonic

WINDOW_S: Final = 10.0
FLOOD: Final = 3
"""How many times the rate a client may send over a window before its socket is closed."""
MAX_BACKLOG_BYTES: Final = 1024 * 1024


class Intake:
    """One socket's frames, handed on at the rate and in the order in which they came.

    The backlog is bounded by the flood rule in frames and by 1 MiB, where `on_full` is called; `on_empty` follows.
    """

    __slots__ = (
        "_backlog", "_backlog_bytes", "_bucket", "_came", "_handle", "_is_full", "_on_empty", "_on_flood", "_on_full",
        "_rate", "_timer", "_window_from_s",
    )  # fmt: skip

    def __init__(
        self,
        rate: Rate,
        handle: Callable[[str], None],
        *,
        on_full: Callable[[], None],
        on_empty: Callable[[], None],
        on_flood: Callable[[], None],
    ) -> None:
        self._rate = rate
        self._handle = handle
        self._on_full = on_full
        self._on_empty = on_empty
        self._on_flood = on_flood
        self._window_from_s = monotonic()
        self._bucket = full_bucket(rate, self._window_from_s)
        self._came = 0
        self._backlog: deque[str] | None = None
        self._backlog_bytes = 0
        self._is_full = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_behind(self) -> bool:
        """Whether frames wait here: the client lives, however silent it seems."""
        return self._timer is not None

    def take(self, text: str) -> None:
        """Hand a frame on now, or when its turn comes."""
        now_s = monotonic()
        if now_s - self._window_from_s > WINDOW_S:
            self._window_from_s, self._came = now_s, 0
        self._came += 1
        if self._came > FLOOD * WINDOW_S * self._rate.per_s:
            self._on_flood()
            return
        if self._timer is None:
            self._bucket, wait = take(self._bucket, self._rate, now_s)
            if wait is None:
                self._handle(text)
                return
            self._backlog, self._backlog_bytes = deque(), 0
            self._timer = asyncio.get_running_loop().call_later(wait.total_seconds(), self._go_on)
        if self._backlog is not None:
            self._backlog.append(text)
            self._backlog_bytes += len(text)
            if self._backlog_bytes > MAX_BACKLOG_BYTES and not self._is_full:
                self._is_full = True
                self._on_full()

    def stop(self) -> None:
        """Forget what waits."""
        self._backlog = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        now_s = monotonic()
        while self._backlog:
            self._bucket, wait = take(self._bucket, self._rate, now_s)
            if wait is not None:
                self._timer = asyncio.get_running_loop().call_later(wait.total_seconds(), self._go_on)
                return
            text = self._backlog.popleft()
            self._backlog_bytes -= len(text)
            self._handle(text)
        self._timer = self._backlog = None
        if self._is_full:
            self._is_full = False
            self._on_empty()
