"""Two people talk while every container is killed, and while every one is restarted."""

import asyncio
from collections.abc import Callable

from tests.support.compose import SERVICES, STORES, Project, inspect
from tests.support.talk import talk


async def test_nothing_is_lost_while_every_container_is_killed(
    project: Project, figure: Callable[[str, object], None]
) -> None:
    async with talk(project.url) as heard:
        for service in (*SERVICES, *STORES):
            await asyncio.to_thread(project.kill, service)
            await asyncio.to_thread(project.wait_healthy, timeout_s=120)
            await heard.goes_on()
    restarts = {each["Name"]: each["RestartCount"] for each in inspect(*project.containers())}
    assert len(restarts) == len(SERVICES) + len(STORES)
    assert all(restarts.values()), restarts
    figure("each container killed", f"{heard.acked} messages, none for {heard.longest_s:.1f} s at most")


async def test_nothing_is_lost_while_every_container_is_restarted(
    project: Project, figure: Callable[[str, object], None]
) -> None:
    async with talk(project.url) as heard:
        for service in (*SERVICES, *STORES):
            await asyncio.to_thread(project.compose, "restart", service)
            await heard.goes_on()
    await asyncio.to_thread(project.wait_healthy, timeout_s=120)
    figure("each container restarted", f"{heard.acked} messages, none for {heard.longest_s:.1f} s at most")
