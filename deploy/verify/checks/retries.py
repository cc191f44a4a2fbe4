"""Messages to who is away: tried again where the sender can see it, and closed by delivery alone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Frame, Wire

# Each waits for a first attempt, 10 s after a message was stored: they run side by side.
LANE = Lane("retries")
CLOSED = Lane("retries closed")
AGAIN = Lane("retries again")
HALF_DEAD = Lane("retries half-dead")
PARKED = Lane("retries parked")
FIRST_S = 16.0
RETRYING = (
    *("message_id", "conversation_id", "status", "at", "user"),
    *("up_to_seq", "retry_count", "max_retries", "next_retry_at"),
)
ITEM = ("message_id", "conversation_id", "to", "seq", "status", "retry_count", "max_retries", "next_retry_at")
TIMELINE = ("message_id", "conversation_id", "seq", "accepted_at", "stored_at", "recipients")
RECIPIENT = ("user", "status", "attempts", "retry_count", "max_retries", "next_retry_at", "delivered_at", "read_at")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def queue(stage: Stage, account: Account, to: Account) -> list[dict[str, Any]]:
    """Return what of a user's queue waits for somebody."""
    response = await stage.get(account, "/api/v1/queue", page_size=200)
    status(response, 200)
    has(response.json(), ("items", "next", "prev"), "the queue")
    items: list[dict[str, Any]] = response.json()["items"]
    for item in items:
        has(item, ITEM, "an item")
    return [item for item in items if item["to"] == to.username]


async def recipient(stage: Stage, account: Account, message_id: str) -> tuple[Frame, Frame]:
    """Return a message's timeline, and its only recipient's part of it."""
    response = await stage.get(account, f"/api/v1/messages/{message_id}/timeline")
    status(response, 200)
    timeline: Frame = response.json()
    has(timeline, TIMELINE, "the timeline")
    equal(len(timeline["recipients"]), 1, "the number of recipients")
    has(timeline["recipients"][0], RECIPIENT, "a recipient")
    return timeline, timeline["recipients"][0]


async def attempt(wire: Wire, to: Account, within_s: float = FIRST_S) -> Frame:
    """Wait until the sender is told of the next attempt to reach somebody."""
    frame = await wire.expect("message_status", lambda frame: frame.get("user") == to.username, timeout_s=within_s)
    has(frame, RETRYING, "message_status")
    equal(frame["status"], "retrying", "the status")
    return frame


def about(frames: list[Frame], account: Account) -> list[Frame]:
    """Return those that say what becomes of messages to somebody."""
    return [frame for frame in frames if frame["type"] == "message_status" and frame.get("user") == account.username]


def _seqs(frames: list[Frame], ack: Frame) -> list[int]:
    talk = ack["conversation_id"]
    return [frame["seq"] for frame in frames if frame["type"] == "message" and frame["conversation_id"] == talk]


async def tell(wire: Wire, conversation_id: str, up_to_seq: int) -> None:
    """Say that everything has arrived, and wait for the confirmation."""
    frame = {"type": "read_receipt", "conversation_id": conversation_id, "state": "delivered"}
    await wire.send(frame | {"up_to_seq": up_to_seq})
    await wire.expect("read_receipt", lambda frame: frame["conversation_id"] == conversation_id)


@asynccontextmanager
async def waiting(stage: Stage) -> AsyncIterator[tuple[Account, Wire, Account, Frame]]:
    """One who is live has written to one who is away, and has been told of the first attempt."""
    ann, ben = await stage.pair()
    async with stage.live(ann) as one:
        ack = await stage.say(one, ben, "while you were away")
        equal((await attempt(one, ben))["retry_count"], 1, "the number of the first attempt")
        yield ann, one, ben, ack


@LANE.check("10 s after it was stored the sender's devices are told of an attempt, and nobody else", timeout_s=40)
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = stage.stranger
    async with stage.live(ann) as one, stage.live(ann) as tablet, stage.live(eve) as stranger:
        for number in range(2):
            ack = await stage.say(one, ben, f"{number}")
        items = await queue(stage, ann, ben)
        equal([(item["seq"], item["status"]) for item in items], [(1, "sent"), (2, "sent")], "the queue at first")
        for wire in (one, tablet):
            frame = await attempt(wire, ben)
            equal((frame["retry_count"], frame["up_to_seq"]), (1, 2), "which attempt, up to where")
            equal((frame["conversation_id"], frame["message_id"]), (ack["conversation_id"], ack["message_id"]), "ids")
            equal(frame["max_retries"], 3, "max_retries")
            that(TIME.fullmatch(frame["at"]), f"at is {frame['at']}")
            that(frame["next_retry_at"] > frame["at"], f"the next one is before this one: {frame}")
        waited = datetime.fromisoformat(frame["at"]) - datetime.fromisoformat(ack["sent_at"])
        that(waited.total_seconds() > 9, f"the first attempt came after {waited}")
        await _check_views(stage, ann, ben, ack, frame)
        equal(about(await stranger.quiet(0.2), ben), [], "what a stranger was told")
    for account, want in ((ben, 403), (eve, 404)):
        for path in ("timeline",):
            response = await stage.get(account, f"/api/v1/messages/{ack['message_id']}/{path}")
            equal(response.status_code, want, f"the status of {path} for {account.username}")
        refused = await stage.post(account, f"/api/v1/queue/{ack['message_id']}/retry", None)
        that(refused.status_code in {403, 404}, f"a retry by {account.username} got {refused.status_code}")
        equal(await queue(stage, account, ben), [], f"the queue of {account.username}")
    problem(await stage.post(ann, "/api/v1/queue/mnosuchmessage/retry", None), 404, "not_found")


async def _check_views(stage: Stage, ann: Account, ben: Account, ack: Frame, frame: Frame) -> None:
    items = await queue(stage, ann, ben)
    equal([item["seq"] for item in items], [1, 2], "the seqs in the queue")
    for item in items:
        got = tuple(item[name] for name in ("to", "status", "retry_count", "max_retries"))
        equal(got, (ben.username, "retrying", 1, 3), "the item")
    equal(items[1]["message_id"], ack["message_id"], "the message")
    equal(items[1]["next_retry_at"], frame["next_retry_at"], "the next attempt, by frame and by queue")
    timeline, part = await recipient(stage, ann, ack["message_id"])
    equal(timeline["seq"], 2, "the seq")
    equal((part["user"], part["status"], part["retry_count"]), (ben.username, "retrying", 1), "the recipient")
    equal([(each["attempt"], each["outcome"]) for each in part["attempts"]], [(1, "retrying")], "the attempts")
    times = [timeline["accepted_at"], timeline["stored_at"], part["attempts"][0]["at"], part["next_retry_at"]]
    equal(times, sorted(times), "the order of accepted, stored, tried, to be tried")
    equal((part["delivered_at"], part["read_at"]), (None, None), "the receipts")
    page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
    that(page["messages"][-1]["status"] in {"sent", "retrying"}, f"the history says {page['messages'][-1]['status']}")


@CLOSED.check("the recipient's hello brings the message, and delivered closes the entry", timeout_s=50)
async def _(stage: Stage) -> None:
    async with waiting(stage) as (ann, one, ben, ack):
        async with stage.dial(ben) as two:
            _, replay, _ = await two.hello("phone")
            equal(_seqs(replay, ack), [1], "the replay")
            equal([item["seq"] for item in await queue(stage, ann, ben)], [1], "the queue before the receipt")
            await tell(two, ack["conversation_id"], 1)
            await one.expect("read_receipt", lambda frame: frame["user"] == ben.username)
            equal(await queue(stage, ann, ben), [], "the queue after the receipt")
            _, part = await recipient(stage, ann, ack["message_id"])
            equal((part["status"], part["next_retry_at"]), ("delivered", None), "the recipient in the timeline")
            that(part["delivered_at"], "no delivered_at")
            equal([each["attempt"] for each in part["attempts"]], [1], "the attempts")
        equal(about(await one.quiet(13), ben), [], "what was tried after it was delivered")


@CLOSED.check("what arrives in time is never tried", timeout_s=30)
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "you are here")
        await two.expect("message")
        await tell(two, ack["conversation_id"], 1)
        equal(about(await one.quiet(12.5), ben), [], "what the sender was told")
        equal(await queue(stage, ann, ben), [], "the queue")


@AGAIN.check("the sender's retry is tried at once, and the next one waits longer", timeout_s=60)
async def _(stage: Stage) -> None:
    async with waiting(stage) as (ann, one, ben, ack):
        response = await stage.post(ann, f"/api/v1/queue/{ack['message_id']}/retry", None)
        that(response.is_success, f"{response.status_code}: {response.text}")
        again = await attempt(one, ben, within_s=5)
        that(again["next_retry_at"] > again["at"], f"the next one is before this one: {again}")
        _, part = await recipient(stage, ann, ack["message_id"])
        equal(len(part["attempts"]), 2, "the number of attempts")
        later = await attempt(one, ben, within_s=26)
        waited = datetime.fromisoformat(later["at"]) - datetime.fromisoformat(again["at"])
        that(8 <= waited.total_seconds() <= 26, f"the attempt after that came after {waited}")


@HALF_DEAD.check("an open socket that never says delivered gets resync, no second message", timeout_s=40)
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        ack = await stage.say(one, ben, "are you there?")
        await two.expect("message")
        talk = ack["conversation_id"]
        await two.expect("resync", lambda frame: frame.get("conversation_id") == talk, timeout_s=FIRST_S)
        equal(_seqs(two.passed, ack), [], "messages after the first")
        await attempt(one, ben, within_s=5)
        request = {"type": "sync", "id": new_id(), "conversation_id": talk, "limit": 50}
        await two.send(request | {"after_rev": 0})
        page = await two.expect("sync_page")
        equal([message["seq"] for message in page["messages"]], [1], "the page")
        await tell(two, talk, 1)


@PARKED.check(
    "after the last attempt it is parked as failed, and the next hello redeems it", timeout_s=130, is_long=True
)
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    async with stage.live(ann) as one:
        ack = await stage.say(one, ben, "nobody listens")
        seen: list[Frame] = []
        while not seen or seen[-1]["status"] != "failed":
            frame = await one.receive(50)
            if frame["type"] == "ping":
                await one.send({"type": "pong", "n": frame["n"]})
            else:
                seen += about([frame], ben)
        tries = [frame["retry_count"] for frame in seen if frame["status"] == "retrying"]
        equal(tries, [1, 2, 3], "the attempts")
        that(seen[-1].get("reason"), f"failed without a reason: {seen[-1]}")
        item = (await queue(stage, ann, ben))[0]
        equal((item["status"], item["retry_count"], item["next_retry_at"]), ("failed", 3, None), "the item")
        that(item.get("reason"), f"failed without a reason: {item}")
        _, part = await recipient(stage, ann, ack["message_id"])
        equal((part["status"], part["attempts"][-1]["outcome"]), ("failed", "failed"), "the timeline")
        async with stage.dial(ben) as two:
            _, replay, _ = await two.hello("phone")
            equal(_seqs(replay, ack), [1], "the replay")
            await asyncio.sleep(0.5)
            that((await queue(stage, ann, ben))[0]["status"] != "failed", "it is still parked after the hello")
            await tell(two, ack["conversation_id"], 1)
        equal(await queue(stage, ann, ben), [], "the queue after the receipt")
