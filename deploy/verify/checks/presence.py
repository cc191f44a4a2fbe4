"""Who is there: watched over the socket, told to those who share a conversation, and to nobody else."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from deploy.verify.check import Lane, equal, error, has, status, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage
from deploy.verify.wire import Frame, Wire

LANE = Lane("presence")
DEAD = Lane("half-dead presence")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# A clean close of the last device shows within 2 s; the rest is this machine's.
CLOSED_S = 2.0
CALM_S = 2.5


async def watch(wire: Wire, *accounts: Account) -> list[Frame]:
    """Watch users, and return the state of each that is told at once."""
    names = [account.username for account in accounts]
    await wire.send({"type": "user_status", "watch": names})
    frames = [await wire.expect("user_status", lambda frame: frame["user"] in names) for _ in names]
    equal(sorted(frame["user"] for frame in frames), sorted(names), "who was told about")
    return sorted(frames, key=lambda frame: names.index(frame["user"]))


async def becomes(wire: Wire, account: Account, want: str, within_s: float = 5.0) -> Frame:
    """Wait for the next word about a user, which must be `want`."""
    frame = await wire.expect("user_status", lambda frame: frame["user"] == account.username, timeout_s=within_s)
    equal(frame["status"], want, f"the status of {account.username}")
    return frame


async def quiet_about(wire: Wire, account: Account, for_s: float = 1.0) -> None:
    """Require that nothing is told about a user for a while."""
    frames = await wire.quiet(for_s)
    heard = [frame for frame in frames if frame["type"] == "user_status" and frame["user"] == account.username]
    equal(heard, [], f"what was told about {account.username}")


@asynccontextmanager
async def watched(stage: Stage) -> AsyncIterator[tuple[Account, Wire, Account]]:
    """Two who know each other: the first is live and watches the second, who is offline."""
    ann, ben = await stage.friends()
    async with stage.live(ann) as wire:
        state = (await watch(wire, ben))[0]
        equal(state["status"], "offline", "the status of who is not connected")
        yield ann, wire, ben


@LANE.check("a watch tells the present state, then each change; online, and offline again")
async def _(stage: Stage) -> None:
    async with watched(stage) as (_, one, ben):
        async with stage.live(ben):
            online = await becomes(one, ben, "online")
            that("last_seen" not in online, f"online with last_seen: {online}")
        await becomes(one, ben, "offline", CLOSED_S)
        async with stage.live(ben):
            await becomes(one, ben, "online")
    ann, cas = await stage.friends()
    async with stage.live(cas), stage.live(ann) as one:
        equal((await watch(one, cas))[0]["status"], "online", "the status of who is there already")


@LANE.check("offline comes within 2 s of a clean close, with last_seen")
async def _(stage: Stage) -> None:
    async with watched(stage) as (_, one, ben):
        async with stage.dial(ben) as two:
            welcome, _, _ = await two.hello("phone")
            await becomes(one, ben, "online")
        gone = await becomes(one, ben, "offline", CLOSED_S)
        that(TIME.fullmatch(gone.get("last_seen", "")), f"last_seen is {gone.get('last_seen')}")
        since = datetime.fromisoformat(gone["last_seen"]) - datetime.fromisoformat(welcome["server_time"])
        that(timedelta(seconds=-2) < since < timedelta(seconds=15), f"last_seen lies {since} after the welcome")


@LANE.check("several devices are one user: offline when the last one closes")
async def _(stage: Stage) -> None:
    async with watched(stage) as (_, one, ben):
        async with stage.live(ben):
            await becomes(one, ben, "online")
            async with stage.live(ben):
                await asyncio.sleep(0.3)
            await quiet_about(one, ben, CALM_S)
        await becomes(one, ben, "offline", CLOSED_S)


@LANE.check("away, dnd and invisible are chosen for all devices; invisible shows as offline")
async def _(stage: Stage) -> None:
    ann, mood = await stage.guest(), await stage.user("mood")
    await stage.talk(ann, mood)
    async with stage.live(ann) as one, stage.live(mood) as two, stage.live(mood) as phone:
        equal((await watch(one, mood))[0]["status"], "online", "the status at first")
        for wire, chosen, shown in (
            (two, "away", "away"),
            (phone, "dnd", "dnd"),
            (two, "invisible", "offline"),
            (phone, "online", "online"),
        ):
            await wire.send({"type": "user_status", "status": chosen})
            await becomes(one, mood, shown)
        await two.send({"type": "user_status", "status": "away"})
        await becomes(one, mood, "away")
    await asyncio.sleep(CLOSED_S)
    async with stage.live(ann) as one:
        equal((await watch(one, mood))[0]["status"], "offline", "the status of who chose away and left")
        async with stage.live(mood) as two:
            await becomes(one, mood, "away")
            await two.send({"type": "user_status", "status": "invisible"})
            await becomes(one, mood, "offline")
        await quiet_about(one, mood)
    await _comes_unseen(stage, ann, mood)


async def _comes_unseen(stage: Stage, ann: Account, mood: Account) -> None:
    async with stage.live(ann) as one:
        await watch(one, mood)
        async with stage.live(mood):
            await quiet_about(one, mood, 1.5)
        await quiet_about(one, mood, 1.5)


@LANE.check("strangers and unknown users are offline, without last_seen")
async def _(stage: Stage) -> None:
    ann, eve = await stage.guest(), stage.stranger
    async with stage.live(eve) as stranger, stage.live(ann) as one:
        state = (await watch(stranger, ann))[0]
        equal((state["status"], "last_seen" in state), ("offline", False), "what a stranger sees")
        await stranger.send({"type": "user_status", "watch": ["nobody_here"]})
        state = await stranger.expect("user_status")
        equal((state["user"], state["status"]), ("nobody_here", "offline"), "an unknown user")
        that("last_seen" not in state, "an unknown user was seen")
        await one.send({"type": "user_status", "status": "dnd"})
        await quiet_about(stranger, ann)
        await one.send({"type": "user_status", "status": "online"})
    async with stage.live(eve) as stranger:
        state = (await watch(stranger, ann))[0]
        that("last_seen" not in state, "a stranger saw when somebody was there")


@LANE.check("who does not show last_seen is offline without it")
async def _(stage: Stage) -> None:
    ann, shy = await stage.guest(), await stage.user("mood")
    await stage.talk(ann, shy)
    that((await stage.put(shy, "/api/v1/me/presence", {"status": "online"})).is_success, "online was not taken")
    status(await stage.patch(shy, "/api/v1/me", {"settings": {"last_seen": False}}), 200)
    async with stage.live(ann) as one:
        that("last_seen" not in (await watch(one, shy))[0], "last_seen before")
        async with stage.live(shy):
            await becomes(one, shy, "online")
        that("last_seen" not in await becomes(one, shy, "offline", CLOSED_S), "last_seen after")
        answer = await stage.get(ann, f"/api/v1/users/{shy.username}/presence")
        that(answer.json().get("last_seen") is None, f"last_seen by HTTP: {answer.text}")
        status(await stage.patch(shy, "/api/v1/me", {"settings": {"last_seen": True}}), 200)
        async with stage.live(shy):
            # Before that it may be told again how long ago it was.
            await one.expect("user_status", lambda frame: frame["status"] == "online")
        that("last_seen" in await becomes(one, shy, "offline", CLOSED_S), "no last_seen when shown again")


@LANE.check("after unwatch nothing more is told")
async def _(stage: Stage) -> None:
    async with watched(stage) as (_, one, ben):
        async with stage.live(ben):
            await becomes(one, ben, "online")
            await one.send({"type": "user_status", "unwatch": [ben.username]})
            await asyncio.sleep(0.3)
        await quiet_about(one, ben, CALM_S)
        equal((await watch(one, ben))[0]["status"], "offline", "the status when watched again")


@LANE.check("a malformed user_status is invalid, and the socket goes on")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.live(ann) as one:
        for bad in (
            {"status": "busy"},
            {"status": 5},
            {"status": "offline"},
            {"watch": "ben"},
            {"watch": [5]},
            {"watch": [f"user{number}" for number in range(201)]},
            {"unwatch": {"a": 1}},
        ):
            await one.send({"type": "user_status", **bad})
            error(await one.expect("error"), "invalid", None)
        await one.send({"type": "user_status", "watch": [f"nobody_{number}" for number in range(200)]})
        for _turn in range(200):
            has(await one.expect("user_status"), ("user", "status"), "a state")


@LANE.check("by HTTP: a friend's presence with last_seen, a stranger's without")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    eve = stage.stranger
    path = f"/api/v1/users/{ben.username}/presence"
    async with stage.live(ann) as one, stage.live(ben) as two:
        await watch(one, ben)
        answer = await stage.get(ann, path)
        status(answer, 200)
        equal(answer.json()["status"], "online", "the status of a friend")
        equal((await stage.get(eve, path)).json()["status"], "offline", "the status for a stranger")
        chosen = await stage.put(ben, "/api/v1/me/presence", {"status": "dnd"})
        that(chosen.is_success, f"{chosen.status_code}: {chosen.text}")
        await becomes(one, ben, "dnd")
        equal((await stage.get(ann, path)).json()["status"], "dnd", "the chosen status")
        await two.send({"type": "user_status", "status": "online"})
        await becomes(one, ben, "online")
    await asyncio.sleep(CLOSED_S)
    answer = (await stage.get(ann, path)).json()
    equal(answer["status"], "offline", "the status after the close")
    that(TIME.fullmatch(answer.get("last_seen") or ""), f"last_seen is {answer.get('last_seen')}")
    that((await stage.get(eve, path)).json().get("last_seen") is None, "a stranger saw last_seen")
    for bad in ({"status": "busy"}, {"status": None}, {}, [1]):
        refused = await stage.put(ben, "/api/v1/me/presence", bad)
        equal(refused.status_code, 400, f"the status for {bad}")


@DEAD.check("who shows no life is offline within 35 s", timeout_s=50)
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ann) as one, stage.live(ben) as mute:
        if (await watch(one, ben))[0]["status"] != "online":  # presence hears of a hello a moment after it was answered
            await becomes(one, ben, "online")
        begun = asyncio.get_running_loop().time()
        while (left := begun + 35 - asyncio.get_running_loop().time()) > 0:
            frame = await one.receive(left)
            if frame["type"] == "ping":
                await one.send({"type": "pong", "n": frame["n"]})
            elif frame["type"] == "user_status":
                equal(frame["status"], "offline", "the status of who shows no life")
                break
        that(left > 0, "still online after 35 s")
        equal((await mute.closing()).code, 4408, "the close code of the silent socket")
