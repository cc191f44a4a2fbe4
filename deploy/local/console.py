"""One terminal for all programs: whole lines, each with its program's name, never a brake on them."""

import os
import queue
import sys
import threading
from collections.abc import Iterable

_COLOURS = (36, 32, 33, 35, 34, 31)
_CAPACITY = 10_000
_WIDTH = 8


class Console:
    """Writes lines from a thread of its own, so that a reader who is slow or gone stops nobody.

    The queue is bounded: what finds it full is dropped, and the number of lines is told.
    """

    def __init__(self, names: Iterable[str], *, is_colourful: bool) -> None:
        self._colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
        self._is_colourful = is_colourful
        self._lines: queue.Queue[str | None] = queue.Queue(_CAPACITY)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._writer.start()

    def say(self, name: str, line: str) -> None:
        """Write one line of a program."""
        label = f"{name:<{_WIDTH}} │"
        if self._is_colourful and name in self._colours:
            label = f"\033[{self._colours[name]}m{label}\033[0m"
        try:
            self._lines.put_nowait(f"{label} {line}\n")
        except queue.Full:
            self._dropped += 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is left, as far as somebody reads it."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._writer.join(timeout_s)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = f"{'parley':<{_WIDTH}} │ {dropped} lines were dropped: nobody read them\n{line}"
            try:
                sys.stdout.write(line)
                if self._lines.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):  # the reader is gone for good
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for the process' life
