"""Delivered and read: cumulative, cut, confirmed, told to whom they concern."""

from collections.abc import Callable

from deploy.verify.check import Lane, equal, problem, status, that
from deploy.verify.stage import Stage
from deploy.verify.wire import Frame, Wire

LANE = Lane("receipts")


async def _tell(wire: Wire, conversation_id: str, state: str, up_to_seq: int) -> None:
    frame = {"type": "read_receipt", "conversation_id": conversation_id}
    await wire.send(frame | {"state": state, "up_to_seq": up_to_seq})


def _brief(frame: Frame) -> tuple[str, str, int]:
    return frame["user"], frame["state"], frame["up_to_seq"]


def _of(state: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["state"] == state


@LANE.check("a receipt goes to the sender and to all devices of who sent it, itself included")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two), stage.live(ben) as phone:
        ack = await stage.say(one, ben, "x")
        for state in ("delivered", "read"):
            await _tell(two, ack["conversation_id"], state, 1)
            for wire in (one, two, phone):
                receipt = await wire.expect("read_receipt", _of(state))
                equal(_brief(receipt), (ben.username, state, 1), "the receipt")


@LANE.check("read implies delivered, with the time of both")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "x")
        await _tell(two, ack["conversation_id"], "read", 1)
        await one.expect("read_receipt", _of("read"))
        page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
        peer = page["peer"]
        equal((peer["delivered_seq"], peer["read_seq"]), (1, 1), "the cursors of the peer")
        message = page["messages"][0]
        equal(message["status"], "read", "the status")
        that(message["delivered_at"] and message["read_at"], f"no times: {message}")


@LANE.check("a receipt above the last seq is cut to it")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        ack = await stage.say(one, ben, "x")
        await _tell(two, ack["conversation_id"], "read", 1_000_000)
        for wire in (one, two):
            receipt = await wire.expect("read_receipt", _of("read"))
            equal(receipt["up_to_seq"], 1, "up_to_seq")


@LANE.check("one not above the cursor is answered with the cursor, to the asking device only")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two), stage.live(ben) as phone:
        for number in range(3):
            ack = await stage.say(one, ben, f"{number}")
        conversation_id = ack["conversation_id"]
        await _tell(two, conversation_id, "delivered", 3)
        for wire in (one, two, phone):
            await wire.expect("read_receipt", lambda frame: frame["up_to_seq"] == 3)
        for lower in (3, 2, 0):
            await _tell(two, conversation_id, "delivered", lower)
            receipt = await two.expect("read_receipt")
            equal(_brief(receipt), (ben.username, "delivered", 3), f"the answer to {lower}")
        for wire in (one, phone):
            heard = [frame for frame in await wire.quiet(0.3) if frame["type"] == "read_receipt"]
            equal(heard, [], "what the others heard")


@LANE.check("twenty receipts at once are merged, and the highest is confirmed")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        for number in range(15):
            ack = await stage.say(one, ben, f"{number}")
        for seq in range(1, 16):
            await _tell(two, ack["conversation_id"], "delivered", seq)
            await _tell(two, ack["conversation_id"], "read", seq)
        for wire in (one, two):
            await wire.expect("read_receipt", lambda f: f["state"] == "read" and f["up_to_seq"] == 15)
        seen = [_brief(frame)[1:] for frame in one.passed if frame["type"] == "read_receipt"]
        for state in ("delivered", "read"):
            seqs = [seq for name, seq in seen if name == state]
            equal(seqs, sorted(seqs), f"the order of {state}")


@LANE.check("the cursors of the members come with the replay, also when nothing was missed")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "x")
        await _tell(two, ack["conversation_id"], "read", 1)
        await one.expect("read_receipt", _of("read"))
        async with stage.dial(ann) as tablet:
            cursors = {ack["conversation_id"]: ack["rev"]}
            _, replay, _ = await tablet.hello("tablet", cursors=cursors)
            got = {_brief(frame) for frame in replay if frame["type"] == "read_receipt"}
            for state in ("delivered", "read"):
                that((ben.username, state, 1) in got, f"no {state} of the peer among {got}")


@LANE.check("seen_seq moves the own read cursor with the message")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        await stage.say(one, ben, "question")
        await two.expect("message")
        await stage.say(two, ann, "answer", seen_seq=1)
        await one.expect("read_receipt", lambda f: _brief(f) == (ben.username, "read", 1))


@LANE.check("an own send does not read what was not shown")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        await stage.say(one, ben, "question")
        await two.expect("message")
        await stage.say(two, ann, "answer")
        page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
        equal(page["peer"]["read_seq"], 0, "the read cursor of who answered")


@LANE.check("PUT cursor does the same by HTTP, and a stranger gets 404")
async def _(stage: Stage) -> None:
    eve = stage.stranger
    async with stage.live_pair() as (_, one, ben, _two):
        ack = await stage.say(one, ben, "x")
        path = f"/api/v1/conversations/{ack['conversation_id']}/cursor"
        response = await stage.put(ben, path, {"delivered_seq": 1, "read_seq": 1})
        that(response.is_success, f"{response.status_code}: {response.text}")
        await one.expect("read_receipt", lambda f: _brief(f) == (ben.username, "read", 1))
        refused = await stage.put(eve, path, {"read_seq": 1})
        equal(refused.status_code, 404, "the status for a stranger")


@LANE.check("the status of a message goes from sent to delivered to read")
async def _(stage: Stage) -> None:
    eve = stage.stranger
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "x")
        path = f"/api/v1/messages/{ack['message_id']}/status"
        equal((await stage.get(ann, path)).json()["status"], "sent", "the status at first")
        for state in ("delivered", "read"):
            await _tell(two, ack["conversation_id"], state, 1)
            await one.expect("read_receipt", _of(state))
            equal((await stage.get(ann, path)).json()["status"], state, "the status")
        equal((await stage.get(eve, path)).status_code, 404, "the status for a stranger")


@LANE.check("who has a message, and who has read it, is told to the members with times")
async def _(stage: Stage) -> None:
    eve = stage.stranger
    async with stage.live_pair() as (ann, one, ben, two):
        ack = await stage.say(one, ben, "x")
        path = f"/api/v1/messages/{ack['message_id']}/receipts"
        for state, want in (("", (False, False)), ("delivered", (True, False)), ("read", (True, True))):
            if state:
                await _tell(two, ack["conversation_id"], state, 1)
                await one.expect("read_receipt", _of(state))
            for member in (ann, ben):
                response = await stage.get(member, path)
                status(response, 200)
                items = response.json()["items"]
                equal([item["user"] for item in items], [ben.username], "who is listed")
                times = (items[0]["delivered_at"] is not None, items[0]["read_at"] is not None)
                equal(times, want, f"delivered and read after {state or 'sending'}")
        problem(await stage.get(eve, path), 404, "not_found")
        problem(await stage.get(ann, "/api/v1/messages/mnosuchmessage/receipts"), 404, "not_found")
