"""History over HTTP: pages both ways, without overlap or hole."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.deployment import Account
from deploy.verify.stage import Stage

LANE = Lane("pages")
COUNT = 16
PAGE = ("conversation_id", "messages", "next", "prev", "has_more", "first_unread_seq", "peer")


async def _talk(stage: Stage) -> tuple[Account, Account, list[str]]:
    """Make a conversation of sixteen messages, once; return the ids in order."""
    ann, ben = await stage.user("ann"), await stage.user("ben")
    path = f"/messages/history/{ben.username}/"
    page = (await stage.get(ann, path, page_size=200)).json()
    for number in range(len(page["messages"]), COUNT):
        sender, to = (ann, ben) if number % 2 == 0 else (ben, ann)
        await stage.post(sender, f"/messages/send/{to.username}/", {"content": f"{number + 1}"})
    page = (await stage.get(ann, path, page_size=200)).json()
    return ann, ben, [message["message_id"] for message in page["messages"]]


def _seqs(response: httpx.Response) -> list[int]:
    status(response, 200)
    messages: list[dict[str, Any]] = response.json()["messages"]
    return [message["seq"] for message in messages]


@LANE.check("the newest page, with and without the last slash, oldest first")
async def _(stage: Stage) -> None:
    ann, ben, _ids = await _talk(stage)
    for slash in ("/", ""):
        response = await stage.get(ann, f"/messages/history/{ben.username}{slash}", page_size=5)
        equal(_seqs(response), [12, 13, 14, 15, 16], "the seqs")
        body = response.json()
        has(body, PAGE, "the page")
        that(body["has_more"] is True, "has_more is not true")
        has(body["peer"], ("username", "delivered_seq", "read_seq", "delivered_at", "read_at"), "peer")
        equal(body["peer"]["username"], ben.username, "the peer")
        fields = ("message_id", "seq", "rev", "sender", "content", "content_type", "sent_at")
        has(body["messages"][0], (*fields, "status", "delivered_at", "read_at"), "a message")


@LANE.check("page_size is 50 by default and 1 to 200, else invalid")
async def _(stage: Stage) -> None:
    ann, ben, _ids = await _talk(stage)
    path = f"/messages/history/{ben.username}/"
    equal(len(_seqs(await stage.get(ann, path))), COUNT, "the default page")
    equal(_seqs(await stage.get(ann, path, page_size=1)), [16], "a page of one")
    for bad in (0, 201, -1, "many"):
        problem(await stage.get(ann, path, page_size=bad), 400, "invalid")


@LANE.check("before, after and around a message")
async def _(stage: Stage) -> None:
    ann, ben, ids = await _talk(stage)
    path = f"/messages/history/{ben.username}/"
    before = await stage.get(ann, path, page_size=4, before=ids[7])
    equal(_seqs(before), [4, 5, 6, 7], "before 8")
    that(before.json()["has_more"] is True, "has_more before 8 is not true")
    first = await stage.get(ann, path, page_size=50, before=ids[3])
    equal((_seqs(first), first.json()["has_more"]), ([1, 2, 3], False), "before 4")
    equal(_seqs(await stage.get(ann, path, page_size=4, after=ids[7])), [9, 10, 11, 12], "after 8")
    around = _seqs(await stage.get(ann, path, page_size=5, around=ids[7]))
    that(8 in around and len(around) == 5, f"around 8 are {around}")
    equal(around, list(range(around[0], around[0] + 5)), "around 8")
    equal(around, [6, 7, 8, 9, 10], "around 8")
    for at, want in ((0, [1, 2, 3]), (15, [14, 15, 16])):
        seqs = _seqs(await stage.get(ann, path, page_size=5, around=ids[at]))
        that(set(want) <= set(seqs), f"around {at + 1} are {seqs}")
    equal(_seqs(await stage.get(ann, path, page_size=5, before=ids[0])), [], "before the first")
    equal(_seqs(await stage.get(ann, path, page_size=5, after=ids[-1])), [], "after the last")


@LANE.check("a page at a date")
async def _(stage: Stage) -> None:
    ann, ben, _ids = await _talk(stage)
    path = f"/messages/history/{ben.username}/"
    today = datetime.fromtimestamp(_clock(await stage.get(ann, path)), UTC).date()
    early = _seqs(await stage.get(ann, path, page_size=5, at=str(today - timedelta(days=2))))
    that(1 in early, f"at a date before all messages came {early}")
    late = _seqs(await stage.get(ann, path, page_size=5, at=str(today + timedelta(days=2))))
    that(not late or COUNT in late, f"at a date after all messages came {late}")
    problem(await stage.get(ann, path, at="someday"), 400, "invalid")


def _clock(response: httpx.Response) -> float:
    sent_at: str = response.json()["messages"][-1]["sent_at"]
    return datetime.fromisoformat(sent_at).timestamp()


@LANE.check("cursors and the Link header lead through the whole history, page by page")
async def _(stage: Stage) -> None:
    ann, ben, _ids = await _talk(stage)
    response = await stage.get(ann, f"/messages/history/{ben.username}/", page_size=5)
    seqs = _seqs(response)
    for _turn in range(10):
        older = await _older_by_link(stage, ann, response, below=seqs[0])
        if older is None:
            break
        seqs = _seqs(older) + seqs
        response = older
    equal(seqs, list(range(1, COUNT + 1)), "the union of the pages")
    that(response.json()["has_more"] is False, "has_more of the last page is not false")


async def _older_by_link(stage: Stage, ann: Account, response: httpx.Response, *, below: int) -> httpx.Response | None:
    """Follow whichever of the links leads to older messages."""
    that(response.links or not response.json()["has_more"], "has_more without a Link header")
    for link in response.links.values():
        page = await stage.http.get(link["url"], headers=ann.headers)
        seqs = _seqs(page)
        if seqs and seqs[-1] < below:
            equal(seqs[-1], below - 1, "the end of the older page")
            return page
    that(not response.json()["has_more"], f"no link leads to older messages: {response.links}")
    return None


@LANE.check("load-older by cursor or message id, until it is empty")
async def _(stage: Stage) -> None:
    ann, ben, ids = await _talk(stage)
    path = f"/messages/load-older/{ben.username}"
    for slash in ("/", ""):
        older = await stage.get(ann, path + slash, before=ids[5], page_size=3)
        equal(_seqs(older), [3, 4, 5], "before 6")
        has(older.json(), PAGE, "the page")
    newest = (await stage.get(ann, f"/messages/history/{ben.username}/", page_size=4)).json()
    cursors = [newest[name] for name in ("next", "prev") if newest[name]]
    that(cursors, "has_more, but neither next nor prev")
    pages = [_seqs(await stage.get(ann, f"{path}/", before=c, page_size=4)) for c in cursors]
    that([9, 10, 11, 12] in pages, f"older than 13 by cursor came {pages}")
    end = await stage.get(ann, f"{path}/", before=ids[0])
    equal((_seqs(end), end.json()["has_more"]), ([], False), "older than the first")
    problem(await stage.get(ann, f"{path}/", before="!!"), 400, "invalid")


@LANE.check("no conversation yet is an empty page, an unknown user 404")
async def _(stage: Stage) -> None:
    ann, eve = await stage.guest(), stage.stranger
    for kind in ("history", "load-older"):
        response = await stage.get(ann, f"/messages/{kind}/{eve.username}/")
        equal((_seqs(response), response.json()["has_more"]), ([], False), "the page")
        problem(await stage.get(ann, f"/messages/{kind}/nobody_here/"), 404, "not_found")


@LANE.check("first_unread_seq is the first message of the peer that was not read")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    async with stage.live(ann) as one, stage.live(ben) as two:
        for number in range(3):
            ack = await stage.say(one, ben, f"{number}")
        frame = {"type": "read_receipt", "conversation_id": ack["conversation_id"]}
        await two.send(frame | {"state": "read", "up_to_seq": 1})
        await two.expect("read_receipt")
    page = (await stage.get(ben, f"/messages/history/{ann.username}/")).json()
    equal(page["first_unread_seq"], 2, "first_unread_seq of the reader")
    page = (await stage.get(ann, f"/messages/history/{ben.username}/")).json()
    equal(page["first_unread_seq"], None, "first_unread_seq of the writer")


@LANE.check("from the first unread message on: the page around it, and onward to the newest")
async def _(stage: Stage) -> None:
    ann, ben = await stage.pair()
    await stage.talk(ann, ben, 12)
    path = f"/messages/history/{ann.username}/"
    page = (await stage.get(ben, path, page_size=50)).json()
    equal(page["first_unread_seq"], 1, "first_unread_seq before anything was read")
    await stage.put(ben, f"/api/v1/conversations/{page['conversation_id']}/cursor", {"read_seq": 5})
    page = (await stage.get(ben, path, page_size=1)).json()
    equal(page["first_unread_seq"], 6, "first_unread_seq on a page that does not show it")
    whole = (await stage.get(ben, path, page_size=50)).json()["messages"]
    around = await stage.get(ben, path, page_size=5, around=whole[5]["message_id"])
    equal((_seqs(around), around.json()["first_unread_seq"]), ([4, 5, 6, 7, 8], 6), "around the first unread")
    onward = await stage.get(ben, path, page_size=4, after=around.json()["messages"][-1]["message_id"])
    equal((_seqs(onward), onward.json()["has_more"]), ([9, 10, 11, 12], False), "onward from there")


@LANE.check("a message is in the history as soon as it is acked")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, _two):
        for number in range(10):
            ack = await stage.say(one, ben, f"{number}")
            for reader, peer in ((ann, ben), (ben, ann)):
                page = await stage.get(reader, f"/messages/history/{peer.username}/", page_size=1)
                equal(_seqs(page), [ack["seq"]], "the newest message")
