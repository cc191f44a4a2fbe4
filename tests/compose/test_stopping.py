"""An installation is stopped, and taken down, while two people talk: it ends in order, and knows all afterwards."""

import asyncio
import time
from collections.abc import Callable

from tests.support.compose import SERVICES, STORES, Project, inspect
from tests.support.talk import talk

GRACE_S = 20.0


async def test_what_was_said_is_there_after_a_stop_and_after_down_and_up(
    project: Project, figure: Callable[[str, object], None]
) -> None:
    async with talk(project.url) as heard:
        begun = time.monotonic()
        await asyncio.to_thread(project.stop)
        took_s = time.monotonic() - begun
        ended = inspect(*project.containers(*SERVICES, *STORES, every=True))
        codes = {each["Name"]: each["State"]["ExitCode"] for each in ended}
        assert len(codes) == len(SERVICES) + len(STORES)
        assert set(codes.values()) == {0}, codes
        assert took_s < GRACE_S
        figure("stopped while two people talk", f"{took_s:.1f} s")
        await asyncio.to_thread(project.up)
        await heard.goes_on()
        await asyncio.to_thread(project.down)
        assert not await asyncio.to_thread(project.containers, every=True)
        figure("all healthy again, with data", f"{await asyncio.to_thread(project.up):.1f} s")
        await heard.goes_on()
