"""The queue of a sender: what is in flight, what was refused after it was queued, what waits for its recipient."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from services.delivery.app import build as build_delivery
from services.delivery.settings import Settings as DeliverySettings
from services.gateway.api.paging import write_cursor
from services.gateway.commands.pending import CallSending
from services.gateway.commands.refused import MAX_WAITING, Refused
from services.gateway.store import Accounts, Belongings
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ClientId, ConversationId, UserId, Username, message_id
from shared.database import tables
from shared.database.engine import open_engine
from shared.database.migrate import upgrade
from shared.runtime.clock import monotonic, now_ms
from shared.runtime.metrics import Metrics
from tests.support.gateway import problem_of
from tests.support.history import _lifespan, insert
from tests.support.sockets import Path, message, whole_path

QUEUE = "/api/v1/queue"
DAY_MS = 86_400_000
ITEM = {
    "message_id", "conversation_id", "to", "seq", "status", "retry_count", "max_retries", "next_retry_at", "reason",
}  # fmt: skip


async def eventually(found: Callable[[], Awaitable[object]], timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not await found():  # noqa: ASYNC110 - what is waited for is behind HTTP
            await asyncio.sleep(0.05)


async def queue_of(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get(QUEUE, params=parameters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def refusable(own_id: str) -> dict[str, str]:
    """Write a message that only delivery can refuse: it answers one that does not exist."""
    return {"id": own_id, "content": "secret words", "reply_to": "mnosuchmessage"}


async def status_of(client: httpx.AsyncClient, message_id: object) -> str:
    answer = await client.get(f"/api/v1/messages/{message_id}/status")
    return str(answer.json()["status"]) if answer.status_code == 200 else "unknown"


async def test_a_message_that_is_refused_after_it_was_queued_has_failed_until_it_is_stored_after_all(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("delivery")
    sent = await ann.post("/messages/send/ben/", json=refusable("late"), timeout=20)
    assert (sent.status_code, sent.json()["status"]) == (202, "queued")
    message_id, conversation_id = sent.json()["message_id"], sent.json()["conversation_id"]
    (queued,) = await queue_of(ann)
    assert set(queued) == ITEM
    assert queued == {
        "message_id": message_id, "conversation_id": conversation_id, "to": "ben", "seq": None, "status": "queued",
        "retry_count": 0, "max_retries": 3, "next_retry_at": None, "reason": None,
    }  # fmt: skip
    assert (await ann.post(f"{QUEUE}/{message_id}/retry")).json() == {"items": [queued]}
    timeline = (await ann.get(f"/api/v1/messages/{message_id}/timeline")).json()
    assert (timeline["status"], timeline["seq"], timeline["stored_at"], timeline["recipients"]) == (
        "queued", None, None, [],
    )  # fmt: skip
    assert timeline["accepted_at"].endswith("Z")
    await path.start("delivery")
    await eventually(lambda: _is(status_of(ann, message_id), "failed"))
    status = (await ann.get(f"/api/v1/messages/{message_id}/status")).json()
    assert (status["conversation_id"], status["seq"], status["reason"]) == (conversation_id, None, "not_found")
    failed = queued | {"status": "failed", "reason": "not_found"}
    assert await queue_of(ann) == [failed]
    assert (await ann.post(f"{QUEUE}/{message_id}/retry")).json() == {"items": [failed]}
    timeline = (await ann.get(f"/api/v1/messages/{message_id}/timeline/")).json()
    assert (timeline["status"], timeline["reason"], timeline["accepted_at"]) == ("failed", "not_found", None)
    receipts = (await ann.get(f"/api/v1/messages/{message_id}/receipts")).json()
    assert (receipts["seq"], receipts["items"]) == (None, [])
    for what in ("status", "timeline", "receipts"):
        problem_of(await ben.get(f"/api/v1/messages/{message_id}/{what}"), 404, "not_found")
    problem_of(await ben.post(f"{QUEUE}/{message_id}/retry"), 404, "not_found")
    assert await queue_of(ben) == []

    again = await ann.post("/messages/send/ben/", json={"id": "late", "content": "secret words"})
    assert (again.status_code, again.json()["message_id"]) == (201, message_id)
    assert await status_of(ann, message_id) == "sent"
    assert [(item["status"], item["seq"]) for item in await queue_of(ann)] == [("sent", 1)]
    assert await refused_rows(path.settings.database_url) == []


async def test_while_the_store_is_away_what_is_in_flight_is_shown_and_the_rest_is_another_page(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("delivery")
    sent = await ann.post("/messages/send/ben/", json={"content": "hi"}, timeout=20)
    assert sent.status_code == 202
    await path.stop("history")
    page = await ann.get(QUEUE)
    assert [item["message_id"] for item in page.json()["items"]] == [sent.json()["message_id"]]
    problem_of(await ann.get(page.links["next"]["url"]), 503, "unavailable")
    problem_of(await ben.get(QUEUE), 503, "unavailable")
    for what in ("status", "timeline"):
        told = await ann.get(f"/api/v1/messages/{sent.json()['message_id']}/{what}")
        assert told.json()["status"] == "queued"
    await path.start("history")
    assert (await ann.get(page.links["next"]["url"])).json()["items"] == []


async def test_a_message_of_a_socket_that_is_refused_after_it_was_queued_has_failed_also_where_the_socket_is_closed(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    token = await path.token_of("cat")
    async with path.http(token) as cat:
        async with path.socket(token) as staying:
            async with path.socket(token, "phone") as leaving:
                await path.stop("delivery")
                ids = []
                for wire, own_id in ((leaving, "left"), (staying, "stayed")):
                    await wire.send(message("ben", **refusable(own_id)))
                    ids.append((await wire.expect("message_status"))["message_id"])
            await path.start("delivery")
            failed = await staying.expect("message_status")
            assert (failed["status"], failed["message_id"], failed["reason"]) == ("failed", ids[1], "not_found")
        await eventually(lambda: _is(_ids(cat), sorted(ids)))
        assert {(item["status"], item["reason"], item["to"]) for item in await queue_of(cat)} == {
            ("failed", "not_found", "ben")
        }


async def test_a_message_behind_a_block_that_was_not_carried_out_yet_has_failed_as_blocked(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.stop("delivery")
    problem_of(await ben.put("/api/v1/users/ann/block"), 503, "unavailable")  # it is in the log, and not confirmed
    sent = await ann.post("/messages/queue/ben/", json={"content": "hi"}, timeout=20)
    assert (sent.status_code, sent.json()["status"]) == (202, "queued")
    await path.start("delivery")
    await eventually(lambda: _is(_statuses(ann), ["failed"]))
    (failed,) = await queue_of(ann)
    assert (failed["message_id"], failed["reason"]) == (sent.json()["message_id"], "blocked")
    problem_of(await ann.post("/messages/queue/ben/", json={"content": "hi"}), 403, "blocked")


async def test_a_refused_message_is_forgotten_after_seven_days(path: Path, ann: httpx.AsyncClient) -> None:
    url = path.settings.database_url
    asker = (await ann.get("/api/v1/me")).json()["user"]["id"]
    await path.stop("gateway")
    await insert(
        url,
        tables.refused_message,
        [
            {
                "message_id": f"m{days}", "sender_id": asker, "conversation_id": "d1", "to": "ben", "code": "blocked",
                "detail": "No.", "at_ms": now_ms() - days * DAY_MS - 60_000,
            }
            for days in (1, 6, 7, 30)
        ],
    )  # fmt: skip
    await path.start("gateway")
    assert [item["message_id"] for item in await queue_of(ann)] == ["m1", "m6"]
    problem_of(await ann.get("/api/v1/messages/m7/status"), 404, "not_found")
    await eventually(lambda: _is(refused_rows(url), ["m1", "m6"]))


async def test_the_queue_is_read_in_pages_over_all_its_parts(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    stored = [(await ann.post("/messages/send/ben/", json={"content": "x"})).json()["message_id"] for _ in range(3)]
    asker = (await ann.get("/api/v1/me")).json()["user"]["id"]
    refused = [
        {
            "message_id": f"ma{number}", "sender_id": asker, "conversation_id": "d1", "to": "", "code": "blocked",
            "detail": "No.", "at_ms": now_ms(),
        }
        for number in range(3)
    ]  # fmt: skip
    await insert(path.settings.database_url, tables.refused_message, refused)
    await path.stop("delivery")
    sending = [ann.post("/messages/send/ben/", json={"content": "y"}, timeout=20) for _ in range(3)]
    flying = sorted([answer.json()["message_id"] for answer in await asyncio.gather(*sending)])
    wanted = [*flying, *(str(row["message_id"]) for row in refused), *stored]
    assert [item["message_id"] for item in await queue_of(ann)] == wanted
    assert [item["to"] for item in await queue_of(ann)] == ["ben"] * 3 + [None] * 3 + ["ben"] * 3
    for size in (1, 2, 3, 4, 5, 6, 8, 9, 200):
        address: str | None = f"{QUEUE}/?page_size={size}"
        found: list[str] = []
        while address is not None:
            page = await ann.get(address)
            found += [item["message_id"] for item in page.json()["items"]]
            assert len(page.json()["items"]) in range(1, size + 1)
            assert page.json()["prev"] is None
            address = page.links["next"]["url"] if page.json()["next"] else None
            assert (address is None) == ("next" not in page.links)
        assert found == wanted


@asynccontextmanager
async def trying(path: Path, **settings: Any) -> AsyncIterator[None]:
    """Run the whole of delivery in the place of the part that only stores: it tries again too."""
    given = {"database_url": path.settings.database_url, "nats_url": path.settings.nats_url, **settings}
    await path.stop("delivery")
    async with _lifespan(build_delivery(DeliverySettings(**given))):
        yield


async def test_a_sender_has_a_message_tried_again(path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    async with trying(path, retry_after_s=30.0):
        await _tried_again(ann, ben)


async def _tried_again(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    sent = (await ann.post("/messages/send/ben/", json={"content": "hi"})).json()
    await ann.post("/messages/send/ben/", json={"content": "more"})
    retried = await ann.post(f"{QUEUE}/{sent['message_id']}/retry")
    assert retried.status_code == 200, retried.text
    (item,) = retried.json()["items"]
    assert set(item) == ITEM
    assert (item["message_id"], item["to"], item["seq"], item["max_retries"]) == (sent["message_id"], "ben", 1, 3)
    await eventually(lambda: _is(_statuses(ann), ["retrying", "retrying"]))
    tried = (await queue_of(ann))[0]
    assert (tried["retry_count"], tried["reason"]) == (1, None)
    assert tried["next_retry_at"].endswith("Z")
    told = (await ann.get(f"/api/v1/messages/{sent['message_id']}/timeline")).json()
    (way,) = told["recipients"]
    assert told["status"] == "sent"
    assert [(each["attempt"], each["outcome"]) for each in way["attempts"]] == [(1, "retrying")]
    assert {name: way[name] for name in ("status", "retry_count", "max_retries", "next_retry_at", "reason")} == {
        name: tried[name] for name in ("status", "retry_count", "max_retries", "next_retry_at", "reason")
    }
    for stranger_or_unknown, address in ((ben, sent["message_id"]), (ann, "mnosuchmessage")):
        problem_of(await stranger_or_unknown.post(f"{QUEUE}/{address}/retry/"), 404, "not_found")
    problem_of(await ann.post(f"{QUEUE}/a.b/retry"), 400, "invalid")
    await ben.put(f"/api/v1/conversations/{sent['conversation_id']}/cursor", json={"delivered_seq": 2})
    assert (await ann.post(f"{QUEUE}/{sent['message_id']}/retry")).json() == {"items": []}
    assert await queue_of(ann) == []


async def test_retries_are_limited_per_message_and_per_user(sqlite_url: str, nats_url: str) -> None:
    async with (
        whole_path(sqlite_url, nats_url) as path,
        trying(path),
        path.http(await path.token_of("ann")) as ann,
        path.http(await path.token_of("ben")),
    ):
        sent = [(await ann.post("/messages/send/ben/", json={"content": "x"})).json()["message_id"] for _ in range(2)]
        for message_id in sent:
            assert (await ann.post(f"{QUEUE}/{message_id}/retry")).status_code == 200
        refused = await ann.post(f"{QUEUE}/{sent[0]}/retry")
        problem_of(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        codes = {(await ann.post(f"{QUEUE}/mnosuch{number}/retry")).status_code for number in range(40)}
        assert codes == {404, 429}


NO_QUEUES = (
    "page_size=0", "page_size=201", "page_size=x", "cursor=", "cursor=a.b", "cursor=x",
    f"cursor={write_cursor([1, 'd1'])}",
    f"cursor={write_cursor({'place': {'type': 'stored', 'after': ['d', -1, 'u']}})}",
    f"cursor={write_cursor({'place': {'type': 'refused', 'after': 'a b'}})}",
)  # fmt: skip


async def test_a_page_of_the_queue_that_cannot_be_asked_for_is_refused(ann: httpx.AsyncClient) -> None:
    for query in NO_QUEUES:
        problem = problem_of(await ann.get(f"{QUEUE}?{query}"), 400, "invalid")
        assert set(problem["errors"]) == {query.partition("=")[0]}


async def test_what_is_refused_while_the_database_is_away_is_written_when_it_is_back(
    tmp_path: FilePath, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/not/there/yet.db"
    async with Accounts(url) as accounts:
        refused = Refused(Belongings(accounts), Metrics("test"))
        async with refused.running():
            refused.note(a_sending("first"), Refusal(Code.BLOCKED, "No."))
            with pytest.raises(Refusal, match="unavailable"):
                await refused.find(UserId("u-ann"), message_id(UserId("u-ann"), ClientId("first")))
            (tmp_path / "not" / "there").mkdir(parents=True)
            await asyncio.to_thread(upgrade, url)
            await eventually(lambda: _is(refused_rows(url), [message_id(UserId("u-ann"), ClientId("first"))]))


async def test_refusals_that_nobody_can_write_down_are_dropped_above_a_bound(sqlite_url: str) -> None:
    await asyncio.to_thread(upgrade, sqlite_url)
    async with Accounts(sqlite_url) as accounts:
        metrics = Metrics("test")
        refused = Refused(Belongings(accounts), metrics)
        for number in range(MAX_WAITING + 7):
            refused.note(a_sending(str(number)), Refusal(Code.BLOCKED, "No."))
        written = metrics.render().decode()
        assert f"parley_refused_waiting {float(MAX_WAITING)}" in written
        assert "parley_refused_dropped_total 7.0" in written
        async with refused.running():  # what waits is written at the end too
            pass
        assert len(await refused_rows(sqlite_url)) == MAX_WAITING


def a_sending(own_id: str) -> CallSending:
    asker = UserId("u-ann")
    return CallSending(
        1,
        asker,
        ClientId(own_id),
        message_id(asker, ClientId(own_id)),
        ConversationId("d1"),
        Username("ben"),
        b"",
        now_ms(),
        monotonic(),
    )


async def refused_rows(url: str) -> list[str]:
    engine = open_engine(url, "reader", pool_size=1)
    try:
        async with engine.connect() as connection:
            column = tables.refused_message.c.message_id
            return list((await connection.execute(sa.select(column).order_by(column))).scalars())
    finally:
        await engine.dispose()


async def _is(found: Awaitable[object], wanted: object) -> bool:
    return await found == wanted


async def _statuses(client: httpx.AsyncClient) -> list[str]:
    return [item["status"] for item in await queue_of(client)]


async def _ids(client: httpx.AsyncClient) -> list[str]:
    return [item["message_id"] for item in await queue_of(client)]
