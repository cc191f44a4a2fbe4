"""Work of one socket that must keep its order: at once while nothing has to be waited for, else one by one."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

Work = Callable[[], Coroutine[Any, Any, None]]
"""Something that takes its time; it must not raise."""
Job = Callable[[], Work | None]
"""Something done at once, up to the work that is left, if any; it must not raise."""

FULL: Final = 64


class Lane:
    """Runs jobs in their order; a task exists only while one of them waits for something.

    `on_full` is called when 64 wait, `on_empty` when none does any more after that: bound what comes in meanwhile.
    """

    __slots__ = ("_is_full", "_on_empty", "_on_full", "_task", "_tasks", "_waiting")

    def __init__(self, tasks: asyncio.TaskGroup, on_full: Callable[[], None], on_empty: Callable[[], None]) -> None:
        self._tasks = tasks
        self._on_full = on_full
        self._on_empty = on_empty
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Job] | None = None
        self._is_full = False

    @property
    def is_free(self) -> bool:
        """Whether a job would be done at once."""
        return self._task is None

    def begin(self, work: Work) -> None:
        """Start the work that is left of a job, on a free lane."""
        self._task = self._tasks.create_task(self._run(work))

    def put(self, job: Job) -> None:
        """Do a job after those before it."""
        if self._task is None:
            work = job()
            if work is not None:
                self.begin(work)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(job)
        if len(self._waiting) >= FULL and not self._is_full:
            self._is_full = True
            self._on_full()

    def stop(self) -> None:
        """Give up what waits and what runs."""
        self._waiting = None
        if self._task is not None:
            self._task.cancel()

    async def _run(self, work: Work | None) -> None:
        try:
            while True:
                if work is not None:
                    await work()
                if not self._waiting:
                    break
                work = self._waiting.popleft()()
        finally:
            self._task = None
            self._waiting = None
        if self._is_full:
            self._is_full = False
            self._on_empty()
