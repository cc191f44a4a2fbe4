"""A message over the socket: stored, answered, received; once, whatever is repeated."""

import asyncio
import re

from deploy.verify.check import Lane, equal, error, has, that
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Frame, Wire

LANE = Lane("messages")
ACK = (
    "re",
    "message_id",
    "conversation_id",
    "seq",
    "rev",
    "status",
    "sent_at",
    "duplicate",
)
MESSAGE = (
    "message_id",
    "conversation_id",
    "seq",
    "rev",
    "sender",
    "content",
    "content_type",
    "sent_at",
)
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@LANE.check("the example of the page, frame by frame")
async def _(stage: Stage) -> None:
    ann, ben = await stage.new_account("ann"), await stage.guest()
    async with stage.dial(ann) as one, stage.live(ben) as two:
        equal(one.connection.subprotocol, "parley.v1.json", "the subprotocol")
        await one.send({"type": "hello", "v": 1, "device_id": "ann-laptop", "cursors": {}})
        _check_welcome(await one.receive(), ann.username)
        caught_up = await one.receive()
        equal(caught_up["type"], "caught_up", "the second frame")
        equal((caught_up["replayed"], caught_up["cursors"]), (0, {}), "what was missed")
        await one.send({"type": "message", "id": "01JD8ZK3V7", "to": ben.username, "content": "hi"})
        ack = await one.receive()
        equal(ack["type"], "ack", "the answer")
        has(ack, ACK, "the ack")
        given = {key: ack[key] for key in ("re", "seq", "rev", "status", "duplicate")}
        want = {"re": "01JD8ZK3V7", "seq": 1, "rev": 1, "status": "sent", "duplicate": False}
        equal(given, want, "the ack")
        that(TIME.fullmatch(ack["sent_at"]), f"sent_at is {ack['sent_at']}")
        that(ID.fullmatch(ack["message_id"]), f"message_id is {ack['message_id']}")
        that(ID.fullmatch(ack["conversation_id"]), f"conversation_id is {ack['conversation_id']}")
        message = await two.expect("message")
        has(message, MESSAGE, "the message")
        for key in ("message_id", "conversation_id", "seq", "rev", "sent_at"):
            equal(message[key], ack[key], f"{key} of the message")
        equal(message["sender"], ann.username, "the sender")
        equal((message["content"], message["content_type"]), ("hi", "text/plain"), "the content")
        that("id" not in message, "the recipient was told the sender's id")
        await _deliver(two, ack["conversation_id"], 1)
        for wire in (one, two):
            receipt = await wire.expect("read_receipt")
            has(receipt, ("conversation_id", "user", "state", "up_to_seq", "at"), "the receipt")
            got = (receipt["user"], receipt["state"], receipt["up_to_seq"])
            equal(got, (ben.username, "delivered", 1), "the receipt")
        await two.send({"type": "message", "id": "x", "to": "nobody_here", "content": "?"})
        refused = await two.expect("error")
        error(refused, "not_found", "x")
        that(refused["retryable"] is False, "not_found is retryable")


def _check_welcome(welcome: Frame, username: str) -> None:
    equal(welcome["type"], "welcome", "the first frame")
    has(
        welcome,
        ("session_id", "user", "epoch", "heartbeat_ms", "limits", "server_time"),
        "welcome",
    )
    has(welcome["user"], ("id", "username", "display_name"), "the user in welcome")
    equal(welcome["user"]["username"], username, "the user in welcome")
    equal(welcome["heartbeat_ms"], 20_000, "heartbeat_ms")
    that(TIME.fullmatch(welcome["server_time"]), f"server_time is {welcome['server_time']}")


async def _deliver(wire: Wire, conversation_id: str, seq: int) -> None:
    await wire.send(
        {
            "type": "read_receipt",
            "conversation_id": conversation_id,
            "state": "delivered",
            "up_to_seq": seq,
        }
    )


@LANE.check("a message goes to every other device, the sender's with its id, not to the sending one")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two), stage.live(ann) as tablet, stage.live(ben) as phone:
        ack = await stage.say(one, ben, "to all my devices")
        for wire in (two, phone):
            message = await wire.expect("message")
            equal(message["message_id"], ack["message_id"], "the message of the recipient")
            that("id" not in message, "the recipient was told the sender's id")
        copy = await tablet.expect("message")
        equal(copy.get("id"), ack["re"], "the id on the sender's other device")
        rest = [frame for frame in await one.quiet() if frame["type"] == "message"]
        equal(rest, [], "what the sending device got")


@LANE.check("a repeat gets the first answer with duplicate true, and nobody else hears of it")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two), stage.live(ann) as tablet:
        first = await stage.say(one, ben, "once")
        await two.expect("message")
        await tablet.expect("message")
        await one.send({"type": "message", "id": first["re"], "to": ben.username, "content": "once"})
        again = await one.expect("ack")
        equal(again, first | {"duplicate": True}, "the answer to the repeat")
        by_id = {"conversation_id": first["conversation_id"], "content": "once"}
        await tablet.send({"type": "message", "id": first["re"]} | by_id)
        from_tablet = await tablet.expect("ack")
        equal(from_tablet, first | {"duplicate": True}, "the answer on another device")
        for wire in (one, two, tablet):
            frames = [frame["type"] for frame in await wire.quiet(0.3)]
            that("message" not in frames and "ack" not in frames, f"the repeat made {frames}")


@LANE.check("the same id with another request is id_conflict, over all conversations")
async def _(stage: Stage) -> None:
    cas = stage.stranger
    async with stage.live_pair() as (_, one, ben, _two):
        first = await stage.say(one, ben, "the first request")
        for request in (
            {"to": ben.username, "content": "another content"},
            {"to": cas.username, "content": "the first request"},
            {
                "to": ben.username,
                "content": "the first request",
                "reply_to": first["message_id"],
            },
        ):
            await one.send({"type": "message", "id": first["re"]} | request)
            error(await one.expect("error"), "id_conflict", first["re"])
        await stage.say(one, ben, "the socket goes on")


@LANE.check("of two requests at once under one id exactly one is stored")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    async with stage.live(ann) as one, stage.live(ann) as two:
        for turn in range(3):
            shared = new_id()
            frames = [
                {"type": "message", "id": shared, "to": ben.username, "content": f"{turn} {side}"}
                for side in ("left", "right")
            ]
            await asyncio.gather(one.send(frames[0]), two.send(frames[1]))
            answers = [await _answer(wire, shared) for wire in (one, two)]
            kinds = sorted(str(answer["type"]) for answer in answers)
            equal(kinds, ["ack", "error"], "the answers to both")
            refused = next(answer for answer in answers if answer["type"] == "error")
            equal(refused["code"], "id_conflict", "the refusal")
            stored = next(answer for answer in answers if answer["type"] == "ack")
            equal(stored["seq"], turn + 1, "the seq")


@LANE.check("ten repeats at once are one message")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    async with stage.live(ann) as one:
        frame = {"type": "message", "id": new_id(), "to": ben.username, "content": "ten times"}
        await asyncio.gather(*(one.send(frame) for _ in range(10)))
        answers = [await one.expect("ack") for _ in range(10)]
        equal({answer["message_id"] for answer in answers}, {answers[0]["message_id"]}, "the ids")
        equal({answer["seq"] for answer in answers}, {1}, "the seqs")
        equal(sorted(answer["duplicate"] for answer in answers), [False, *[True] * 9], "duplicate")


@LANE.check("messages sent without waiting keep their order")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        for number in range(15):
            text = f"number {number}"
            await one.send({"type": "message", "id": new_id(), "to": ben.username, "content": text})
        acks = [await one.expect("ack") for _ in range(15)]
        equal([ack["seq"] for ack in acks], list(range(1, 16)), "the seqs of the acks")
        came = [await two.expect("message") for _ in range(15)]
        equal([frame["content"] for frame in came], [f"number {n}" for n in range(15)], "the order")


@LANE.check("content comes back as it was: 8,000 code points, any script, line ends, JSON escapes")
async def _(stage: Stage) -> None:
    texts = ["😀" * 8000, 'a\r\nb\tc\u2028d \\ " </script>', "שלום 你好 e\u0301 \ufeff", " x "]
    async with stage.live_pair() as (_, one, ben, two):
        for text in texts:
            await stage.say(one, ben, text)
            message = await two.expect("message")
            that(message["content"] == text, f"{text[:20]!r} came as {message['content'][:20]!r}")


@LANE.check("U+0000 and a lone surrogate are kept or refused, and the socket goes on")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        for escaped in ("a\\u0000b", "a\\ud800b"):
            message_id = new_id()
            await one.send_raw(f'{{"type":"message","id":"{message_id}","to":"{ben.username}","content":"{escaped}"}}')
            answer = await _answer(one, message_id)
            if answer["type"] == "error":
                equal(answer["code"], "invalid", f"the refusal of {escaped}")
            else:
                came = await two.expect("message")
                that(len(came["content"]) == 3, f"{escaped} came as {came['content']!r}")
        await stage.say(one, ben, "the socket goes on")
        equal((await two.expect("message"))["content"], "the socket goes on", "the next message")


@LANE.check("unknown fields are ignored")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (_, one, ben, two):
        ack = await stage.say(one, ben, "extra", colour="red", seq=99, sender=ben.username)
        equal(ack["seq"], 1, "the seq")
        message = await two.expect("message")
        that(message["sender"] != ben.username, "the sender was taken from the frame")
        that("colour" not in message, "an unknown field was passed on")


async def _answer(wire: Wire, message_id: str) -> Frame:
    while True:
        frame = await wire.receive()
        if frame["type"] in {"ack", "error"} and frame.get("re") == message_id:
            return frame
