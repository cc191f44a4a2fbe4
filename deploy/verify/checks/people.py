"""People: found by name, blocked, and what each lets others see."""

from typing import Any

from deploy.verify.check import Lane, equal, error, has, problem, status, that
from deploy.verify.checks.presence import becomes, quiet_about, watch
from deploy.verify.checks.typists import types
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Wire

LANE = Lane("people")
BLOCKS = Lane("blocks")
ME = "/api/v1/me"
SETTINGS = {"read_receipts", "typing", "last_seen"}


async def _found(stage: Stage, account: Account, query: str) -> list[dict[str, Any]]:
    response = await stage.get(account, "/api/v1/users", q=query)
    status(response, 200)
    has(response.json(), ("items", "next", "prev"), "the list")
    items: list[dict[str, Any]] = response.json()["items"]
    return items


@LANE.check("search finds by the beginning of a name, from two letters on, at most twenty")
async def _(stage: Stage) -> None:
    ann, zoe = await stage.user("ann"), await stage.user("zoe")
    for query in (zoe.username, zoe.username[:-2], zoe.username.upper()):
        items = await _found(stage, ann, query)
        that(zoe.username in {found["username"] for found in items}, f"{query} finds {items}")
        for found in items:
            has(found, ("username", "display_name"), "a user")
            that("password" not in str(found), f"a user has {found}")
    that(len(await _found(stage, ann, "gu")) <= 20, "more than twenty")
    equal(await _found(stage, ann, "nobody_is_called_so"), [], "what an unknown name finds")
    for bad in ("", "z"):
        problem(await stage.get(ann, "/api/v1/users", q=bad), 400, "invalid")
    problem(await stage.get(ann, "/api/v1/users"), 400, "invalid")
    for odd in ("%%", "__", "a%", "' or 1=1", "\\\\", "zo\x00"):
        response = await stage.get(ann, "/api/v1/users", q=odd)
        that(response.status_code in {200, 400}, f"{odd!r} got {response.status_code}")
        names = [] if response.status_code == 400 else [found["username"] for found in response.json()["items"]]
        that(zoe.username not in names, f"{odd!r} finds {names}")
    problem(await stage.http.get("/api/v1/users?q=zoe"), 401, "unauthenticated")


@LANE.check("GET and PATCH me: display name and settings, each by itself, told at the next welcome")
async def _(stage: Stage) -> None:
    ann, zoe = await stage.user("ann"), await stage.user("zoe")
    user = (await stage.get(zoe, ME)).json()["user"]
    has(user, ("id", "username", "display_name", "settings"), "the user")
    equal(user["settings"], dict.fromkeys(SETTINGS, True), "the settings at first")
    changed = await stage.patch(zoe, ME, {"display_name": "Zoë Ω"})
    status(changed, 200)
    equal(changed.json()["user"]["display_name"], "Zoë Ω", "the new name")
    want = dict.fromkeys(SETTINGS, True)
    for name in sorted(SETTINGS):
        changed = await stage.patch(zoe, ME, {"settings": {name: False}})
        status(changed, 200)
        want[name] = False
        equal(changed.json()["user"]["settings"], want, f"the settings without {name}")
    equal((await stage.get(zoe, ME)).json()["user"]["settings"], want, "the settings then")
    status(await stage.patch(zoe, ME, {"settings": dict.fromkeys(SETTINGS, True)}), 200)
    async with stage.dial(zoe) as wire:
        welcome, _, _ = await wire.hello(new_id())
        equal(welcome["user"]["display_name"], "Zoë Ω", "the name in welcome")
    found = {each["username"]: each["display_name"] for each in await _found(stage, ann, zoe.username)}
    equal(found.get(zoe.username), "Zoë Ω", "the name that others find")
    for bad in ({"settings": {"typing": "no"}}, {"settings": 5}, {"display_name": 5}, {"display_name": "x" * 500}, [1]):
        problem(await stage.patch(zoe, ME, bad), 400, "invalid")


async def _reads(wire: Wire, conversation_id: str, seq: int, state: str = "read") -> None:
    frame = {"type": "read_receipt", "conversation_id": conversation_id, "up_to_seq": seq}
    await wire.send(frame | {"state": state})


@LANE.check("without read receipts others see delivered only, the own devices read")
async def _(stage: Stage) -> None:
    ann, shy = await stage.user("ann"), await stage.user("shy")
    status(await stage.patch(shy, ME, {"settings": {"read_receipts": False}}), 200)
    async with stage.live(ann) as one, stage.live(shy) as two, stage.live(shy) as phone:
        ack = await stage.say(one, shy, "did you read this?")
        talk = ack["conversation_id"]
        await _reads(two, talk, 1)
        for wire in (two, phone):
            await wire.expect("read_receipt", lambda f: (f["user"], f["state"]) == (shy.username, "read"))
        await one.expect("read_receipt", lambda f: (f["user"], f["state"]) == (shy.username, "delivered"))
        seen = [frame for frame in await one.quiet(0.5) if frame["type"] == "read_receipt"]
        equal([frame for frame in seen if frame["state"] == "read"], [], "what the sender saw")
        answer = await stage.say(two, ann, "with seen_seq", seen_seq=1)
        equal(answer["seq"], 2, "the seq of the answer")
        seen = [frame for frame in await one.quiet(0.5) if frame["type"] == "read_receipt"]
        equal([frame for frame in seen if frame["state"] == "read"], [], "what seen_seq told")
    async with stage.dial(ann) as tablet:
        _, replay, _ = await tablet.hello("tablet", cursors={talk: ack["rev"]})
        told = [frame for frame in replay if frame["type"] == "read_receipt" and frame["user"] == shy.username]
        equal({frame["state"] for frame in told}, {"delivered"}, "the cursors in the replay")
    page = (await stage.get(ann, f"/messages/history/{shy.username}/")).json()
    equal((page["peer"]["read_seq"], page["peer"]["read_at"]), (0, None), "the peer's read cursor")
    equal((page["messages"][0]["status"], page["messages"][0]["read_at"]), ("delivered", None), "the message")
    equal(
        (await stage.get(ann, f"/api/v1/messages/{ack['message_id']}/status")).json()["status"], "delivered", "status"
    )
    receipts = (await stage.get(ann, f"/api/v1/messages/{ack['message_id']}/receipts")).json()["items"]
    equal([(each["user"], each["read_at"]) for each in receipts], [(shy.username, None)], "the receipts")
    that(receipts[0]["delivered_at"], "no delivered_at")
    listed = (await stage.get(ann, f"/api/v1/conversations/{talk}")).json()
    equal((listed["peer"]["read_seq"], listed["peer"]["delivered_seq"] >= 1), (0, True), "the peer in the list")
    polled = (await stage.post(ann, "/api/v1/sync", {"cursors": {talk: 0}})).json()
    members = {each["username"]: each["read_seq"] for each in polled["conversations"][0]["members"]}
    equal(members[shy.username], 0, "the peer by POST /sync")
    own = (await stage.get(shy, f"/api/v1/conversations/{talk}")).json()
    equal((own["unread"], own["read_seq"]), (0, 1), "the own view")


@BLOCKS.check("while either blocks, neither's messages are taken, by socket and by HTTP; unblocked, they are")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        talk = (await stage.say(one, ben, "before"))["conversation_id"]
        await two.expect("message")
        path = f"/api/v1/users/{ben.username}/block"
        for _turn in range(2):
            status(await stage.put(ann, path, None), 204)
        for wire, to in ((one, ben), (two, ann)):
            for where in ({"to": to.username}, {"conversation_id": talk}):
                frame = {"type": "message", "id": new_id(), "content": "blocked?"}
                await wire.send(frame | where)
                error(await wire.expect("error"), "blocked", frame["id"])
        for sender, to in ((ann, ben), (ben, ann)):
            for kind in ("send", "queue"):
                refused = await stage.post(sender, f"/messages/{kind}/{to.username}/", {"content": "blocked?"})
                problem(refused, 403, "blocked")
            page = (await stage.get(sender, f"/messages/history/{to.username}/")).json()
            equal([message["content"] for message in page["messages"]], ["before"], "the history")
        marks = [(await stage.get(each, f"/api/v1/conversations/{talk}")).json()["blocked"] for each in (ann, ben)]
        equal(marks, [True, False], "`blocked` for who blocks and for the other one")
        for _turn in range(2):
            status(await stage.delete(ann, path), 204)
        equal((await stage.say(two, ann, "after"))["seq"], 2, "the seq after the block")
        equal((await one.expect("message"))["content"], "after", "what arrived")


@BLOCKS.check("a block ends presence and typing both ways at once, and an end of it brings them back")
async def _(stage: Stage) -> None:
    ann, ben = await stage.friends()
    async with stage.live(ann) as one, stage.live(ben) as two:
        for wire, other in ((one, ben), (two, ann)):
            equal((await watch(wire, other))[0]["status"], "online", "the status before")
        status(await stage.put(ann, f"/api/v1/users/{ben.username}/block", None), 204)
        for wire, other in ((one, ben), (two, ann)):
            gone = await becomes(wire, other, "offline")
            that("last_seen" not in gone, f"a block shows {gone}")
        for wire, other, own in ((one, ben, ann), (two, ann, ben)):
            await types(wire, to=other.username)
            await wire.send({"type": "user_status", "status": "away"})
            answer = (await stage.get(own, f"/api/v1/users/{other.username}/presence")).json()
            equal((answer["status"], answer.get("last_seen")), ("offline", None), "the presence by HTTP")
        for wire, other in ((one, ben), (two, ann)):
            frames = [frame for frame in await wire.quiet(0.7) if frame["type"] in {"typing", "user_status"}]
            equal(frames, [], "what is heard across a block")
            await wire.send({"type": "user_status", "status": "online"})
            await quiet_about(wire, other, 0.3)
        status(await stage.delete(ann, f"/api/v1/users/{ben.username}/block"), 204)
        for wire, other in ((one, ben), (two, ann)):
            await wire.send({"type": "user_status", "unwatch": [other.username]})
            equal((await watch(wire, other))[0]["status"], "online", "the status after")


@BLOCKS.check("blocks are listed for oneself alone; oneself is invalid, an unknown user 404")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    equal(await _blocked(stage, ann), [], "the blocks at first")
    status(await stage.put(ann, f"/api/v1/users/{ben.username}/block", None), 204)
    equal(await _blocked(stage, ann), [ben.username], "the blocks")
    equal(await _blocked(stage, ben), [], "the blocks of the other one")
    problem(await stage.post(ben, f"/messages/send/{ann.username}/", {"content": "a first message"}), 403, "blocked")
    page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
    equal(page["messages"], [], "the history after a refused first message")
    status(await stage.delete(ann, f"/api/v1/users/{ben.username}/block"), 204)
    equal(await _blocked(stage, ann), [], "the blocks at last")
    problem(await stage.put(ann, f"/api/v1/users/{ann.username}/block", None), 400, "invalid")
    problem(await stage.put(ann, "/api/v1/users/nobody_here/block", None), 404, "not_found")
    status(await stage.post(ben, f"/messages/send/{ann.username}/", {"content": "a first message"}), 201)


async def _blocked(stage: Stage, account: Account) -> list[str]:
    response = await stage.get(account, "/api/v1/me/blocks")
    status(response, 200)
    has(response.json(), ("items", "next", "prev"), "the list")
    return [item["username"] for item in response.json()["items"]]
