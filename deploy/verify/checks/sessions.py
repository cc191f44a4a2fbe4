"""What keeps somebody signed in: tokens, tickets, sessions, the password."""

import asyncio
from contextlib import AsyncExitStack, suppress

from websockets.exceptions import InvalidStatus

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.stage import Stage, new_id
from deploy.verify.wire import Closed, dial

LANE = Lane("sessions")
TOKENS, TICKETS = "/api/v1/auth/tokens", "/api/v1/realtime/tickets"
SOON_S = 1.0


@LANE.check("a token is given for a password and signs programs in; cookies are then ignored")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    login = {"username": ann.username, "password": ann.password, "name": "a program"}
    response = await stage.http.post(TOKENS, json=login)
    status(response, 201)
    has(response.json(), ("token", "expires_at", "user"), "the answer")
    async with stage.deployment.browser() as browser:
        signed_in = await browser.post("/api/v1/auth/login", json=login)
        status(signed_in, 200)
        refused = await browser.get("/api/v1/me", headers={"Authorization": "Bearer nonsense"})
        problem(refused, 401, "unauthenticated")


@LANE.check("a ticket opens one socket, once")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    response = await stage.post(ann, TICKETS, None)
    status(response, 201)
    has(response.json(), ("ticket", "expires_at"), "the answer")
    ticket = response.json()["ticket"]
    async with dial(stage.deployment.socket_url, ticket=ticket) as wire:
        welcome, _, _ = await wire.hello(new_id())
        equal(welcome["user"]["username"], ann.username, "the user of the ticket")
    async with dial(stage.deployment.socket_url, ticket=ticket) as wire:
        closed = await wire.closing()
        equal(closed.code, 4401, "the close code of a ticket used twice")


@LANE.check("a session cookie and an own Origin open a socket; a foreign Origin gets 403")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    login = {"username": ann.username, "password": ann.password}
    async with stage.deployment.browser() as browser:
        status(await browser.post("/api/v1/auth/login", json=login), 200)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    url, own = stage.deployment.socket_url, stage.deployment.url
    async with dial(url, cookie=cookie, origin=own) as wire:
        welcome, _, _ = await wire.hello(new_id())
        equal(welcome["user"]["username"], ann.username, "the user of the cookie")
    for origin in ("https://evil.example", own + "0", own.replace("http", "https")):
        try:
            async with dial(url, cookie=cookie, origin=origin):
                that(holds=False, why=f"Origin {origin} was let in")
        except InvalidStatus as refused:
            equal(refused.response.status_code, 403, f"the status for Origin {origin}")


@LANE.check("sessions are listed, and a revoked one closes its socket within a second")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    login = {"username": ann.username, "password": ann.password, "name": "to be revoked"}
    before = {item["id"] for item in (await stage.get(ann, "/api/v1/sessions")).json()["items"]}
    token = (await stage.http.post(TOKENS, json=login)).json()["token"]
    listed = await stage.get(ann, "/api/v1/sessions")
    status(listed, 200)
    has(listed.json(), ("items", "next", "prev"), "a list")
    added = {item["id"] for item in listed.json()["items"]} - before
    equal(len(added), 1, "the number of new sessions")
    async with dial(stage.deployment.socket_url, token=token) as wire:
        await wire.hello(new_id())
        path = f"/api/v1/sessions/{added.pop()}"
        status(await stage.http.delete(path, headers=ann.headers), 204)
        closed = await wire.closing(SOON_S)
        equal(closed.code, 4401, "the close code")
    refused = await stage.http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    problem(refused, 401, "unauthenticated")


@LANE.check("nobody can revoke a session of somebody else")
async def _(stage: Stage) -> None:
    ann, eve = await stage.user("ann"), stage.stranger
    session = (await stage.get(ann, "/api/v1/sessions")).json()["items"][0]["id"]
    refused = await stage.http.delete(f"/api/v1/sessions/{session}", headers=eve.headers)
    problem(refused, 404, "not_found")
    status(await stage.get(ann, "/api/v1/me"), 200)


@LANE.check("a change of password ends the other sessions and their sockets")
async def _(stage: Stage) -> None:
    cas = await stage.new_account("cas")
    other = (await stage.http.post(TOKENS, json={"username": cas.username, "password": cas.password})).json()["token"]
    path = "/api/v1/me/password"
    wrong = await stage.put(cas, path, {"old": "not-the-password", "new": "another-password-1"})
    that(wrong.status_code in {400, 401, 403}, f"a wrong old password got {wrong.status_code}")
    async with dial(stage.deployment.socket_url, token=other) as wire:
        await wire.hello(new_id())
        changed = await stage.put(cas, path, {"old": cas.password, "new": "another-password-1"})
        that(changed.is_success, f"the change got {changed.status_code}: {changed.text}")
        equal((await wire.closing(SOON_S)).code, 4401, "the close code")
    refused = await stage.http.get("/api/v1/me", headers={"Authorization": f"Bearer {other}"})
    problem(refused, 401, "unauthenticated")
    status(await stage.get(cas, "/api/v1/me"), 200)
    old = {"username": cas.username, "password": cas.password}
    problem(await stage.http.post(TOKENS, json=old), 401, "unauthenticated")
    status(await stage.http.post(TOKENS, json=old | {"password": "another-password-1"}), 201)


@LANE.check("a socket that is not signed in gets goodbye and 4401")
async def _(stage: Stage) -> None:
    for token in (None, "nonsense"):
        async with dial(stage.deployment.socket_url, token=token) as wire:
            closed = await wire.closing()
            equal(closed.code, 4401, "the close code")
            equal([frame["type"] for frame in wire.passed], ["goodbye"], "the frames before it")
            has(wire.passed[0], ("code", "reason", "reconnect", "after_ms"), "goodbye")


@LANE.check("the same device connected again takes over: the older socket gets 4409")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    device = new_id()
    async with (
        stage.live(ann, device_id=device) as first,
        stage.live(ann) as other,
        stage.live(ann, device_id=device) as second,
    ):
        equal((await first.closing()).code, 4409, "the close code")
        for wire in (second, other):
            await wire.send({"type": "ping", "n": 7})
            equal((await wire.expect("pong"))["n"], 7, "the answer of a socket that stays")


@LANE.check("the eleventh socket of a user gets 4429")
async def _(stage: Stage) -> None:
    dan = await stage.guest()
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(stage.live(dan)) for _ in range(10)]
        async with stage.dial(dan) as wire:
            with suppress(Closed):
                await wire.send({"type": "hello", "v": 1, "device_id": new_id()})
            closed = await wire.closing()
            equal(closed.code, 4429, "the close code of the eleventh")
            that(
                all(frame["type"] == "goodbye" for frame in wire.passed),
                f"before the close came {wire.passed}",
            )
        async with asyncio.TaskGroup() as pings:
            for each in wires:
                pings.create_task(each.send({"type": "ping", "n": 1}))
        for each in wires:
            await each.expect("pong")
