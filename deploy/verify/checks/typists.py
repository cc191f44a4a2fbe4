"""Typing: heard by the others of the conversation for a moment, and kept nowhere."""

import asyncio

from deploy.verify.check import Lane, equal, error, has, problem, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage
from deploy.verify.wire import Frame, Wire

LANE = Lane("typing")
SLOW = Lane("typing in time")
TTL_MS = 7000
EVERY_S = 3.0


async def types(wire: Wire, state: str = "start", **where: str) -> None:
    """Say that one types, or has stopped."""
    await wire.send({"type": "typing", "state": state} | where)


async def hears(wire: Wire, typist: Account, state: str = "start") -> Frame:
    """Wait until somebody is said to type, or to have stopped."""
    frame = await wire.expect("typing", timeout_s=3)
    has(frame, ("conversation_id", "user", "state", "ttl_ms"), "typing")
    equal((frame["user"], frame["state"]), (typist.username, state), "who types")
    return frame


async def hears_nothing(wire: Wire, for_s: float = 0.6) -> None:
    """Require that nobody is said to type for a while."""
    frames = [frame for frame in await wire.quiet(for_s) if frame["type"] in {"typing", "error"}]
    equal(frames, [], "what was heard")


@LANE.check("start and stop reach all devices of the other one, by username and by conversation")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    talk = (await stage.talk(ann, ben))["conversation_id"]
    async with stage.live(ann) as one, stage.live(ben) as two, stage.live(ben) as phone:
        await types(one, to=ben.username)
        await types(one, "stop", to=ben.username)
        await types(two, conversation_id=talk)
        await types(two, "stop", conversation_id=talk)
        for wire in (two, phone):
            for state in ("start", "stop"):
                frame = await hears(wire, ann, state)
                equal((frame["conversation_id"], frame["ttl_ms"]), (talk, TTL_MS), "the frame")
        for state in ("start", "stop"):
            equal((await hears(one, ben, state))["conversation_id"], talk, "the conversation")
        await hears_nothing(one)


@LANE.check("nobody outside hears it, and nobody outside is heard")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = stage.stranger
    talk = (await stage.talk(ann, ben))["conversation_id"]
    async with stage.live(ann) as one, stage.live(ben) as two, stage.live(eve) as stranger:
        await types(one, to=ben.username)
        await hears(two, ann)
        await hears_nothing(stranger)
        for state in ("start", "stop"):
            await types(stranger, state, conversation_id=talk)
            error(await stranger.expect("error"), "not_found", None)
        for wire in (one, two):
            await hears_nothing(wire)


@LANE.check("malformed typing is invalid, an unknown user not_found, and the socket goes on")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ann) as one, stage.live(ben) as two:
        for bad, code in (
            ({"state": "start"}, "invalid"),
            ({"to": ben.username}, "invalid"),
            ({"to": ben.username, "state": "pause"}, "invalid"),
            ({"to": 5, "state": "start"}, "invalid"),
            ({"to": ann.username, "state": "start"}, "invalid"),
            ({"to": "nobody_here", "state": "start"}, "not_found"),
            ({"conversation_id": "dnosuchconversation", "state": "start"}, "not_found"),
        ):
            await one.send({"type": "typing"} | bad)
            error(await one.expect("error"), code, None)
        await types(one, to=ben.username)
        await hears(two, ann)


@LANE.check("it is kept nowhere: not in the log, the history or the replay")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ann) as one, stage.live(ben) as two:
        await types(one, to=ben.username)
        await hears(two, ann)
        await types(one, "stop", to=ben.username)
        await hears(two, ann, "stop")
        ack = await stage.say(one, ben, "after typing")
        equal((ack["seq"], ack["rev"]), (2, 2), "the next message")
    async with stage.dial(ben) as tablet:
        _, replay, _ = await tablet.hello("tablet", cursors={ack["conversation_id"]: 0})
        kinds = {frame["type"] for frame in replay}
        that("typing" not in kinds, f"the replay brought {kinds}")
    page = (await stage.get(ben, f"/messages/history/{ann.username}/")).json()
    equal([message["seq"] for message in page["messages"]], [1, 2], "the history")


@LANE.check("who does not show typing is not heard")
async def _(stage: Stage) -> None:
    ann, shy = await stage.guest(), await stage.user("shy")
    await stage.talk(ann, shy)
    changed = await stage.patch(shy, "/api/v1/me", {"settings": {"typing": False}})
    equal(changed.status_code, 200, "the status of PATCH /me")
    async with stage.live(ann) as one, stage.live(shy) as two:
        await types(two, to=ann.username)
        await types(two, "stop", to=ann.username)
        await hears_nothing(one)
        changed = await stage.patch(shy, "/api/v1/me", {"settings": {"typing": True}})
        equal(changed.status_code, 200, "the status of PATCH /me")
        await asyncio.sleep(EVERY_S)
        await types(two, to=ann.username)
        await hears(one, shy)


@LANE.check("by HTTP it is heard the same, and a stranger gets 404")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = stage.stranger
    path = f"/api/v1/conversations/{(await stage.talk(ann, ben))['conversation_id']}/typing"
    async with stage.live(ben) as two:
        for state in ("start", "stop"):
            answer = await stage.post(ann, path, {"state": state})
            that(answer.is_success, f"{answer.status_code}: {answer.text}")
            await hears(two, ann, state)
        problem(await stage.post(eve, path, {"state": "start"}), 404, "not_found")
        for bad in ({"state": "pause"}, {}, {"state": None}, "start"):
            problem(await stage.post(ann, path, bad), 400, "invalid")
        await hears_nothing(two)


@SLOW.check("a start more than once in 3 s is dropped silently, a stop never", needs_limits=True)
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ann) as one, stage.live(ben) as two:
        await types(one, to=ben.username)
        await hears(two, ann)
        for _turn in range(3):
            await types(one, to=ben.username)
        for _turn in range(3):
            await types(one, "stop", to=ben.username)
        frames = [frame for frame in await two.quiet(1) if frame["type"] == "typing"]
        that(frames and {frame["state"] for frame in frames} == {"stop"}, f"within 3 s came {frames}")
        equal([frame for frame in await one.quiet(0.2) if frame["type"] == "error"], [], "what the typist was told")
        await asyncio.sleep(EVERY_S)
        await types(one, to=ben.username)
        await hears(two, ann)


@SLOW.check("without a stop it is over at ttl_ms: what is heard then is at most a stop")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    loop = asyncio.get_running_loop()
    async with stage.live(ann) as one, stage.live(ben) as two:
        await types(one, to=ben.username)
        begun = (await hears(two, ann), loop.time())[1]
        frames = [frame for frame in await two.quiet(TTL_MS / 1000 + 1.5) if frame["type"] == "typing"]
        that(all(frame["state"] == "stop" for frame in frames), f"after the start came {frames}")
        that(loop.time() - begun > TTL_MS / 1000, "it was not waited for long enough")


@SLOW.check("a socket that closes while its user types leaves nobody typing beyond ttl_ms")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ben) as two:
        async with stage.live(ann) as one:
            await types(one, to=ben.username)
            await hears(two, ann)
        frames = [frame for frame in await two.quiet(1.5) if frame["type"] == "typing"]
        that(all(frame["state"] == "stop" for frame in frames), f"after the close came {frames}")
