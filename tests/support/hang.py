"""Where a test that took too long was waiting: the stacks of its asyncio tasks."""

import asyncio
import gc
import io
from typing import Any


def stacks() -> str:
    """Write down where each task waits, whichever loop is its own."""
    out = io.StringIO()
    for task in _tasks():
        task.print_stack(file=out)
    return out.getvalue()


def _tasks() -> list["asyncio.Task[Any]"]:
    return [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and not found.done()]
