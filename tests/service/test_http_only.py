"""Two people who never open a socket: everything that a conversation has comes to them by HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest_asyncio

from tests.support.presence import running_presence
from tests.support.sockets import Path, whole_path

Json = dict[str, Any]


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(database_url, nats_url) as running:
        yield running


class Client:
    """A user's program: it holds what it was told, and polls for what comes."""

    def __init__(self, path: Path, http: httpx.AsyncClient) -> None:
        self.path = path
        self.http = http
        self.epoch: str | None = None
        self.cursors: dict[str, int] = {}
        self.watched: list[str] = []

    async def send(self, to: str, content: str, key: str) -> httpx.Response:
        """Send a message under a key."""
        return await self.http.post(
            f"/messages/send/{to}/", json={"content": content}, headers={"idempotency-key": key}
        )

    async def poll(self, wait_s: float = 20) -> Json:
        """Ask what was missed, and wait where that is nothing; remembers where it stands then."""
        question = {"epoch": self.epoch, "cursors": self.cursors, "wait_s": wait_s, "watch": self.watched}
        synced: Json = answered(await self.http.post("/api/v1/sync", json=question, timeout=30))
        self.epoch, self.cursors = synced["epoch"], self.cursors | synced["cursors"]
        return synced

    async def poll_while(self, happens: Callable[[], Awaitable[object]]) -> Json:
        """Wait in a poll for what happens meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(self.poll())
            await self.path.until_polling()
            await happens()
        return polling.result()


@pytest_asyncio.fixture
async def ann(path: Path) -> AsyncIterator[Client]:
    async with path.http(await path.token_of("ann")) as http:
        yield Client(path, http)


@pytest_asyncio.fixture
async def ben(path: Path) -> AsyncIterator[Client]:
    async with path.http(await path.token_of("ben")) as http:
        yield Client(path, http)


def answered(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def contents(page: Json) -> list[str]:
    return [message["content"] for message in page["messages"]]


async def test_a_conversation_of_two_who_only_poll(ann: Client, ben: Client) -> None:
    await ben.poll(0)
    sent: list[Json] = []

    async def write() -> None:
        sent.append(answered(await ann.send("ben", "hi", "k1"), 201))

    heard = await ben.poll_while(write)
    (page,) = heard["conversations"]
    assert (contents(page), page["rev"], heard["cursors"]) == (["hi"], 1, {page["conversation_id"]: 1})
    assert page["messages"][0]["message_id"] == sent[0]["message_id"]
    conversation, message = sent[0]["conversation_id"], sent[0]["message_id"]
    again = await ann.send("ben", "hi", "k1")
    assert answered(again) == sent[0] | {"duplicate": True}

    status = f"/api/v1/messages/{message}/status"
    assert answered(await ann.http.get(status))["status"] == "sent"
    await ann.poll(0)
    for state in ("delivered", "read"):

        async def move(name: str = f"{state}_seq") -> None:
            where = f"/api/v1/conversations/{conversation}/cursor"
            assert answered(await ben.http.put(where, json={name: 1}))[name] == 1

        told = await ann.poll_while(move)
        (page,) = told["conversations"]
        cursors = {member["username"]: member for member in page["members"]}
        assert (cursors["ben"]["delivered_seq"], cursors["ben"]["read_seq"]) == (1, int(state == "read"))
        assert answered(await ann.http.get(status))["status"] == state
    assert answered(await ann.http.get(status))["read_at"] is not None

    async def reply() -> None:
        answered(await ben.send("ann", "hello", "k1"), 201)  # an id of his own, whoever else has it

    (page,) = (await ann.poll_while(reply))["conversations"]
    assert [(message["sender"], message["content"]) for message in page["messages"]] == [("ben", "hello")]
    assert (await ann.poll(0))["conversations"][0]["messages"] == []


async def test_each_sees_the_other_type_while_polling(ann: Client, ben: Client) -> None:
    conversation = answered(await ann.send("ben", "hi", "k1"), 201)["conversation_id"]
    for client in (ann, ben):
        await client.poll(0)
    for typist, name, other in ((ann, "ann", ben), (ben, "ben", ann)):
        for state in ("start", "stop"):

            async def types(typist: Client = typist, state: str = state) -> None:
                where = f"/api/v1/conversations/{conversation}/typing"
                answered(await typist.http.post(where, json={"state": state}), 204)

            heard = await other.poll_while(types)
            told = {"conversation_id": conversation, "user": name, "state": state, "ttl_ms": 7_000}
            assert heard["typing"] == [told]
            assert all(page["messages"] == [] for page in heard["conversations"])


async def test_the_whole_history_is_there_page_by_page(ann: Client, ben: Client) -> None:
    written = [f"message {number}" for number in range(1, 8)]
    for number, content in enumerate(written):
        sender, to = ((ann, "ben"), (ben, "ann"))[number % 2]
        answered(await sender.send(to, content, f"k{number}"), 201)
    seen: list[str] = []
    address: str | None = "/messages/history/ann/?page_size=3"
    while address is not None:
        response = await ben.http.get(address)
        page = answered(response)
        seen = contents(page) + seen
        address = response.links["next"]["url"] if page["has_more"] else None
    assert seen == written
    assert contents((await ben.poll(0))["conversations"][0]) == written


async def test_each_sees_how_the_other_is_while_polling(path: Path, ann: Client, ben: Client) -> None:
    async with running_presence(path.settings.nats_url), path.http(await path.token_of("eve")) as eve:
        answered(await ann.send("ben", "hi", "k1"), 201)
        for client in (ann, ben):
            await client.poll(0)
        await shows(ann.http, "ben", "offline")
        ann.watched = ["ben"]
        await ann.poll(0)

        async def come() -> None:
            answered(await ben.http.post("/api/v1/sync", json={"cursors": ben.cursors, "wait_s": 0.2}))

        assert (await ann.poll_while(come))["presence"] == [{"user": "ben", "status": "online"}]
        await shows(ann.http, "ben", "online")
        for status, shown in (("away", "away"), ("dnd", "dnd"), ("invisible", "offline"), ("online", "online")):

            async def choose(status: str = status) -> None:
                assert answered(await ben.http.put("/api/v1/me/presence", json={"status": status})) == {
                    "status": status
                }

            (told,) = (await ann.poll_while(choose))["presence"]
            assert (told["user"], told["status"]) == ("ben", shown)
            await shows(ann.http, "ben", shown)
        for stranger in ("ben", "nobody"):
            hidden = answered(await eve.get(f"/api/v1/users/{stranger}/presence"))
            assert hidden == {"user": stranger, "status": "offline"}


async def shows(http: httpx.AsyncClient, user: str, status: str) -> None:
    """Wait until somebody is shown to be so."""
    async with asyncio.timeout(10):
        while answered(await http.get(f"/api/v1/users/{user}/presence"))["status"] != status:  # noqa: ASYNC110 - of a service
            await asyncio.sleep(0.05)
