"""POST /api/v1/sync: the HTTP twin of hello, for who has no socket."""

import asyncio

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.stage import Stage

LANE = Lane("http sync")
PATH = "/api/v1/sync"


@LANE.check("it brings what was missed, and nothing above the cursors it gave")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    for number in range(3):
        await stage.post(ann, f"/messages/send/{ben.username}/", {"content": f"{number}"})
    first = await stage.post(ben, PATH, {"cursors": {}})
    status(first, 200)
    body = first.json()
    has(body, ("epoch", "conversations", "cursors", "more"), "the answer")
    page = body["conversations"][0]
    has(page, ("conversation_id", "messages", "members", "rev", "complete"), "a page")
    equal([message["seq"] for message in page["messages"]], [1, 2, 3], "what was missed")
    again = await stage.post(ben, PATH, {"epoch": body["epoch"], "cursors": body["cursors"]})
    messages = [m for page in again.json()["conversations"] for m in page["messages"]]
    equal(messages, [], "what was missed after that")


@LANE.check("a poll that waits is woken by a message within a second")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    await stage.post(ann, f"/messages/send/{ben.username}/", {"content": "before"})
    body = (await stage.post(ben, PATH, {"cursors": {}})).json()
    request = {"epoch": body["epoch"], "cursors": body["cursors"], "wait_s": 8}
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(stage.post(ben, PATH, request))
        await asyncio.sleep(1)
        that(not poll.done(), "the poll did not wait")
        sent = loop.time()
        await stage.post(ann, f"/messages/send/{ben.username}/", {"content": "wake up"})
        answer = await poll
    status(answer, 200)
    waited = loop.time() - sent
    that(waited <= 1, f"it was woken after {waited:.2f} s")
    contents = [m["content"] for page in answer.json()["conversations"] for m in page["messages"]]
    equal(contents, ["wake up"], "what it brought")


@LANE.check("a first message wakes a poll of a user without conversations")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(stage.post(ben, PATH, {"cursors": {}, "wait_s": 8}))
        await asyncio.sleep(0.5)
        await stage.post(ann, f"/messages/send/{ben.username}/", {"content": "hello"})
        async with asyncio.timeout(1.5):
            answer = await poll
    pages = answer.json()["conversations"]
    equal([m["content"] for page in pages for m in page["messages"]], ["hello"], "what it brought")


@LANE.check("it ends after wait_s, and more than 25 s are invalid")
async def _(stage: Stage) -> None:
    ann = stage.stranger
    loop = asyncio.get_running_loop()
    begun = loop.time()
    status(await stage.post(ann, PATH, {"cursors": {}, "wait_s": 1}), 200)
    waited = loop.time() - begun
    that(0.8 <= waited <= 3, f"it waited {waited:.2f} s")
    for bad in ({"cursors": {}, "wait_s": 26}, {"cursors": {}, "wait_s": -1}, {"cursors": 5}):
        problem(await stage.post(ann, PATH, bad), 400, "invalid")


@LANE.check("a stranger's cursor brings nothing of the conversation")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    eve = stage.stranger
    sent = await stage.post(ann, f"/messages/send/{ben.username}/", {"content": "a secret"})
    conversation_id = sent.json()["conversation_id"]
    answer = await stage.post(eve, PATH, {"cursors": {conversation_id: 0}})
    status(answer, 200)
    that("a secret" not in answer.text, "a stranger got the message")
    that(conversation_id not in answer.json()["cursors"], "a stranger was told the head")
