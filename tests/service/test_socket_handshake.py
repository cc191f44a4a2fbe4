"""How a socket begins: who may open one, what hello says, and which sockets have to go."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from deploy.verify.wire import dial
from services.gateway.ws.surroundings import Patience
from tests.support.gateway import PASSWORD
from tests.support.sockets import Path, whole_path

QUICK = Patience(hello_s=1.0, heartbeat_s=2.0, life_s=1.0, store_s=1.0)


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url, patience=QUICK) as running:
        yield running


def socket_url(path: Path) -> str:
    return path.url.replace("http", "ws", 1) + "/ws"


async def test_a_welcome_tells_who_where_and_what(path: Path) -> None:
    async with path.dial(await path.token_of("ann")) as wire:
        assert wire.connection.subprotocol == "parley.v1.json"
        welcome, replay, caught_up = await wire.hello("laptop")
    assert welcome["user"]["username"] == "ann"
    assert welcome["user"]["display_name"] == "Ann"
    assert welcome["limits"]["frame_bytes"] == 131_072
    assert set(welcome) == {"type", "session_id", "user", "epoch", "heartbeat_ms", "limits", "server_time"}
    assert replay == []
    assert caught_up == {"type": "caught_up", "replayed": 0, "cursors": {}}


async def test_whoever_is_not_signed_in_is_told_after_the_upgrade(path: Path) -> None:
    for token in (None, "wrong"):
        async with path.dial(token) as wire:
            closed = await wire.closing()
            goodbye = wire.passed[-1]
        assert closed.code == 4401
        assert (goodbye["type"], goodbye["code"], goodbye["reconnect"]) == ("goodbye", "unauthenticated", False)


async def test_a_ticket_opens_one_socket(path: Path) -> None:
    async with path.http(await path.token_of("ann")) as http:
        ticket = (await http.post("/api/v1/realtime/tickets")).json()["ticket"]
    async with dial(socket_url(path), ticket=ticket) as wire:
        assert (await wire.hello("laptop"))[0]["user"]["username"] == "ann"
    async with dial(socket_url(path), ticket=ticket) as wire:
        assert (await wire.closing()).code == 4401


async def test_a_cookie_counts_only_with_an_own_origin(path: Path) -> None:
    async with httpx.AsyncClient(base_url=path.url, trust_env=False) as browser:
        signed_up = await browser.post("/api/v1/auth/register", json={"username": "ann", "password": PASSWORD})
        assert signed_up.status_code == 201
        cookie = f"session={browser.cookies['session']}"
    async with dial(socket_url(path), cookie=cookie, origin=path.url) as wire:
        assert (await wire.hello("browser"))[0]["user"]["username"] == "ann"
    for origin in (None, "http://evil.example", path.url + "0"):
        with pytest.raises(InvalidStatus) as caught:
            async with dial(socket_url(path), cookie=cookie, origin=origin):
                pass
        assert caught.value.response.status_code == 403


async def test_whoever_says_no_hello_has_to_go(path: Path) -> None:
    async with path.dial(await path.token_of("ann")) as wire:
        assert (await wire.closing()).code == 4401


async def test_another_version_is_not_supported(path: Path) -> None:
    async with path.dial(await path.token_of("ann")) as wire:
        await wire.send({"type": "hello", "v": 2, "device": "new"})
        assert (await wire.closing()).code == 4426
        assert wire.passed[-1]["type"] == "goodbye"


async def test_a_device_that_connects_again_takes_the_place_of_its_older_socket(path: Path) -> None:
    token = await path.token_of("ann")
    async with (
        path.socket(token, "phone") as phone,
        path.socket(token, "laptop") as older,
        path.socket(token, "laptop") as newer,
    ):
        closed = await older.closing()
        assert (closed.code, older.passed[-1]["reconnect"]) == (4409, False)
        assert await newer.quiet() == await phone.quiet() == []


async def test_a_sign_in_that_ends_takes_its_sockets_with_it_within_a_second(path: Path) -> None:
    token = await path.token_of("ann")
    async with path.socket(token, "a") as a, path.dial(token) as silent, path.http(token) as http:
        for session in (await http.get("/api/v1/sessions")).json()["items"]:
            assert (await http.delete(f"/api/v1/sessions/{session['id']}")).status_code == 204
        assert (await a.closing(1.0)).code == (await silent.closing(1.0)).code == 4401
        assert a.passed[-1]["type"] == "goodbye"


async def test_one_socket_too_many_is_sent_away_and_the_others_stay(path: Path) -> None:
    token = await path.token_of("ann")
    async with path.socket(token, "first") as first:
        others = [path.socket(token, f"d{number}") for number in range(9)]
        for other in others:
            await other.__aenter__()
        async with path.dial(token) as wire:
            assert (await wire.closing()).code == 4429
            assert wire.passed[-1]["code"] == "too_many_sockets"
            assert wire.passed[-1]["after_ms"] > 0
        await first.send({"type": "ping", "n": 1})
        await first.expect("pong")
        for other in others:
            await other.__aexit__(None, None, None)


async def test_a_silent_client_is_pinged_and_then_given_up(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as wire:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await wire.expect("ping")
        await wire.send({"type": "pong", "n": 1})
        await wire.expect("ping")
        assert loop.time() - began > 3.0
        assert (await wire.closing()).code == 4408
        assert wire.passed[-1]["reconnect"] is True


async def test_hello_may_be_said_again_on_the_same_socket(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as wire:
        welcome, _, caught_up = await wire.hello("laptop")
        again, _, _ = await wire.hello("laptop", epoch=welcome["epoch"])
    assert again["session_id"] == welcome["session_id"]
    assert caught_up["cursors"] == {}
