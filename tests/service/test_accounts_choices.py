"""What a user lets others see: kept, told to every gateway and to presence, and holding on open sockets at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import nats

from deploy.verify.wire import Wire
from shared.broker.connection import Connection
from shared.contracts.events import AccountChanged
from shared.contracts.ids import Username
from shared.contracts.presence import PresenceSet, PresenceState, SetPresence
from shared.contracts.subjects import ACCOUNT_CHANGED, SET_PRESENCE
from tests.support.gateway import problem_of
from tests.support.nats import NatsServer
from tests.support.sockets import Path, ask, message, whole_path

ME = "/api/v1/me"
ALL = {"read_receipts": True, "typing": True, "last_seen": True}


def receipt(conversation: str, up_to_seq: int) -> dict[str, object]:
    return {"type": "read_receipt", "conversation_id": conversation, "state": "read", "up_to_seq": up_to_seq}


async def read_shown_as(reader: Wire, writer: Wire, conversation: str, up_to_seq: int) -> str:
    """Read up to a message; returns what the writer is told of it."""
    await reader.send(receipt(conversation, up_to_seq))
    await reader.expect("read_receipt", lambda frame: (frame["state"], frame["up_to_seq"]) == ("read", up_to_seq))
    told = await writer.expect("read_receipt", lambda frame: frame["up_to_seq"] == up_to_seq)
    state: str = told["state"]
    return state


async def test_what_is_given_changes_and_the_rest_stays(path: Path) -> None:
    async with path.http(await path.token_of("ann")) as ann:
        user = (await ann.get(ME)).json()["user"]
        assert user["settings"] == ALL
        changes: list[tuple[dict[str, object], dict[str, object]]] = [
            ({}, {}),
            ({"settings": {}}, {}),
            ({"settings": {"typing": False}}, {"typing": False}),
            ({"display_name": "Annie"}, {"typing": False}),
            ({"settings": {"typing": True, "last_seen": False, "colour": "red"}, "id": "x"}, {"last_seen": False}),
            ({"settings": None, "display_name": None}, {"last_seen": False}),
            ({"display_name": " Ann  B ", "settings": {"read_receipts": False}},
             {"last_seen": False, "read_receipts": False}),
        ]  # fmt: skip
        names = ["Ann", "Ann", "Ann", "Annie", "Annie", "Annie", "Ann B"]
        for (change, settings), name in zip(changes, names, strict=True):
            changed = await ann.patch(ME, json=change)
            assert changed.status_code == 200
            assert changed.json() == {"user": user | {"display_name": name, "settings": ALL | settings}}
            assert (await ann.get(ME)).json() == changed.json()


async def test_a_bad_change_names_its_field_and_changes_nothing(path: Path) -> None:
    bad: list[tuple[object, str]] = [
        ({"settings": {"typing": "no"}}, "settings.typing"),
        ({"settings": {"last_seen": 0}}, "settings.last_seen"),
        ({"settings": []}, "settings"),
        ({"display_name": "\u202e", "settings": {"typing": False}}, "display_name"),
        ({"display_name": "x" * 65}, "display_name"),
        ({"display_name": 5}, "display_name"),
        ([], "body"),
    ]
    async with path.http(await path.token_of("ann")) as ann:
        before = (await ann.get(ME)).json()
        for wrong, field in bad:
            assert list(problem_of(await ann.patch(ME, json=wrong), 400, "invalid")["errors"]) == [field]
        assert (await ann.get(ME)).json() == before


async def test_reading_discreetly_holds_on_open_sockets_of_every_gateway_at_once(path: Path) -> None:
    token = await path.token_of("ben")
    await path.start("second gateway")
    async with (
        path.socket(await path.token_of("ann")) as ann,
        path.socket(token) as ben,
        path.socket(token, "phone", at="second gateway") as phone,
        path.http(token) as http,
        asyncio.timeout(30),
    ):
        for number in range(6):
            acked = await ask(ann, message("ben", str(number)), "ack")
        conversation = acked["conversation_id"]
        assert await read_shown_as(ben, ann, conversation, 1) == "read"
        assert (await http.patch(ME, json={"settings": {"read_receipts": False}})).status_code == 200
        assert await read_shown_as(ben, ann, conversation, 2) == "delivered"
        assert await read_shown_as(phone, ann, conversation, 3) == "delivered"
        assert (await http.patch(ME, json={"settings": {"read_receipts": True}})).status_code == 200
        assert await read_shown_as(ben, ann, conversation, 4) == "read"
        assert await read_shown_as(phone, ann, conversation, 5) == "read"


async def test_a_change_is_told_to_every_gateway_and_seen_there(path: Path) -> None:
    await path.start("second gateway")
    token = await path.token_of("ann")
    async with _subscribed(path.settings.nats_url) as told, path.http(token) as here:
        there = path.gateways["second gateway"].browser()
        headers = {"authorization": f"Bearer {token}"}
        async with there:
            user = (await there.get(ME, headers=headers)).json()["user"]  # remembered there for a minute
            changed = await here.patch(ME, json={"display_name": "Annie", "settings": {"typing": False}})
            async with asyncio.timeout(5):
                event = await told.get()
            assert event == AccountChanged(user["id"], Username("ann"), "Annie", **(ALL | {"typing": False}))
            async with asyncio.timeout(5):
                while (await there.get(ME, headers=headers)).json() != changed.json():
                    pass
            assert (await here.patch(ME, json={})).status_code == 200
            assert told.empty()  # nothing changed, nothing is told
        async with path.dial(token, at="second gateway") as wire:
            welcome, *_ = await wire.hello("laptop")
            assert welcome["user"]["display_name"] == "Annie"


async def test_presence_is_told_who_shows_when_they_were_last_seen(path: Path) -> None:
    async with _presence(path.settings.nats_url) as asked, path.http(await path.token_of("ann")) as ann:
        user_id = (await ann.get(ME)).json()["user"]["id"]
        for change in ({"typing": False}, {"last_seen": False}, {"last_seen": True, "typing": True}):
            assert (await ann.patch(ME, json={"settings": change})).status_code == 200
        assert asked == [SetPresence(user_id, shows_last_seen=shows) for shows in (False, True)]


async def test_choices_that_changed_while_the_broker_was_away_hold_when_it_is_back(
    database_url: str, nats_server: NatsServer
) -> None:
    async with whole_path(database_url, nats_server.url, rate_limits=False) as path:
        await path.start("second gateway")
        token = await path.token_of("ben")
        async with (
            path.socket(await path.token_of("ann")) as ann,
            path.socket(token, at="second gateway") as ben,
            path.http(token) as http,
            asyncio.timeout(60),
        ):
            for number in range(2):
                acked = await ask(ann, message("ben", str(number)), "ack")
            nats_server.kill()
            assert (await http.patch(ME, json={"settings": {"read_receipts": False}})).status_code == 200
            nats_server.start()
            for wire in (ann, ben):
                await wire.expect("resync", timeout_s=30)
            assert await read_shown_as(ben, ann, acked["conversation_id"], 2) == "delivered"


@asynccontextmanager
async def _subscribed(nats_url: str) -> AsyncIterator["asyncio.Queue[AccountChanged]"]:
    told: asyncio.Queue[AccountChanged] = asyncio.Queue()
    connection = Connection(nats_url, "listening")
    await connection.open()
    try:
        await connection.subscribe(
            ACCOUNT_CHANGED, lambda payload: told.put_nowait(msgspec.json.decode(payload, type=AccountChanged))
        )
        assert await connection.flushed(5)
        yield told
    finally:
        await connection.close()


@asynccontextmanager
async def _presence(nats_url: str) -> AsyncIterator[list[SetPresence]]:
    """Answer as presence does; yields what it was asked."""
    asked: list[SetPresence] = []
    client = await nats.connect(nats_url)

    async def on_asked(question: Any) -> None:
        wish = msgspec.json.decode(question.data, type=SetPresence)
        asked.append(wish)
        await question.respond(msgspec.json.encode(PresenceSet("online", PresenceState(wish.user_id, "offline"))))

    try:
        await client.subscribe(SET_PRESENCE, cb=on_asked)
        await client.flush()
        yield asked
    finally:
        await client.close()
