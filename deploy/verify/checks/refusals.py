"""Bad input on the socket: each gets its code, and the socket goes on."""

import asyncio

from deploy.verify.check import Lane, equal, error, that
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Frame, Wire

LANE = Lane("refusals")


async def _refused(wire: Wire, frame: Frame, code: str) -> None:
    """Send a frame that must be refused with `code` as the answer to its id."""
    frame = {"id": new_id()} | frame
    await wire.send(frame)
    error(await wire.expect("error"), code, frame["id"])


@LANE.check("malformed messages are invalid")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, _two):
        to = {"type": "message", "to": ben.username}
        for frame in (
            {"type": "message", "content": "to nobody"},
            to,
            to | {"content": 5},
            to | {"content": None},
            to | {"content": ["a"]},
            {"type": "message", "to": 7, "content": "x"},
            {"type": "message", "to": ann.username, "content": "to myself"},
        ):
            await _refused(one, frame, "invalid")
        await stage.say(one, ben, "the socket goes on")


@LANE.check("a message without a valid id is invalid, without re")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, _two):
        for message_id in ("", "x" * 65, "white space", "ünd", 5, None, "a.b", "a*"):
            frame = {"type": "message", "id": message_id, "to": ben.username, "content": "x"}
            await one.send(frame)
            error(await one.expect("error"), "invalid", None)
        await one.send({"type": "message", "to": ben.username, "content": "x"})
        error(await one.expect("error"), "invalid", None)
        ack = await stage.say(one, ben, "the first that counts")
        equal(ack["seq"], 1, "the seq of the first message")


@LANE.check("an unknown user and somebody else's conversation are not_found")
async def _(stage: Stage) -> None:
    eve = stage.stranger
    async with stage.live_pair() as (_, one, ben, _two), stage.live(eve) as stranger:
        ack = await stage.say(one, ben, "a secret")
        theirs = {"conversation_id": ack["conversation_id"]}
        await _refused(stranger, {"type": "message", "content": "x"} | theirs, "not_found")
        await _refused(stranger, {"type": "sync", "after_rev": 0, "limit": 10} | theirs, "not_found")
        receipt = {"type": "read_receipt", "state": "read", "up_to_seq": 1}
        await stranger.send(receipt | theirs)
        equal((await stranger.expect("error"))["code"], "not_found", "the code for a receipt")
        unknown = {"conversation_id": "dnosuchconversation"}
        await _refused(stranger, {"type": "message", "content": "x"} | unknown, "not_found")
        nobody = {"type": "message", "to": "nobody_here", "content": "x"}
        await _refused(stranger, nobody, "not_found")


@LANE.check("content over 8,000 characters is too_large, and leaves nothing behind")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, _two):
        await _refused(one, {"type": "message", "to": ben.username, "content": "x" * 8001}, "too_large")
        page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
        equal(page["messages"], [], "the history after a refused first message")
        equal((await stage.say(one, ben, "x" * 8000))["seq"], 1, "the seq of the first message")


@LANE.check("an unknown type is unknown_type")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.live(ann) as wire:
        for _turn in range(4):
            await _refused(wire, {"type": "telegram"}, "unknown_type")
        await wire.send({"type": "ping", "n": 3})
        equal((await wire.expect("pong"))["n"], 3, "the pong")


@LANE.check("malformed receipts and syncs are invalid")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, _two):
        ack = await stage.say(one, ben, "x")
        mine = {"conversation_id": ack["conversation_id"]}
        for frame in (
            {"type": "sync", "after_rev": 0, "limit": 201} | mine,
            {"type": "sync", "after_rev": 0, "limit": 0} | mine,
            {"type": "sync", "after_rev": -1, "limit": 10} | mine,
            {"type": "sync", "after_rev": "0", "limit": 10} | mine,
            {"type": "sync", "limit": 10} | mine,
            {"type": "sync", "after_rev": 0, "limit": 10},
        ):
            await _refused(one, frame, "invalid")
        for frame in (
            {"type": "read_receipt", "state": "eaten", "up_to_seq": 1} | mine,
            {"type": "read_receipt", "state": "read", "up_to_seq": "1"} | mine,
            {"type": "read_receipt", "state": "read"} | mine,
            {"type": "read_receipt", "state": "read", "up_to_seq": 1},
        ):
            await one.send(frame)
            equal((await one.expect("error"))["code"], "invalid", f"the code of {frame}")


@LANE.check("two protocol errors are answered, the third within a minute closes 4400")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    for bad in (
        (b"\x00binary", "not json", "[1, 2]"),
        ('{"no":"type"}', '{"type":5}', '"text"'),
    ):
        async with stage.live(ann) as wire:
            for data in bad[:2]:
                await wire.send_raw(data)
                error(await wire.expect("error"), "invalid", None)
            await wire.send({"type": "ping", "n": 1})
            await wire.expect("pong")
            await wire.send_raw(bad[2])
            equal((await wire.closing()).code, 4400, f"the close code after {bad[2]!r}")


@LANE.check("anything but hello first is a protocol error, and hello still works after it")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.dial(ann) as wire:
        for _turn in range(2):
            await wire.send({"type": "ping", "n": 1})
            equal((await wire.expect("error"))["code"], "invalid", "the code")
        await wire.hello(new_id())
    async with stage.dial(ann) as wire:
        for _turn in range(3):
            await wire.send({"type": "ping", "n": 1})
        equal((await wire.closing()).code, 4400, "the close code")


@LANE.check("hello of another version gets 4426")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.dial(ann) as wire:
        await wire.send({"type": "hello", "v": 99, "device_id": new_id()})
        equal((await wire.closing()).code, 4426, "the close code")


@LANE.check("a frame over its limit closes 4413 or 1009")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    async with stage.live(ann) as wire, stage.live(ann) as other:
        await wire.send({"type": "ping", "n": 1, "padding": "x" * 132_000})
        closed = await wire.closing()
        that(closed.code in {4413, 1009}, f"closed with {closed.code}")
        await other.send({"type": "ping", "n": 2})
        await other.expect("pong")


@LANE.check("messages over the rate are rate_limited, retryable, later let through", needs_limits=True)
async def _(stage: Stage) -> None:
    ann, ben = await stage.new_account("ann"), await stage.guest()
    async with stage.live(ann) as one:
        frames = [
            {"type": "message", "id": new_id(), "to": ben.username, "content": f"burst {number}"}
            for number in range(40)
        ]
        for frame in frames:
            await one.send(frame)
        answers = [await _next_answer(one) for _ in frames]
        refused = [answer for answer in answers if answer["type"] == "error"]
        that(refused, "40 messages at once were all let through")
        that(len(refused) <= 20, f"only {40 - len(refused)} of a burst of 20 were let through")
        for answer in refused:
            equal((answer["code"], answer["retryable"]), ("rate_limited", True), "the refusal")
            that(answer.get("retry_after_ms", 0) > 0, "there is no retry_after_ms")
        await asyncio.sleep(max(answer["retry_after_ms"] for answer in refused) / 1000)
        late = next(frame for frame in frames if frame["id"] == refused[0]["re"])
        await one.send(late)
        equal((await _next_answer(one))["type"], "ack", "the answer after retry_after_ms")


async def _next_answer(wire: Wire) -> Frame:
    while True:
        frame = await wire.receive(timeout_s=10)
        if frame["type"] in {"ack", "error"}:
            return frame
