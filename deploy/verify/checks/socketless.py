"""Everything the socket does can be done by HTTP: two people who never open one."""

import asyncio
from typing import Any

from deploy.verify.check import Lane, equal, has, status, that
from deploy.verify.checks.presence import becomes, watch
from deploy.verify.checks.retries import queue
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage, new_id

LANE = Lane("without a socket")


def of(missed: dict[str, Any], conversation_id: str) -> dict[str, Any]:
    """Return the page of one conversation."""
    pages: list[dict[str, Any]] = missed["conversations"]
    return next(page for page in pages if page["conversation_id"] == conversation_id)


async def poll(stage: Stage, account: Account, **request: Any) -> dict[str, Any]:
    """Ask for what was missed, and wait for it as long as the request says."""
    response = await stage.post(account, "/api/v1/sync", {"cursors": {}} | request)
    status(response, 200)
    body: dict[str, Any] = response.json()
    return body


@LANE.check("send, receive, confirm, see it confirmed, answer, and read it all again")
async def _(stage: Stage) -> None:
    ann, ben = await stage.user("ann"), await stage.new_account("ben")
    sent = await stage.post(ann, f"/messages/send/{ben.username}/", {"id": new_id(), "content": "no sockets"})
    status(sent, 201)
    talk, message_id = sent.json()["conversation_id"], sent.json()["message_id"]
    missed = await poll(stage, ben)
    equal([message["content"] for message in of(missed, talk)["messages"]], ["no sockets"], "what was missed")
    for cursor, want in (({"delivered_seq": 1}, "delivered"), ({"read_seq": 1}, "read")):
        told = await stage.put(ben, f"/api/v1/conversations/{talk}/cursor", cursor)
        that(told.is_success, f"{told.status_code}: {told.text}")
        equal((await stage.get(ann, f"/api/v1/messages/{message_id}/status")).json()["status"], want, "the status")
    seen = await poll(stage, ann)
    members = {each["username"]: each["read_seq"] for each in of(seen, talk)["members"]}
    equal(members[ben.username], 1, "the peer's cursor by POST /sync")
    status(await stage.post(ben, f"/api/v1/conversations/{talk}/messages", {"content": "nor here"}), 201)
    answered = await poll(stage, ann, epoch=seen["epoch"], cursors=seen["cursors"])
    contents = [message["content"] for page in answered["conversations"] for message in page["messages"]]
    equal(contents, ["nor here"], "what the first one missed")
    history = (await stage.get(ben, f"/messages/history/{ann.username}/")).json()
    equal([message["content"] for message in history["messages"]], ["no sockets", "nor here"], "the history")
    items = (await stage.get(ann, "/api/v1/conversations")).json()["items"]
    equal((items[0]["conversation_id"], items[0]["last_message"]["content"]), (talk, "nor here"), "the list")


@LANE.check("a poll that waits is woken by typing, and names who types")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    talk = (await stage.talk(ann, ben))["conversation_id"]
    held = await poll(stage, ben)
    request = {"epoch": held["epoch"], "cursors": held["cursors"], "wait_s": 8}
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(poll(stage, ben, **request))
        await asyncio.sleep(0.5)
        that(not waiting.done(), "the poll did not wait")
        typed = await stage.post(ann, f"/api/v1/conversations/{talk}/typing", {"state": "start"})
        that(typed.is_success, f"{typed.status_code}: {typed.text}")
        async with asyncio.timeout(2):
            answer = await waiting
    heard = answer["typing"]
    equal(len(heard), 1, "the number of who types")
    has(heard[0], ("conversation_id", "user", "state", "ttl_ms"), "typing")
    equal((heard[0]["conversation_id"], heard[0]["user"], heard[0]["state"]), (talk, ann.username, "start"), "typing")
    equal([message for page in answer["conversations"] for message in page["messages"]], [], "messages")


@LANE.check("a poll watches: the present state, and then what changes")
async def _(stage: Stage) -> None:
    ann, ben, eve = await stage.user("ann"), await stage.guest(), stage.stranger
    await stage.talk(ann, ben)
    async with stage.live(eve):
        first = await poll(stage, ann, watch=[ben.username, eve.username, "nobody_here"])
    states = {each["user"]: each["status"] for each in first["presence"]}
    equal(states, {ben.username: "offline", eve.username: "offline", "nobody_here": "offline"}, "the states")
    request = {"epoch": first["epoch"], "cursors": first["cursors"], "watch": [ben.username]}
    async with stage.live(ben):
        await asyncio.sleep(0.5)
        again = await poll(stage, ann, **request)
        equal([(each["user"], each["status"]) for each in again["presence"]], [(ben.username, "online")], "the state")
    bad = await stage.post(ann, "/api/v1/sync", {"cursors": {}, "watch": [f"user{number}" for number in range(201)]})
    equal(bad.status_code, 400, "the status for 201 watched")


@LANE.check("who polls is there: online to who watches")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    await stage.talk(ann, ben)
    async with stage.live(ann) as one:
        equal((await watch(one, ben))[0]["status"], "offline", "the status of who did not poll")
        await poll(stage, ben, wait_s=1)
        await becomes(one, ben, "online")


@LANE.check("a message to who only polls is tried, seen in the queue, and closed by a cursor", timeout_s=40)
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    sent = await stage.post(ann, f"/messages/queue/{ben.username}/", {"content": "when you are back"})
    status(sent, 202)
    message_id = sent.json()["message_id"]
    deadline = asyncio.get_running_loop().time() + 16
    item: dict[str, Any] = {}
    while item.get("status") != "retrying":
        items = await queue(stage, ann, ben)
        equal([each["message_id"] for each in items], [message_id], "the queue")
        item = items[0]
        that(asyncio.get_running_loop().time() < deadline, f"it was not tried in 16 s: {item}")
        await asyncio.sleep(0.5)
    equal((item["to"], item["seq"], item["retry_count"]), (ben.username, 1, 1), "the item")
    retried = await stage.post(ann, f"/api/v1/queue/{message_id}/retry", None)
    that(retried.is_success, f"{retried.status_code}: {retried.text}")
    missed = of(await poll(stage, ben), item["conversation_id"])
    equal([message["seq"] for message in missed["messages"]], [1], "what was missed")
    told = await stage.put(ben, f"/api/v1/conversations/{item['conversation_id']}/cursor", {"delivered_seq": 1})
    that(told.is_success, f"{told.status_code}: {told.text}")
    equal(await queue(stage, ann, ben), [], "the queue after the receipt")
    timeline = (await stage.get(ann, f"/api/v1/messages/{message_id}/timeline")).json()
    equal(timeline["recipients"][0]["status"], "delivered", "the timeline")
