"""Sending by HTTP: the status codes, idempotency, the queue endpoint, problem+json."""

import asyncio

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.stage import Stage, new_id

LANE = Lane("http send")
STORED = ("message_id", "conversation_id", "seq", "rev", "status", "sent_at", "duplicate")


@LANE.check("send answers 201, with and without the last slash, and the recipient hears it live")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    async with stage.live(ben) as wire, stage.live(ann) as own:
        for turn, slash in enumerate(("/", ""), start=1):
            message_id = new_id()
            body = {"id": message_id, "content": f"by HTTP {turn}"}
            response = await stage.post(ann, f"/messages/send/{ben.username}{slash}", body)
            status(response, 201)
            answer = response.json()
            has(answer, STORED, "the answer")
            got = (answer["seq"], answer["status"], answer["duplicate"])
            equal(got, (turn, "sent", False), "the answer")
            message = await wire.expect("message")
            equal(message["message_id"], answer["message_id"], "the live message")
            copy = await own.expect("message")
            equal(copy.get("id"), message_id, "the id on an own device")


@LANE.check("a repeat is 200 with duplicate, another content 409, over socket and HTTP alike")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    path = f"/messages/send/{ben.username}/"
    async with stage.live(ann) as wire:
        ack = await stage.say(wire, ben, "first by socket")
        body = {"id": ack["re"], "content": "first by socket"}
        response = await stage.post(ann, path, body)
        status(response, 200)
        that(response.json()["duplicate"] is True, "duplicate is not true")
        equal(response.json()["message_id"], ack["message_id"], "the message_id")
        problem(await stage.post(ann, path, body | {"content": "other"}), 409, "id_conflict")
        message_id = new_id()
        status(await stage.post(ann, path, {"id": message_id, "content": "by HTTP"}), 201)
        frame = {"type": "message", "id": message_id, "to": ben.username, "content": "by HTTP"}
        await wire.send(frame)
        that((await wire.expect("ack"))["duplicate"] is True, "duplicate is not true")


@LANE.check("Idempotency-Key is the id; both and different is 400; neither makes one")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    path, key = f"/messages/send/{ben.username}/", new_id()
    first = await stage.post(ann, path, {"content": "keyed"}, idempotency_key=key)
    status(first, 201)
    again = await stage.post(ann, path, {"content": "keyed"}, idempotency_key=key)
    status(again, 200)
    equal(again.json()["message_id"], first.json()["message_id"], "the message_id")
    same = await stage.post(ann, path, {"id": key, "content": "keyed"}, idempotency_key=key)
    status(same, 200)
    body = {"id": new_id(), "content": "keyed"}
    problem(await stage.post(ann, path, body, idempotency_key=key), 400, "invalid")
    seqs = []
    for _turn in range(2):
        made = await stage.post(ann, path, {"content": "no id"})
        status(made, 201)
        seqs.append(made.json()["seq"])
    equal(seqs, [2, 3], "the seqs of two messages without an id")


@LANE.check("ten repeats at once are one message")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    body = {"id": new_id(), "content": "ten times"}
    path = f"/messages/send/{ben.username}/"
    answers = await asyncio.gather(*(stage.post(ann, path, body) for _ in range(10)))
    codes = sorted(answer.status_code for answer in answers)
    equal(codes, [200] * 9 + [201], "the statuses")
    equal({answer.json()["seq"] for answer in answers}, {1}, "the seqs")


@LANE.check("bad requests get 400, 404, 413, 415 as problems")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    path = f"/messages/send/{ben.username}/"
    for body in ({}, {"content": 5}, {"content": None}, {"id": "a b", "content": "x"}, [1], "x"):
        problem(await stage.post(ann, path, body), 400, "invalid")
    problem(await stage.post(ann, f"/messages/send/{ann.username}/", {"content": "x"}), 400, "invalid")
    problem(await stage.post(ann, "/messages/send/nobody_here/", {"content": "x"}), 404, "not_found")
    problem(await stage.post(ann, path, {"content": "x" * 8001}), 413, "too_large")
    headers = ann.headers | {"Content-Type": "application/json"}
    problem(await stage.http.post(path, content=b"{nope", headers=headers), 400, "invalid")
    headers = ann.headers | {"Content-Type": "text/plain"}
    refused = await stage.http.post(path, content=b"hello", headers=headers)
    problem(refused, 415, "unsupported")
    problem(await stage.get(ann, "/api/v1/nothing-here"), 404, "not_found")


@LANE.check("a huge body is refused and the process goes on")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    path = f"/messages/send/{ben.username}/"
    refused = await stage.post(ann, path, {"content": "x" * 3_000_000})
    problem(refused, 413, "too_large")
    status(await stage.post(ann, path, {"content": "still here"}), 201)


@LANE.check("queue answers 202 with Location, and the message is stored")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    for slash in ("/", ""):
        body = {"id": new_id(), "content": f"queued{slash}"}
        response = await stage.post(ann, f"/messages/queue/{ben.username}{slash}", body)
        status(response, 202)
        answer = response.json()
        has(answer, ("message_id", "status", "retry_count", "max_retries", "next_retry_at"), "it")
        equal((answer["status"], answer["retry_count"]), ("queued", 0), "the answer")
        where = response.headers.get("location", "")
        that(where.endswith(f"/api/v1/messages/{answer['message_id']}/status"), f"at {where!r}")
        looked_up = await stage.get(ann, where)
        status(looked_up, 200)
        that(looked_up.json()["status"] in {"queued", "sent"}, f"status {looked_up.text}")
    page = (await stage.get(ben, f"/messages/history/{ann.username}/")).json()
    equal([message["content"] for message in page["messages"]], ["queued/", "queued"], "history")
    unknown = await stage.post(ann, "/messages/queue/nobody_here/", {"content": "x"})
    problem(unknown, 404, "not_found")
    large = await stage.post(ann, f"/messages/queue/{ben.username}/", {"content": "x" * 8001})
    problem(large, 413, "too_large")


@LANE.check("messages of a conversation are posted and listed by its id; strangers get 404")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = stage.stranger
    first = await stage.post(ann, f"/messages/send/{ben.username}/", {"content": "one"})
    path = f"/api/v1/conversations/{first.json()['conversation_id']}/messages"
    status(await stage.post(ben, path, {"id": new_id(), "content": "two"}), 201)
    listed = await stage.get(ann, path)
    status(listed, 200)
    has(listed.json(), ("items", "next", "prev"), "the list")
    contents = [message["content"] for message in listed.json()["items"]]
    equal(contents, ["one", "two"], "the messages")
    problem(await stage.get(eve, path), 404, "not_found")
    problem(await stage.post(eve, path, {"content": "intruder"}), 404, "not_found")


@LANE.check("over the rate comes 429 with Retry-After, and later 201", needs_limits=True)
async def _(stage: Stage) -> None:
    ann, ben = await stage.new_account("ann"), await stage.guest()
    path = f"/messages/send/{ben.username}/"
    bodies = [{"id": new_id(), "content": f"burst {number}"} for number in range(40)]
    answers = await asyncio.gather(*(stage.post(ann, path, body) for body in bodies))
    pairs = list(zip(bodies, answers, strict=True))
    refused = [(body, answer) for body, answer in pairs if answer.status_code != 201]
    that(refused, "40 messages at once were all let through")
    for _body, answer in refused:
        problem(answer, 429, "rate_limited")
        that(int(answer.headers["retry-after"]) >= 1, "Retry-After is below 1")
    await asyncio.sleep(max(int(answer.headers["retry-after"]) for _, answer in refused))
    status(await stage.post(ann, path, refused[0][0]), 201)
