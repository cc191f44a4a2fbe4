"""Messages to who is away: tried again where the sender can see it, and closed by delivery alone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage
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


async def queue(stage: Stage, account: Account) -> list[dict[str, Any]]:
    """Return the items of a user's queue."""
    response = await stage.get(account, "/api/v1/queue")
    status(response, 200)
    has(response.json(), ("items", "next", "prev"), "the queue")
    items: list[dict[str, Any]] = response.json()["items"]
    for item in items:
        has(item, ITEM, "an item")
    return items


async def recipient(stage: Stage, account: Account, message_id: str) -> tuple[Frame, Frame]:
    """Return a message's timeline, and its only recipient's part of it."""
    response = await stage.get(account, f"/api/v1/messages/{message_id}/timeline")
    status(response, 200)
    timeline: Frame = response.json()
    has(timeline, TIMELINE, "the timeline")
    equal(len(timeline["recipients"]), 1, "the number of recipients")
    has(timeline["recipients"][0], RECIPIENT, "a recipient")
    return timeline, timeline["recipients"][0]


async def attempt(wire: Wire, number: int = 1, within_s: float = FIRST_S) -> Frame:
    """Wait until the sender is told of an attempt."""
    frame = await wire.expect("message_status", timeout_s=within_s)
    has(frame, RETRYING, "message_status")
    equal((frame["status"], frame["retry_count"]), ("retrying", number), f"the status in {frame}")
    return frame


async def tell(wire: Wire, conversation_id: str, up_to_seq: int) -> None:
    """Say that everything has arrived, and wait for the confirmation."""
    frame = {"type": "read_receipt", "conversation_id": conversation_id, "state": "delivered"}
    await wire.send(frame | {"up_to_seq": up_to_seq})
    await wire.expect("read_receipt", lambda frame: frame["up_to_seq"] == up_to_seq)


@asynccontextmanager
async def waiting(stage: Stage) -> AsyncIterator[tuple[Account, Wire, Account, Frame]]:
    """One who is live has written to one who is away, and has been told of the first attempt."""
    ann, ben = await stage.pair()
    async with stage.live(ann) as one:
        ack = await stage.say(one, ben, "while you were away")
        await attempt(one)
        yield ann, one, ben, ack


@LANE.check("10 s after it was stored the sender's devices are told of an attempt, and nobody else", timeout_s=40)
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = await stage.user("eve")
    async with stage.live(ann) as one, stage.live(ann) as tablet, stage.live(eve) as stranger:
        for number in range(2):
            ack = await stage.say(one, ben, f"{number}")
        equal([(item["seq"], item["status"]) for item in await queue(stage, ann)], [(1, "sent"), (2, "sent")], "queue")
        for wire in (one, tablet):
            frame = await attempt(wire)
            equal((frame["user"], frame["up_to_seq"]), (ben.username, 2), "of whom, up to where")
            equal((frame["conversation_id"], frame["message_id"]), (ack["conversation_id"], ack["message_id"]), "ids")
            equal(frame["max_retries"], 3, "max_retries")
            that(TIME.fullmatch(frame["at"]), f"at is {frame['at']}")
            that(frame["next_retry_at"] > frame["at"], f"the next one is before this one: {frame}")
        waited = datetime.fromisoformat(frame["at"]) - datetime.fromisoformat(ack["sent_at"])
        that(waited.total_seconds() > 9, f"the first attempt came after {waited}")
        await _check_views(stage, ann, ben, ack, frame)
        heard = [frame for frame in await stranger.quiet(0.2) if frame["type"] == "message_status"]
        equal(heard, [], "what a stranger was told")
    for account, want in ((ben, 403), (eve, 404)):
        for path in ("timeline",):
            response = await stage.get(account, f"/api/v1/messages/{ack['message_id']}/{path}")
            equal(response.status_code, want, f"the status of {path} for {account.username}")
        refused = await stage.post(account, f"/api/v1/queue/{ack['message_id']}/retry", None)
        that(refused.status_code in {403, 404}, f"a retry by {account.username} got {refused.status_code}")
        equal(await queue(stage, account), [], f"the queue of {account.username}")
    problem(await stage.post(ann, "/api/v1/queue/mnosuchmessage/retry", None), 404, "not_found")


async def _check_views(stage: Stage, ann: Account, ben: Account, ack: Frame, frame: Frame) -> None:
    items = await queue(stage, ann)
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
            seqs = [frame["seq"] for frame in replay if frame["type"] == "message"]
            equal(seqs, [1], "the replay")
            equal([item["seq"] for item in await queue(stage, ann)], [1], "the queue before the receipt")
            await tell(two, ack["conversation_id"], 1)
            await one.expect("read_receipt", lambda frame: frame["user"] == ben.username)
            equal(await queue(stage, ann), [], "the queue after the receipt")
            _, part = await recipient(stage, ann, ack["message_id"])
            equal((part["status"], part["next_retry_at"]), ("delivered", None), "the recipient in the timeline")
            that(part["delivered_at"], "no delivered_at")
            equal([each["attempt"] for each in part["attempts"]], [1], "the attempts")
        late = [frame for frame in await one.quiet(13) if frame["type"] == "message_status"]
        equal(late, [], "what was tried after it was delivered")


@CLOSED.check("what arrives in time is never tried", timeout_s=30)
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "you are here")
        await two.expect("message")
        await tell(two, ack["conversation_id"], 1)
        frames = [frame["type"] for frame in await one.quiet(12.5)]
        that("message_status" not in frames, f"the sender was told {frames}")
        equal(await queue(stage, ann), [], "the queue")


@AGAIN.check("the sender's retry is tried at once, and the next one waits longer", timeout_s=60)
async def _(stage: Stage) -> None:
    async with waiting(stage) as (ann, one, ben, ack):
        response = await stage.post(ann, f"/api/v1/queue/{ack['message_id']}/retry", None)
        that(response.is_success, f"{response.status_code}: {response.text}")
        again = await one.expect("message_status", timeout_s=5)
        equal((again["status"], again["user"]), ("retrying", ben.username), "the status")
        that(again["next_retry_at"] > again["at"], f"the next one is before this one: {again}")
        _, part = await recipient(stage, ann, ack["message_id"])
        equal(len(part["attempts"]), 2, "the number of attempts")
        later = await one.expect("message_status", timeout_s=26)
        waited = datetime.fromisoformat(later["at"]) - datetime.fromisoformat(again["at"])
        that(8 <= waited.total_seconds() <= 26, f"the attempt after that came after {waited}")


@HALF_DEAD.check("an open socket that never says delivered gets resync, no second message", timeout_s=40)
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        ack = await stage.say(one, ben, "are you there?")
        await two.expect("message")
        resync = await two.expect("resync", timeout_s=FIRST_S)
        equal(resync.get("conversation_id"), ack["conversation_id"], "the conversation of the resync")
        equal([frame for frame in two.passed if frame["type"] == "message"], [], "messages after the first")
        await attempt(one, within_s=5)
        request = {"type": "sync", "id": "a1", "conversation_id": ack["conversation_id"], "limit": 50}
        await two.send(request | {"after_rev": 0})
        page = await two.expect("sync_page")
        equal([message["seq"] for message in page["messages"]], [1], "the page")
        await tell(two, ack["conversation_id"], 1)


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
            elif frame["type"] == "message_status":
                seen.append(frame)
        tries = [frame["retry_count"] for frame in seen if frame["status"] == "retrying"]
        equal(tries, [1, 2, 3], "the attempts")
        that(seen[-1].get("reason"), f"failed without a reason: {seen[-1]}")
        item = (await queue(stage, ann))[0]
        equal((item["status"], item["retry_count"], item["next_retry_at"]), ("failed", 3, None), "the item")
        that(item.get("reason"), f"failed without a reason: {item}")
        _, part = await recipient(stage, ann, ack["message_id"])
        equal((part["status"], part["attempts"][-1]["outcome"]), ("failed", "failed"), "the timeline")
        async with stage.dial(ben) as two:
            _, replay, _ = await two.hello("phone")
            equal([frame["seq"] for frame in replay if frame["type"] == "message"], [1], "the replay")
            await asyncio.sleep(0.5)
            that((await queue(stage, ann))[0]["status"] != "failed", "it is still parked after the hello")
            await tell(two, ack["conversation_id"], 1)
        equal(await queue(stage, ann), [], "the queue after the receipt")
