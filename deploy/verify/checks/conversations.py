"""The list of conversations: newest first, with the last message, what is unread, and what one keeps for oneself."""

from typing import Any

import httpx

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage

LANE = Lane("conversations")
PATH = "/api/v1/conversations"
ITEM = (
    *("conversation_id", "kind", "rev", "last_seq", "last_message", "unread", "first_unread_seq"),
    *("delivered_seq", "read_seq", "members", "peer", "muted", "pinned", "archived", "draft", "blocked"),
)
MEMBER = ("username", "display_name", "delivered_seq", "read_seq")


async def listed(stage: Stage, account: Account) -> list[dict[str, Any]]:
    """Return the first page of a user's list."""
    response = await stage.get(account, PATH)
    status(response, 200)
    has(response.json(), ("items", "next", "prev"), "the list")
    items: list[dict[str, Any]] = response.json()["items"]
    for item in items:
        has(item, ITEM, "an item")
    return items


async def item(stage: Stage, account: Account, conversation_id: str) -> dict[str, Any]:
    """Return one conversation as a user sees it, by itself and in the list."""
    response = await stage.get(account, f"{PATH}/{conversation_id}")
    status(response, 200)
    one: dict[str, Any] = response.json()
    in_list = [each for each in await listed(stage, account) if each["conversation_id"] == conversation_id]
    equal(in_list, [one], "the conversation in the list")
    return one


def _is_success(response: httpx.Response) -> None:
    that(response.is_success, f"{response.request.url.path}: {response.status_code}: {response.text}")


@LANE.check("the one with the newest message comes first, with that message; a new user's list is empty")
async def _(stage: Stage) -> None:
    ann, ben, cas = await stage.new_account("ann"), await stage.guest(), await stage.guest()
    equal(await listed(stage, ann), [], "the list of a new user")
    first = (await stage.talk(ann, ben))["conversation_id"]
    second = (await stage.talk(cas, ann))["conversation_id"]
    equal([each["conversation_id"] for each in await listed(stage, ann)], [second, first], "the order")
    answer = await stage.talk(ben, ann)
    items = await listed(stage, ann)
    equal([each["conversation_id"] for each in items], [first, second], "the order after a new message")
    newest = items[0]
    equal((newest["kind"], newest["last_seq"], newest["rev"]), ("direct", 2, 2), "the first")
    last = newest["last_message"]
    got = (last["message_id"], last["seq"], last["sender"], last["content"])
    equal(got, (answer["message_id"], 2, ben.username, "1"), "its last message")
    equal(newest["peer"]["username"], ben.username, "its peer")


@LANE.check("unread is counted: after read_seq, not sent by me")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    talk = (await stage.talk(ann, ben, 3))["conversation_id"]
    one = await item(stage, ben, talk)
    equal((one["unread"], one["first_unread_seq"], one["read_seq"]), (3, 1, 0), "after three of the other's")
    await stage.talk(ben, ann, 2)
    one = await item(stage, ben, talk)
    equal((one["unread"], one["first_unread_seq"]), (3, 1), "after two own ones")
    await stage.talk(ann, ben, 2)
    _is_success(await stage.put(ben, f"{PATH}/{talk}/cursor", {"read_seq": 2}))
    one = await item(stage, ben, talk)
    got = tuple(one[name] for name in ("unread", "first_unread_seq", "read_seq", "delivered_seq"))
    equal(got[:3], (3, 3, 2), "after two were read")
    that(got[3] >= 2, f"delivered_seq is {got[3]}")
    other = await item(stage, ann, talk)
    equal((other["unread"], other["first_unread_seq"]), (2, 4), "for the other one")
    _is_success(await stage.put(ben, f"{PATH}/{talk}/cursor", {"read_seq": 7}))
    one = await item(stage, ben, talk)
    equal((one["unread"], one["first_unread_seq"]), (0, None), "after all was read")


@LANE.check("members and peer carry how far they are")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    talk = (await stage.talk(ann, ben, 4))["conversation_id"]
    _is_success(await stage.put(ben, f"{PATH}/{talk}/cursor", {"delivered_seq": 3, "read_seq": 2}))
    one = await item(stage, ann, talk)
    has(one["peer"], MEMBER, "the peer")
    got = (one["peer"]["username"], one["peer"]["delivered_seq"], one["peer"]["read_seq"])
    equal(got, (ben.username, 3, 2), "the peer")
    equal(one["last_message"]["status"], "sent", "the status of the last message")
    equal({member["username"] for member in one["members"]}, {ann.username, ben.username}, "the members")
    for member in one["members"]:
        has(member, MEMBER, "a member")
    _is_success(await stage.put(ben, f"{PATH}/{talk}/cursor", {"delivered_seq": 4}))
    equal((await item(stage, ann, talk))["last_message"]["status"], "delivered", "the status then")


@LANE.check("mute, pin, archive and draft are kept for oneself, each by itself")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    talk = (await stage.talk(ann, ben))["conversation_id"]
    before = await item(stage, ann, talk)
    names = ("muted", "pinned", "archived", "draft")
    equal(tuple(before[name] for name in names), (False, False, False, ""), "the settings at first")
    want = {name: before[name] for name in names}
    for change in ({"muted": True}, {"pinned": True}, {"draft": "see you 😀\n"}, {"archived": True}, {"muted": False}):
        _is_success(await stage.patch(ann, f"{PATH}/{talk}/me", change))
        want |= change
        response = await stage.get(ann, f"{PATH}/{talk}")
        equal({name: response.json()[name] for name in names}, want, f"the settings after {change}")
    equal({name: (await item(stage, ben, talk))[name] for name in names}, {name: before[name] for name in names}, "his")
    _is_success(await stage.patch(ann, f"{PATH}/{talk}/me", {"archived": False, "draft": ""}))
    equal((await item(stage, ann, talk))["draft"], "", "the cleared draft")


@LANE.check("strangers get 404, bad input 400, and nobody 401")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    eve = stage.stranger
    talk = (await stage.talk(ann, ben))["conversation_id"]
    for unknown in (talk, "dnosuchconversation"):
        problem(await stage.get(eve, f"{PATH}/{unknown}"), 404, "not_found")
        problem(await stage.patch(eve, f"{PATH}/{unknown}/me", {"muted": True}), 404, "not_found")
    equal([each["conversation_id"] for each in await listed(stage, eve)], [], "a stranger's list")
    for bad in ({"muted": "yes"}, {"draft": 5}, {"pinned": 1}, [1], "x"):
        problem(await stage.patch(ann, f"{PATH}/{talk}/me", bad), 400, "invalid")
    problem(await stage.patch(ann, f"{PATH}/{talk}/me", {"draft": "x" * 8001}), 413, "too_large")
    problem(await stage.http.get(PATH), 401, "unauthenticated")


@LANE.check("pages of the list are linked, without overlap or hole")
async def _(stage: Stage) -> None:
    ann = await stage.new_account("ann")
    talks = [(await stage.talk(await stage.guest(), ann))["conversation_id"] for _turn in range(5)]
    response = await stage.get(ann, PATH, page_size=2)
    seen: list[str] = []
    for _turn in range(5):
        status(response, 200)
        seen += [each["conversation_id"] for each in response.json()["items"]]
        if response.json()["next"] is None:
            break
        response = await stage.http.get(response.links["next"]["url"], headers=ann.headers)
    equal(seen, talks[::-1], "the union of the pages")
    problem(await stage.get(ann, PATH, cursor="!!"), 400, "invalid")
    problem(await stage.get(ann, PATH, page_size=0), 400, "invalid")
