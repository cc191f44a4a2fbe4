"""Conversations over HTTP: the list, one of them, and what a member keeps about it for itself."""

from typing import Any

import httpx
import pytest

from services.gateway.api.paging import write_cursor
from tests.support.gateway import problem_of
from tests.support.sockets import Path

CONVERSATIONS = "/api/v1/conversations"
VIEW = {
    "conversation_id", "kind", "rev", "last_seq", "last_message", "unread", "first_unread_seq", "delivered_seq",
    "read_seq", "members", "peer", "muted", "pinned", "archived", "draft", "blocked",
}  # fmt: skip
NOTHING_KEPT = {"muted": False, "pinned": False, "archived": False, "draft": ""}


async def send(client: httpx.AsyncClient, to: str, content: str = "hi") -> dict[str, Any]:
    sent = await client.post(f"/messages/send/{to}/", json={"content": content})
    assert sent.status_code == 201, sent.text
    body: dict[str, Any] = sent.json()
    return body


def me(sent: dict[str, Any]) -> str:
    return f"{CONVERSATIONS}/{sent['conversation_id']}/me"


async def listed(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"{CONVERSATIONS}{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_conversation_shows_its_last_message_its_members_and_what_is_unread(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    assert await listed(ann) == []
    await send(ann, "ben", "one")
    sent = await send(ann, "ben", "two")
    (seen,) = await listed(ben)
    assert set(seen) == VIEW
    assert (seen["conversation_id"], seen["kind"], seen["rev"]) == (sent["conversation_id"], "direct", 2)
    assert (seen["last_seq"], seen["unread"], seen["first_unread_seq"], seen["read_seq"]) == (2, 2, 1, 0)
    assert (seen["last_message"]["content"], seen["last_message"]["message_id"]) == ("two", sent["message_id"])
    assert (seen["peer"]["username"], seen["peer"]["display_name"]) == ("ann", "Ann")
    assert {member["username"] for member in seen["members"]} == {"ann", "ben"}
    assert {name: seen[name] for name in NOTHING_KEPT} == NOTHING_KEPT
    assert seen["blocked"] is False
    one = await ben.get(f"{CONVERSATIONS}/{sent['conversation_id']}/")
    assert one.json() == seen
    await ben.put(f"{CONVERSATIONS}/{sent['conversation_id']}/cursor", json={"read_seq": 1})
    (seen,) = await listed(ben)
    assert (seen["unread"], seen["first_unread_seq"], seen["read_seq"]) == (1, 2, 1)
    async with path.http(await path.token_of("eve")) as eve:
        assert await listed(eve) == []
        for unknown in (sent["conversation_id"], "dnosuch", "a.b", "x" * 65):
            problem_of(await eve.get(f"{CONVERSATIONS}/{unknown}"), 404, "not_found")
            change = await eve.patch(f"{CONVERSATIONS}/{unknown}/me", json={"muted": True})
            problem_of(change, 404, "not_found")


async def test_the_list_has_the_newest_first_and_is_read_in_pages(path: Path, ann: httpx.AsyncClient) -> None:
    names = [f"user{number}" for number in range(5)]
    for name in names:
        await path.token_of(name)
        await send(ann, name)
    newest_first = names[::-1]
    assert [item["peer"]["username"] for item in await listed(ann)] == newest_first
    await send(ann, names[0], "again")
    newest_first = [names[0], *names[:0:-1]]
    address: str | None = f"{CONVERSATIONS}/?page_size=2&archived=false"
    found: list[str] = []
    while address is not None:
        page = await ann.get(address)
        found += [item["peer"]["username"] for item in page.json()["items"]]
        assert page.json()["prev"] is None
        assert (page.json()["next"] is None) == ("next" not in page.links)
        address = page.links["next"]["url"] if page.json()["next"] else None
        assert address is None or "page_size=2&archived=false&cursor=" in address
    assert found == newest_first


async def test_what_a_member_keeps_is_its_own_and_changes_piece_by_piece(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben")
    kept = dict[str, Any](NOTHING_KEPT)
    for change in (
        {"muted": True},
        {"draft": "see you 🙂 at"},
        {"pinned": True, "archived": True},
        {"muted": False, "draft": "x" * 8_000},
        {"draft": ""},
        {"archived": False},
    ):
        kept |= change
        changed = await ann.patch(me(sent), json=change)
        assert changed.status_code == 200, changed.text
        assert changed.json() == kept
        seen = (await ann.get(f"{CONVERSATIONS}/{sent['conversation_id']}")).json()
        assert {name: seen[name] for name in kept} == kept
    (other,) = await listed(ben)
    assert {name: other[name] for name in NOTHING_KEPT} == NOTHING_KEPT
    assert (await ben.patch(me(sent) + "/", json={"pinned": False})).json() == NOTHING_KEPT


async def test_archived_conversations_are_listed_apart(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await path.token_of("cat")
    away, here = await send(ann, "ben"), await send(ann, "cat")
    await ann.patch(me(away), json={"archived": True})
    assert [item["peer"]["username"] for item in await listed(ann, "?archived=true")] == ["ben"]
    assert [item["peer"]["username"] for item in await listed(ann, "?archived=false")] == ["cat"]
    assert len(await listed(ann)) == 2
    assert [item["archived"] for item in await listed(ben)] == [False]
    assert here["conversation_id"] != away["conversation_id"]


UNKEEPABLE: list[tuple[object, int, str]] = [
    ({}, 400, "invalid"),
    ([], 400, "invalid"),
    ({"muted": "yes"}, 400, "invalid"),
    ({"pinned": 1}, 400, "invalid"),
    ({"draft": 5}, 400, "invalid"),
    ({"draft": "a\0b"}, 400, "invalid"),
    ({"draft": "x" * 8_001}, 413, "too_large"),
]


async def test_what_cannot_be_kept_is_refused(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    sent = await send(ann, "ben")
    for body, status, code in UNKEEPABLE:
        problem_of(await ann.patch(me(sent), json=body), status, code)
    problem_of(await ann.patch(me(sent), content="muted=true"), 415, "unsupported")
    assert (await ann.patch(me(sent), json={"muted": False})).json() == NOTHING_KEPT


NO_LISTS = (
    "page_size=0", "page_size=201", "archived=maybe", "archived=", "cursor=", "cursor=a.b", "cursor=x",
    f"cursor={write_cursor([-1, 'd1'])}", f"cursor={write_cursor([1, 'a b'])}", f"cursor={write_cursor({'seq': 1})}",
)  # fmt: skip


async def test_a_list_that_cannot_be_asked_for_is_refused(ann: httpx.AsyncClient) -> None:
    for query in NO_LISTS:
        problem = problem_of(await ann.get(f"{CONVERSATIONS}?{query}"), 400, "invalid")
        assert set(problem["errors"]) == {query.partition("=")[0]}


async def test_a_draft_stands_in_no_log(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = await send(ann, "ben")
    draft = "nobody's business"
    assert (await ann.patch(me(sent), json={"draft": draft})).status_code == 200
    problem_of(await ann.patch(me(sent), json={"draft": draft + "\0"}), 400, "invalid")
    assert draft not in (await ann.get("/metrics")).text
    captured = capsys.readouterr()
    assert draft not in captured.out + captured.err


async def test_while_history_is_away_only_members_that_are_known_keep_anything(
    path: Path, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    sent = await send(ann, "ben")
    assert (await ann.patch(me(sent), json={"muted": True})).status_code == 200
    await path.stop("history")
    problem_of(await ann.get(CONVERSATIONS), 503, "unavailable")
    problem_of(await ann.get(f"{CONVERSATIONS}/{sent['conversation_id']}"), 503, "unavailable")
    assert (await ann.patch(me(sent), json={"pinned": True})).json() == NOTHING_KEPT | {"muted": True, "pinned": True}
    problem_of(await ann.patch(f"{CONVERSATIONS}/dnosuch/me", json={"muted": True}), 503, "unavailable")
