"""More containers of each service, and an update of one service after the other, while two people talk."""

import asyncio
from collections.abc import Callable

from tests.support.compose import IMAGE, SERVICES, Project, docker, inspect
from tests.support.talk import talk

MANY = {"gateway": 3, "delivery": 2, "history": 2, "presence": 2}


async def test_people_at_several_gateways_talk_while_one_container_of_each_service_is_gone(project: Project) -> None:
    alone = project.settings
    ports = f"{project.first_port}-{project.first_port + MANY['gateway'] - 1}"
    project.settings = {**alone, "PARLEY_PORT": ports, "PARLEY_PUBLIC_URL": f"http://127.0.0.1:{project.first_port}"}
    try:
        await asyncio.to_thread(project.up, scale=MANY)
        assert {name: len(project.containers(name)) for name in MANY} == MANY
        urls = [f"http://127.0.0.1:{project.port(index=number)}" for number in (1, MANY["gateway"])]
        assert len(set(urls)) == len(urls)
        async with talk(*urls) as heard:
            await heard.goes_on()
            for service in ("delivery", "history", "presence"):
                first, _ = sorted(each["Name"] for each in inspect(*project.containers(service)))
                await asyncio.to_thread(docker, "stop", first.removeprefix("/"))
                await heard.goes_on()
    finally:
        project.settings = alone
        await asyncio.to_thread(project.up, scale=dict.fromkeys(MANY, 1))


async def test_nothing_is_lost_while_one_service_after_the_other_is_updated(
    project: Project, figure: Callable[[str, object], None]
) -> None:
    for service in (*SERVICES, "cli"):
        docker("tag", f"{IMAGE}-{service}:{project.version}", f"{IMAGE}-{service}:next")
    project.version = "next"
    async with talk(project.url) as heard:
        await asyncio.to_thread(project.compose, "run", "--rm", "--no-TTY", "migrate")
        for service in ("delivery", "history", "presence", "gateway"):
            await asyncio.to_thread(project.up, service, options=("--no-deps",))
            await heard.goes_on()
    images = {each["Config"]["Image"] for each in inspect(*project.containers(*SERVICES))}
    assert images == {f"{IMAGE}-{service}:next" for service in SERVICES}
    figure("updated one after the other", f"{heard.acked} messages, none for {heard.longest_s:.1f} s at most")
