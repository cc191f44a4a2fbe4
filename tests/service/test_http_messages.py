"""Messages over HTTP, through log, delivery and history: the seed's endpoints and their newer siblings."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from tests.support.gateway import problem_of
from tests.support.sockets import Path, whole_path

SEND, QUEUE, HISTORY, OLDER = (f"/messages/{what}/ben/" for what in ("send", "queue", "history", "load-older"))


async def send(client: httpx.AsyncClient, to: str, content: str) -> dict[str, object]:
    sent = await client.post(f"/messages/send/{to}/", json={"content": content})
    assert sent.status_code == 201, sent.text
    body: dict[str, object] = sent.json()
    return body


def contents(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    body = page.json()
    return [message["content"] for message in body.get("messages", body.get("items"))]


async def test_a_message_sent_often_is_stored_once(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    first = await ann.post(SEND, json={"id": "first", "content": "hi 🙂"})
    assert first.status_code == 201
    assert set(first.json()) == {"message_id", "conversation_id", "seq", "rev", "status", "sent_at", "duplicate"}
    assert (first.json()["seq"], first.json()["rev"], first.json()["status"]) == (1, 1, "sent")
    for again in (
        await ann.post(SEND, json={"id": "first", "content": "hi 🙂"}),
        await ann.post(SEND.rstrip("/"), json={"content": "hi 🙂"}, headers={"idempotency-key": "first"}),
    ):
        assert again.status_code == 200
        assert again.json() == first.json() | {"duplicate": True}
    other = await ann.post(SEND, json={"id": "first", "content": "other"})
    problem_of(other, 409, "id_conflict")
    differ = await ann.post(SEND, json={"id": "a", "content": "x"}, headers={"idempotency-key": "b"})
    assert set(problem_of(differ, 400, "invalid")["errors"]) == {"id", "Idempotency-Key"}
    assert contents(await ben.get("/messages/history/ann")) == ["hi 🙂"]


UNSENDABLE: list[tuple[dict[str, object], int, str]] = [
    ({}, 400, "invalid"),
    ({"content": ""}, 400, "invalid"),
    ({"content": 5}, 400, "invalid"),
    ({"content": "x" * 8_001}, 413, "too_large"),
    ({"content": "a\0b"}, 400, "invalid"),
    ({"content": "x", "id": ""}, 400, "invalid"),
    ({"content": "x", "id": "a.b"}, 400, "invalid"),
    ({"content": "x", "id": "a" * 65}, 400, "invalid"),
    ({"content": "x", "id": 5}, 400, "invalid"),
    ({"content": "x", "reply_to": "a b"}, 400, "invalid"),
    ({"content": "x", "reply_to": "mnosuchmessage"}, 404, "not_found"),
    ({"content": "x", "seen_seq": -1}, 400, "invalid"),
    ({"content": "x", "mentions": "ben"}, 400, "invalid"),
    ({"content": "x", "content_type": "text/html"}, 415, "unsupported"),
]


async def test_what_cannot_be_sent_is_refused(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    for body, status, code in UNSENDABLE:
        for endpoint in (SEND, QUEUE):
            problem_of(await ann.post(endpoint, json=body), status, code)
    assert contents(await ann.get(HISTORY)) == []


@pytest.mark.parametrize("endpoint", ["send", "queue"])
async def test_nobody_writes_to_the_unknown_or_to_oneself(ann: httpx.AsyncClient, endpoint: str) -> None:
    for name in ("nobody", "not.a.name", "x"):
        problem_of(await ann.post(f"/messages/{endpoint}/{name}/", json={"content": "x"}), 404, "not_found")
    problem_of(await ann.post(f"/messages/{endpoint}/ANN/", json={"content": "x"}), 400, "invalid")
    for reading in ("history", "load-older"):
        problem_of(await ann.get(f"/messages/{reading}/nobody/"), 404, "not_found")
        problem_of(await ann.get(f"/messages/{reading}/ann/"), 400, "invalid")


async def test_a_queued_message_tells_where_its_status_is(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    queued = await ann.post(QUEUE, json={"id": "q", "content": "later"})
    assert queued.status_code == 202
    body = queued.json()
    assert set(body) == {"message_id", "status", "retry_count", "max_retries", "next_retry_at"}
    assert (body["status"], body["retry_count"], body["max_retries"]) == ("queued", 0, 3)
    sent_at = (await ann.get(f"/api/v1/messages/{body['message_id']}")).json()["sent_at"]
    waits = datetime.fromisoformat(body["next_retry_at"]) - datetime.fromisoformat(sent_at)
    assert waits == timedelta(seconds=10)
    assert queued.headers["location"] == f"/api/v1/messages/{body['message_id']}/status"
    status = (await ann.get(queued.headers["location"])).json()
    assert (status["status"], status["seq"], status["delivered_at"], status["read_at"]) == ("sent", 1, None, None)
    conversation = status["conversation_id"]
    moved = await ben.put(f"/api/v1/conversations/{conversation}/cursor", json={"delivered_seq": 1})
    assert moved.json() == {"conversation_id": conversation, "delivered_seq": 1, "read_seq": 0}
    assert (await ann.get(queued.headers["location"])).json()["status"] == "delivered"
    moved = await ben.put(f"/api/v1/conversations/{conversation}/cursor", json={"read_seq": 99})
    assert moved.json() == {"conversation_id": conversation, "delivered_seq": 1, "read_seq": 1}
    read = (await ann.get(queued.headers["location"])).json()
    assert read["status"] == "read"
    assert read["delivered_at"] <= read["read_at"]
    assert (await ann.get(f"/api/v1/messages/{body['message_id']}")).json()["status"] == "read"


async def test_a_timeline_tells_the_way_of_a_message_to_its_sender_alone(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben", "hi")
    address = f"/api/v1/messages/{sent['message_id']}/timeline"
    told = (await ann.get(address)).json()
    assert (told["message_id"], told["conversation_id"], told["seq"], told["status"]) == (
        sent["message_id"], sent["conversation_id"], 1, "sent",
    )  # fmt: skip
    assert told["accepted_at"] == sent["sent_at"] <= told["stored_at"]
    (way,) = told["recipients"]
    assert way == {
        "user": "ben", "status": "sent", "attempts": [], "retry_count": 0, "max_retries": 3, "next_retry_at": None,
        "reason": None, "delivered_at": None, "read_at": None,
    }  # fmt: skip
    cursor = f"/api/v1/conversations/{sent['conversation_id']}/cursor"
    await ben.put(cursor, json={"delivered_seq": 1})
    told = (await ann.get(address + "/")).json()
    assert (told["status"], told["recipients"][0]["status"]) == ("delivered", "delivered")
    assert told["recipients"][0]["delivered_at"] >= sent["sent_at"]
    await ben.put(cursor, json={"read_seq": 1})
    assert (await ann.get(address)).json()["status"] == "read"
    problem_of(await ben.get(address), 403, "forbidden")
    problem_of(await ann.get("/api/v1/messages/mnosuch/timeline"), 404, "not_found")
    problem_of(await ann.get("/api/v1/messages/a.b/timeline"), 400, "invalid")


async def test_receipts_tell_every_member_who_has_and_who_has_read_a_message(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben", "hi")
    address = f"/api/v1/messages/{sent['message_id']}/receipts"
    told = (await ann.get(address)).json()
    assert told == {
        "message_id": sent["message_id"], "conversation_id": sent["conversation_id"], "seq": 1, "next": None,
        "prev": None, "items": [{"user": "ben", "status": "sent", "delivered_at": None, "read_at": None}],
    }  # fmt: skip
    await ben.put(f"/api/v1/conversations/{sent['conversation_id']}/cursor", json={"read_seq": 1})
    (item,) = (await ben.get(address)).json()["items"]
    assert item["status"] == "read"
    assert item["delivered_at"] == item["read_at"] >= sent["sent_at"]
    async with path.http(await path.token_of("eve")) as eve:
        for what in ("receipts", "timeline"):
            problem_of(await eve.get(f"/api/v1/messages/{sent['message_id']}/{what}"), 404, "not_found")


async def test_cursors_never_go_back_and_are_for_members_alone(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben", "one")
    cursor = f"/api/v1/conversations/{sent['conversation_id']}/cursor"
    assert (await ben.put(cursor, json={"read_seq": 1})).json()["read_seq"] == 1
    assert (await ben.put(cursor, json={"read_seq": 0, "delivered_seq": 0})).json()["read_seq"] == 1
    problem_of(await ben.put(cursor, json={}), 400, "invalid")
    problem_of(await ben.put(cursor, json={"read_seq": -1}), 400, "invalid")
    problem_of(await ben.put(cursor, json={"read_seq": "1"}), 400, "invalid")
    async with path.http(await path.token_of("eve")) as eve:
        problem_of(await eve.put(cursor, json={"read_seq": 1}), 404, "not_found")
        for reading in ("", "/status"):
            problem_of(await eve.get(f"/api/v1/messages/{sent['message_id']}{reading}"), 404, "not_found")
        messages = f"/api/v1/conversations/{sent['conversation_id']}/messages"
        problem_of(await eve.get(messages), 404, "not_found")
        problem_of(await eve.post(messages, json={"content": "x"}), 404, "not_found")
    for bad in ("dnosuch", "a.b", "x" * 65):
        problem_of(await ben.put(f"/api/v1/conversations/{bad}/cursor", json={"read_seq": 1}), 404, "not_found")
        problem_of(await ben.get(f"/api/v1/conversations/{bad}/messages"), 404, "not_found")


async def test_before_the_first_message_there_is_an_empty_page(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    for address in (HISTORY, HISTORY.rstrip("/"), OLDER, OLDER.rstrip("/")):
        page = await ann.get(address)
        assert page.status_code == 200
        assert page.json() | {"conversation_id": ""} == {
            "conversation_id": "",
            "messages": [],
            "next": None,
            "prev": None,
            "has_more": False,
            "first_unread_seq": None,
            "peer": {"username": "ben", "delivered_seq": 0, "read_seq": 0, "delivered_at": None, "read_at": None},
        }
        assert "link" not in page.headers


async def test_pages_lead_through_the_whole_history_both_ways(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    written = [f"m{number}" for number in range(1, 10)]
    for content in written:
        await send(ann, "ben", content)
    older, cursor = list[str](), None
    address: str | None = f"{HISTORY}?page_size=4"
    while address is not None:
        page = await ben.get(address.replace("/ben/", "/ann/"))
        older = contents(page) + older
        assert page.json()["has_more"] == (page.json()["next"] is not None)
        links = page.links
        address = links["next"]["url"] if "next" in links else None
        cursor = page.json()["prev"] or cursor
    assert older == written
    page = await ben.get("/messages/load-older/ann/", params={"before": "", "page_size": 4})
    problem_of(page, 400, "invalid")
    newest = (await ben.get("/messages/history/ann/?page_size=4")).json()
    assert contents(await ben.get(f"/messages/load-older/ann/?page_size=3&before={newest['next']}")) == [
        "m3",
        "m4",
        "m5",
    ]
    first = newest["messages"][0]["message_id"]
    assert contents(await ben.get(f"/messages/load-older/ann?page_size=3&before={first}")) == ["m3", "m4", "m5"]
    onward = await ben.get(f"/messages/history/ann/?page_size=2&after={cursor}")
    seen = contents(onward)
    while onward.json()["has_more"]:
        onward = await ben.get(f"/messages/history/ann/?page_size=2&after={onward.json()['next']}")
        seen += contents(onward)
    assert seen == written[written.index(seen[0]) :]


async def test_a_page_can_begin_around_a_message_after_it_or_at_a_time(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = [await send(ann, "ben", f"m{number}") for number in range(1, 8)]
    middle = sent[3]
    around = await ben.get(f"/messages/history/ann/?page_size=3&around={middle['message_id']}")
    assert contents(around) == ["m3", "m4", "m5"]
    assert contents(await ben.get(f"/messages/history/ann/?page_size=3&around_seq={middle['seq']}")) == [
        "m3",
        "m4",
        "m5",
    ]
    assert contents(await ben.get(f"/messages/history/ann/?page_size=2&after={middle['message_id']}")) == ["m5", "m6"]
    at = await ben.get("/messages/history/ann/", params={"page_size": 2, "at": str(middle["sent_at"])})
    assert contents(at)[0] == "m4"
    assert contents(await ben.get("/messages/history/ann/?page_size=2&at=2020-02-29")) == ["m1", "m2"]
    conversation = f"/api/v1/conversations/{middle['conversation_id']}/messages"
    page = await ben.get(f"{conversation}?page_size=2")
    assert contents(page) == ["m6", "m7"]
    assert page.links["next"]["url"].startswith(conversation)
    assert contents(await ben.get(page.links["next"]["url"])) == ["m4", "m5"]
    assert {member["username"] for member in page.json()["members"]} == {"ann", "ben"}
    async with path.http(await path.token_of("eve")) as eve:
        await send(eve, "ben", "hello")
        foreign = await eve.get(f"/messages/history/ben/?around={middle['message_id']}")
        problem_of(foreign, 404, "not_found")
        problem_of(await eve.get(f"/messages/history/ben/?after={middle['message_id']}"), 404, "not_found")


NO_PAGES = (
    "page_size=0", "page_size=201", "page_size=-1", "page_size=x", "page_size=1.5", "before=a.b", "after=%20",
    "around=a.b", "at=yesterday", "at=", "before=x&after=y", "around=x&at=2020-01-01",
    "around_seq=0", "around_seq=1&before=x",
)  # fmt: skip


async def test_a_page_that_cannot_be_asked_for_is_refused(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    for query in NO_PAGES:
        refused = problem_of(await ann.get(f"{HISTORY}?{query}"), 400, "invalid")
        assert set(refused["errors"]) <= {part.partition("=")[0] for part in query.split("&")}


async def test_unread_begins_at_the_first_unseen_of_somebody_else(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await send(ann, "ben", "one")
    await send(ben, "ann", "two")
    sent = await ben.post("/messages/send/ann/", json={"content": "three", "seen_seq": 1})
    assert (await ben.get("/messages/history/ann/")).json()["first_unread_seq"] is None
    page = (await ann.get(HISTORY)).json()
    assert page["first_unread_seq"] == 2
    assert page["peer"]["read_seq"] == 1
    assert [message["status"] for message in page["messages"]] == ["read", "sent", "sent"]
    assert [message.get("id") is not None for message in page["messages"]] == [True, False, False]
    assert sent.json()["seq"] == 3


async def test_a_sync_tells_what_was_missed_and_where_one_stands(
    ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben", "one")
    conversation = sent["conversation_id"]
    synced = (await ben.post("/api/v1/sync", json={"cursors": {}})).json()
    assert set(synced) >= {"epoch", "conversations", "cursors", "more", "typing"}
    (page,) = synced["conversations"]
    assert set(page) == {"conversation_id", "messages", "members", "rev", "complete"}
    assert [message["content"] for message in page["messages"]] == ["one"]
    assert "type" not in page["messages"][0]
    assert synced["cursors"] == {conversation: 1}
    assert synced["more"] == []
    held = {"epoch": synced["epoch"], "cursors": synced["cursors"]}
    again = (await ben.post("/api/v1/sync", json=held)).json()
    assert again["conversations"][0]["messages"] == []
    for other in (held | {"epoch": "another"}, {"cursors": {conversation: 99}}):
        anew = (await ben.post("/api/v1/sync", json=other)).json()
        assert [message["content"] for message in anew["conversations"][0]["messages"]] == ["one"]
        assert anew["cursors"] == {conversation: 1}


async def test_a_long_poll_ends_with_the_first_news(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    await send(ann, "ben", "one")
    synced = (await ben.post("/api/v1/sync", json={"cursors": {}})).json()
    loop = asyncio.get_running_loop()
    for news in ("two", "three"):
        held = {"epoch": synced["epoch"], "cursors": synced["cursors"], "wait_s": 20}
        started = loop.time()
        waiting = asyncio.ensure_future(ben.post("/api/v1/sync", json=held, timeout=30))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await send(ann, "ben", news)
        synced = (await waiting).json()
        assert loop.time() - started < 5
        assert [message["content"] for message in synced["conversations"][0]["messages"]] == [news]


async def test_a_long_poll_hears_receipts_and_ends_in_time(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    sent = await send(ann, "ben", "one")
    synced = (await ann.post("/api/v1/sync", json={"cursors": {}})).json()
    held = {"epoch": synced["epoch"], "cursors": synced["cursors"]}
    quiet = await ann.post("/api/v1/sync", json=held | {"wait_s": 0.2})
    assert quiet.json()["conversations"][0]["messages"] == []
    waiting = asyncio.ensure_future(ann.post("/api/v1/sync", json=held | {"wait_s": 20}, timeout=30))
    await asyncio.sleep(0.2)
    await ben.put(f"/api/v1/conversations/{sent['conversation_id']}/cursor", json={"read_seq": 1})
    (page,) = (await waiting).json()["conversations"]
    assert {"username": "ben", "delivered_seq": 1, "read_seq": 1} in page["members"]


NO_SYNCS: list[object] = [
    {"wait_s": 26}, {"wait_s": -1}, {"wait_s": "1"}, {"cursors": []}, {"cursors": {"a.b": 1}},
    {"cursors": {"d1": -1}}, {"cursors": {"d1": 1.5}}, {"cursors": {"d1": 2**63}}, {"epoch": 1}, [],
]  # fmt: skip


async def test_a_sync_that_cannot_be_asked_for_is_refused(ann: httpx.AsyncClient) -> None:
    for body in NO_SYNCS:
        problem_of(await ann.post("/api/v1/sync", json=body), 400, "invalid")


async def test_a_sync_is_cut_at_its_size_and_says_where_more_is(path: Path) -> None:
    async with (
        path.http(await path.token_of("ann")) as ann,
        path.http(await path.token_of("ben")) as ben,
        path.http(await path.token_of("cat")) as cat,
    ):
        for writer in (ann, cat):
            await asyncio.gather(*(send(writer, "ben", f"{number} " + "x" * 7_900) for number in range(45)))
        found: dict[str, list[int]] = {}
        cursors: dict[str, int] = {}
        for _ in range(10):
            synced = await ben.post("/api/v1/sync", json={"cursors": cursors})
            assert len(synced.content) < 600_000
            for page in synced.json()["conversations"]:
                found.setdefault(page["conversation_id"], []).extend(message["seq"] for message in page["messages"])
            cursors = synced.json()["cursors"]
            if not synced.json()["more"]:
                break
        assert len(cursors) == 2
        assert [sorted(seqs) for seqs in found.values()] == [list(range(1, 46))] * 2


async def test_while_delivery_is_away_a_message_is_queued_and_stored_when_it_is_back(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("delivery")
    queued = await ann.post(SEND, json={"id": "waits", "content": "hi"}, timeout=20)
    assert queued.status_code == 202
    assert queued.json()["status"] == "queued"
    status = queued.headers["location"]
    assert (await ann.get(status)).json()["status"] == "queued"
    problem_of(await ben.get(status), 404, "not_found")
    await path.start("delivery")
    for _ in range(200):
        if (await ann.get(status)).json()["status"] == "sent":
            break
        await asyncio.sleep(0.05)
    again = await ann.post(SEND, json={"id": "waits", "content": "hi"})
    assert (again.status_code, again.json()["seq"], again.json()["duplicate"]) == (200, 1, True)


async def test_while_history_is_away_reading_is_unavailable_and_sending_goes_on(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("history")
    problem_of(await ann.get(HISTORY), 503, "unavailable")
    problem_of(await ann.post("/api/v1/sync", json={}), 503, "unavailable")
    await send(ann, "ben", "hi")
    await path.start("history")
    assert contents(await ann.get(HISTORY)) == ["hi"]


async def test_sending_is_limited_per_user(sqlite_url: str, nats_url: str) -> None:
    async with (
        whole_path(sqlite_url, nats_url, limit_messages_burst=3, limit_messages_per_s=1) as path,
        path.http(await path.token_of("ann")) as ann,
        path.http(await path.token_of("ben")) as ben,
    ):
        for number in range(3):
            await send(ann, "ben", str(number))
        problem_of(await ann.post(SEND, json={"content": "4"}), 429, "rate_limited")
        await send(ben, "ann", "not limited")
