"""Whoever was away gets what was missed: hello with and without cursors, resync, sync."""

import asyncio

from deploy.verify.check import Lane, equal, has, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Frame, Wire

LANE = Lane("replay")
MANY = Lane("long replay")
AWAY = Lane("long absence")
MISSED, PAGE = 300, 200


def _seqs(frames: list[Frame]) -> list[int]:
    return [frame["seq"] for frame in frames if frame["type"] == "message"]


async def _send_all(stage: Stage, sender: Account, to: Account, count: int) -> Frame:
    """Send `count` messages by socket, again where the rate limit says so; the last ack."""
    async with stage.live(sender) as wire:
        ack: Frame = {}
        for number in range(count):
            frame = {"type": "message", "id": new_id(), "to": to.username, "content": f"{number}"}
            ack = await _persist(wire, frame)
    return ack


async def _persist(wire: Wire, frame: Frame) -> Frame:
    while True:
        await wire.send(frame)
        while (answer := await wire.receive())["type"] not in {"ack", "error"}:
            pass
        if answer["type"] == "ack":
            return answer
        equal(answer["code"], "rate_limited", "the refusal")
        await asyncio.sleep(answer["retry_after_ms"] / 1000)


@LANE.check("without a cursor come the messages above the own delivered cursor, oldest first")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    last = await _send_all(stage, ann, ben, 5)
    conversation_id = last["conversation_id"]
    async with stage.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("phone")
        equal(_seqs(replay), [1, 2, 3, 4, 5], "the replay of the first device")
        equal(caught_up["replayed"], 5, "replayed")
        equal(caught_up["cursors"], {conversation_id: last["rev"]}, "the cursors")
        receipt = {"type": "read_receipt", "conversation_id": conversation_id}
        await wire.send(receipt | {"state": "delivered", "up_to_seq": 3})
        await wire.expect("read_receipt")
    async with stage.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("tablet")
        equal(_seqs(replay), [4, 5], "the replay of a new device after delivered 3")
        receipts = [frame for frame in replay if frame["type"] == "read_receipt"]
        got = [(frame["user"], frame["state"], frame["up_to_seq"]) for frame in receipts]
        that((ben.username, "delivered", 3) in got, f"the cursors of the members were {got}")
        equal(replay[: len(_seqs(replay))], [f for f in replay if f["type"] == "message"], "order")


@LANE.check("with a cursor come the messages above it; at the head nothing, but the cursors")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    last = await _send_all(stage, ann, ben, 5)
    conversation_id, head = last["conversation_id"], last["rev"]
    async with stage.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("phone", cursors={conversation_id: 2})
        equal(_seqs(replay), [3, 4, 5], "the replay above 2")
        equal(caught_up["cursors"], {conversation_id: head}, "the cursors")
        _, replay, caught_up = await wire.hello("phone", cursors={conversation_id: head})
        equal(_seqs(replay), [], "the replay at the head, by a second hello on the same socket")
        equal((caught_up["replayed"], caught_up["cursors"]), (0, {conversation_id: head}), "end")
        await _send_all(stage, ann, ben, 1)
        equal((await wire.expect("message"))["seq"], 6, "the live message after that")


@LANE.check("the sender's own device with a cursor gets own messages with their id")
async def _(stage: Stage) -> None:
    ann, ben = await stage.new_account("ann"), await stage.guest()
    last = await _send_all(stage, ann, ben, 2)
    async with stage.dial(ann) as wire:
        _, replay, _ = await wire.hello("tablet", cursors={last["conversation_id"]: 0})
        messages = [frame for frame in replay if frame["type"] == "message"]
        equal([message["seq"] for message in messages], [1, 2], "the replay")
        equal(messages[-1].get("id"), last["re"], "the id of an own message")
    async with stage.dial(ann) as wire:
        _, replay, _ = await wire.hello("laptop")
        equal(_seqs(replay), [], "own messages for a device without cursors")


@LANE.check("a cursor above the head gets resync, the replay from 0, and a right cursor")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    last = await _send_all(stage, ann, ben, 3)
    conversation_id = last["conversation_id"]
    async with stage.dial(ben) as wire:
        _, replay, caught_up = await wire.hello("phone", cursors={conversation_id: 1_000})
        first = replay[0]
        equal(first["type"], "resync", "the first frame after welcome")
        equal((first["reason"], first["conversation_id"]), ("gap", conversation_id), "resync")
        equal(_seqs(replay), [1, 2, 3], "the replay")
        equal(caught_up["cursors"], {conversation_id: last["rev"]}, "the cursors")


@LANE.check("another epoch: welcome with the right one, the cursors ignored")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    last = await _send_all(stage, ann, ben, 2)
    cursors = {last["conversation_id"]: last["rev"]}
    async with stage.dial(ben) as wire:
        welcome, replay, _ = await wire.hello("phone", cursors=cursors, epoch="of-another-time")
        that(welcome["epoch"] != "of-another-time", "the epoch was echoed")
        equal(_seqs(replay), [1, 2], "the replay")
        _, replay, _ = await wire.hello("phone", cursors=cursors, epoch=welcome["epoch"])
        equal(_seqs(replay), [], "the replay with the right epoch")


@LANE.check("cursors of unknown and foreign conversations do no harm and tell nothing")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    eve = stage.stranger
    last = await _send_all(stage, ann, ben, 2)
    async with stage.dial(eve) as wire:
        cursors = {last["conversation_id"]: 0, "dnosuchconversation": 4}
        _, replay, caught_up = await wire.hello("phone", cursors=cursors)
        equal(_seqs(replay), [], "the replay of a stranger")
        that(last["conversation_id"] not in caught_up["cursors"], "a stranger was told the head")


@LANE.check("a message sent while a replay runs comes once and in order")
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    await _send_all(stage, ann, ben, 8)
    async with stage.live(ann) as sender, stage.dial(ben) as wire, asyncio.TaskGroup() as tasks:

        async def write_on() -> None:
            for number in range(8):
                text = f"during {number}"
                frame = {"type": "message", "id": new_id(), "to": ben.username, "content": text}
                await _persist(sender, frame)

        tasks.create_task(write_on())
        _, replay, _ = await wire.hello("phone")
        seqs = _seqs(replay)
        while not seqs or max(seqs) < 16:
            seqs.append((await wire.expect("message", timeout_s=8))["seq"])
        equal(seqs, list(range(1, 17)), "what came, replay and live")


@MANY.check("of 300 missed the oldest 200 come, `more` names the rest, and sync brings it", timeout_s=85)
async def _(stage: Stage) -> None:
    ann, ben = await stage.guest(), await stage.new_account("ben")
    # While this one is undelivered, ben's own messages move nothing.
    await stage.talk(ann, ben)
    async with asyncio.TaskGroup() as senders:
        senders.create_task(_send_all(stage, ann, ben, MISSED // 2 - 1))
        senders.create_task(_send_all(stage, ben, ann, MISSED // 2))
    page = (await stage.get(ann, f"/messages/history/{ben.username}/", page_size=1)).json()
    conversation_id = page["conversation_id"]
    for device, cursors in (("held", {conversation_id: 0}), ("new", {})):
        async with stage.dial(ben) as wire:
            _, replay, caught_up = await wire.hello(device, cursors=cursors)
            equal(_seqs(replay), list(range(1, PAGE + 1)), f"the replay of the {device} device")
            equal(caught_up["replayed"], PAGE, "replayed")
            equal(caught_up.get("more"), [conversation_id], "more")
            cursor = caught_up["cursors"][conversation_id]
            that(cursor <= PAGE, f"the cursor {cursor} lies above messages that were left out")
            left = await _sync_all(wire, conversation_id, cursor, limit=20)
            equal(sorted({*_seqs(replay), *left}), list(range(1, MISSED + 1)), "all there is")
            equal(left[-(MISSED - PAGE) :], list(range(PAGE + 1, MISSED + 1)), "what sync brought")
    async with stage.live(ben) as wire:
        await _check_backwards(wire, conversation_id)


@AWAY.check("300 messages to who is away come once and in order, on a known device and on a new one", timeout_s=60)
async def _(stage: Stage) -> None:
    ben = await stage.new_account("ben")
    senders = [await stage.guest() for _turn in range(3)]
    held: dict[str, int] = {}
    for sender in senders:
        answer = await stage.talk(sender, ben)
        held[answer["conversation_id"]] = answer["rev"]
    async with stage.live(ben) as wire:
        for conversation_id in held:
            receipt = {"type": "read_receipt", "conversation_id": conversation_id, "state": "delivered"}
            await wire.send(receipt | {"up_to_seq": 1})
            await wire.expect("read_receipt")
    count = MISSED // len(senders)
    async with asyncio.TaskGroup() as tasks:
        for sender in senders:
            tasks.create_task(_send_all(stage, sender, ben, count))
    for device, cursors in (("held", held), ("new", {}), ("held", held)):
        async with stage.dial(ben) as wire:
            _, replay, caught_up = await wire.hello(device, cursors=cursors)
            equal(caught_up["replayed"], MISSED, f"replayed to the {device} device")
            that(not caught_up.get("more"), f"more: {caught_up.get('more')}")
            for conversation_id in held:
                of_one = [frame for frame in replay if frame["conversation_id"] == conversation_id]
                equal(_seqs(of_one), list(range(2, count + 2)), "the messages of one sender")
                if device == "new":
                    contents = [frame["content"] for frame in of_one if frame["type"] == "message"]
                    equal(contents, [str(number) for number in range(count)], "the contents")
            equal([frame["type"] for frame in await wire.quiet(0.3) if frame["type"] == "message"], [], "after it")


async def _sync_all(wire: Wire, conversation_id: str, after: int, *, limit: int) -> list[int]:
    """Ask page after page above `after`; the seqs that came."""
    seqs: list[int] = []
    complete = False
    while not complete:
        request = {"type": "sync", "id": new_id(), "conversation_id": conversation_id}
        await wire.send(request | {"after_rev": after, "limit": limit})
        page = await wire.expect("sync_page")
        has(page, ("re", "conversation_id", "messages", "members", "rev", "complete"), "a page")
        equal(page["re"], request["id"], "re")
        that(len(page["messages"]) <= limit, f"a page of {len(page['messages'])}")
        revs = [message["rev"] for message in page["messages"]]
        equal(revs, sorted(revs), "the order of a page")
        that(all("type" not in message for message in page["messages"]), "messages have a type")
        that(page["complete"] or page["rev"] > after, f"rev {page['rev']} does not move on")
        seqs += [message["seq"] for message in page["messages"]]
        after, complete = page["rev"], page["complete"]
    return seqs


async def _check_backwards(wire: Wire, conversation_id: str) -> None:
    before, complete = MISSED + 1, False
    seqs: list[int] = []
    while not complete:
        request = {"type": "sync", "id": new_id(), "conversation_id": conversation_id}
        await wire.send(request | {"before_seq": before, "limit": 100})
        page = await wire.expect("sync_page")
        came = [message["seq"] for message in page["messages"]]
        equal(came, sorted(came), "the order of a page")
        seqs = came + seqs
        complete = page["complete"]
        equal(page["rev"], MISSED, "the head in a page with before_seq")
        before = seqs[0]
    equal(seqs, list(range(1, MISSED + 1)), "all pages backwards")
