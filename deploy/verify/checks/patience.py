"""What takes its time: silence, floods, a client that never says hello. A lane for each."""

import asyncio
import itertools
from contextlib import suppress

from deploy.verify.check import Lane, equal, that
from deploy.verify.stage import Stage
from deploy.verify.wire import Closed

NO_HELLO = Lane("patience")
SILENCE = Lane("heartbeat")
FLOOD = Lane("flood")


@NO_HELLO.check("no hello in 10 s closes 4401")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    begun = asyncio.get_running_loop().time()
    async with stage.dial(ann) as wire:
        closed = await wire.closing(13)
    waited = asyncio.get_running_loop().time() - begun
    equal(closed.code, 4401, "the close code")
    that(waited > 8, f"it was closed after {waited:.1f} s")


@SILENCE.check("ping is answered with pong and its n")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.live(ann) as wire:
        for number in (0, 1, 2**31):
            await wire.send({"type": "ping", "n": number})
            equal((await wire.expect("pong"))["n"], number, "n")


@SILENCE.check("20 s of silence bring a ping, no answer to it 4408, any frame keeps it open", timeout_s=45)
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    loop = asyncio.get_running_loop()
    async with stage.live(ann) as mute, stage.live(ann) as alive:
        begun = loop.time()
        await mute.expect("ping", timeout_s=23.5)
        waited = loop.time() - begun
        that(waited > 17.5, f"the ping came after {waited:.1f} s")
        await alive.expect("ping")
        await alive.send({"type": "ping", "n": 5})
        closed = await mute.closing(12)
        equal(closed.code, 4408, "the close code of the silent socket")
        await alive.send({"type": "ping", "n": 6})
        await alive.expect("pong", lambda frame: frame["n"] == 6)


@FLOOD.check(
    "over three times the frame rate for 10 s closes 4429; others do not notice", timeout_s=40, needs_limits=True
)
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.guest()
    async with stage.live(ann) as flooder, stage.live(ben) as other:

        async def flood() -> None:
            with suppress(Closed):
                for number in itertools.count():
                    await flooder.send({"type": "ping", "n": number})
                    if number % 20 == 0:
                        await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(flooder.closing(30))
            flooding = tasks.create_task(flood())
            await other.send({"type": "ping", "n": 1})
            await other.expect("pong", timeout_s=2)
            closed = await draining
            flooding.cancel()
        equal(closed.code, 4429, "the close code")
        await other.send({"type": "ping", "n": 2})
        await other.expect("pong", lambda frame: frame["n"] == 2)
    async with stage.live(ann) as again:
        await again.send({"type": "ping", "n": 1})
        await again.expect("pong")


@FLOOD.check("a short burst of frames is only slowed down", needs_limits=True)
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.live(ann) as wire:
        for number in range(90):
            await wire.send({"type": "ping", "n": number})
        answers = [(await wire.expect("pong", timeout_s=10))["n"] for _ in range(90)]
        equal(answers, list(range(90)), "the pongs")
