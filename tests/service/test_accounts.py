"""Accounts over HTTP: registering, signing in and out, tokens, sessions, the password; on both databases."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import pytest
import sqlalchemy as sa

from services.gateway.guards.sign_ins import create_accounts
from shared.contracts.errors import Code, Refusal
from shared.database.engine import open_engine
from shared.database.tables import account, sign_in, ticket
from tests.support.gateway import PASSWORD, RunningGateway, prepared_gateway, problem_of, running_gateway
from tests.support.ports import free_port

REGISTER, LOGIN, LOGOUT, TOKENS = (f"/api/v1/auth/{what}" for what in ("register", "login", "logout", "tokens"))
ANN = {"username": "ann", "password": PASSWORD}


@pytest.fixture
async def gateway(database_url: str, nats_url: str) -> AsyncIterator[RunningGateway]:
    async with prepared_gateway(database_url, nats_url) as running:
        yield running


async def rows_of(gateway: RunningGateway, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    engine = open_engine(gateway.settings.database_url, "reader")
    try:
        async with engine.connect() as connection:
            return list((await connection.execute(sa.select(table))).all())
    finally:
        await engine.dispose()


async def change(gateway: RunningGateway, statement: sa.Update) -> None:
    engine = open_engine(gateway.settings.database_url, "writer")
    try:
        async with engine.begin() as connection:
            await connection.execute(statement)
    finally:
        await engine.dispose()


def cookies_of(response: httpx.Response) -> SimpleCookie:
    cookies = SimpleCookie()
    for line in response.headers.get_list("set-cookie"):
        cookies.load(line)
    return cookies


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_registering_signs_in_and_tells_the_csrf_token(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        registered = await browser.post(REGISTER, json=ANN | {"username": "Ann", "display_name": " Ann\u202e B "})
        assert registered.status_code == 201
        user = registered.json()["user"]
        assert set(registered.json()) == {"user", "csrf_token"}
        assert (user["username"], user["display_name"]) == ("ann", "Ann B")
        me = (await browser.get("/api/v1/me")).json()
        assert me == {"user": user | {"settings": dict.fromkeys(("read_receipts", "typing", "last_seen"), True)}}
        assert registered.json()["csrf_token"] == cookies_of(registered)["csrftoken"].value


async def test_cookies_are_strict_and_only_the_csrf_token_is_readable(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        cookies = cookies_of(await browser.post(REGISTER, json=ANN))
    assert set(cookies) == {"session", "csrftoken"}
    for name, cookie in cookies.items():
        assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "Lax", "")
        assert bool(cookie["httponly"]) == (name == "session")
        assert not cookie["secure"]
    assert len(cookies["session"].value) >= 43  # 256 bits


async def test_under_https_cookies_are_secure_and_bound_to_the_host(sqlite_url: str, nats_url: str) -> None:
    async with (
        prepared_gateway(sqlite_url, nats_url, public_url="https://chat.example") as gateway,
        gateway.browser() as browser,
    ):
        registered = await browser.post(REGISTER, json=ANN, headers={"origin": "https://chat.example"})
        cookies = cookies_of(registered)
        assert set(cookies) == {"__Host-session", "__Host-csrftoken"}
        assert all(cookie["secure"] and cookie["path"] == "/" and not cookie["domain"] for cookie in cookies.values())
        assert "max-age" in registered.headers["strict-transport-security"]
        sent = {"cookie": "; ".join(f"{name}={cookie.value}" for name, cookie in cookies.items())}
        token = {"x-csrftoken": registered.json()["csrf_token"]}
        assert (await browser.patch("/api/v1/me", json={"display_name": "A"}, headers=sent | token)).status_code == 200
        problem_of(await browser.patch("/api/v1/me", json={"display_name": "A"}, headers=sent), 403, "forbidden")


async def test_a_username_is_given_once_however_it_is_written(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        assert (await browser.post(REGISTER, json=ANN)).status_code == 201
        taken = problem_of(await browser.post(REGISTER, json=ANN | {"username": "ANN"}), 409, "username_taken")
        assert taken["errors"] == {"username": "is taken"}


BAD_REGISTRATIONS: list[tuple[dict[str, object], str]] = [
    ({"username": "ab"}, "username"),
    ({"username": "a.b"}, "username"),
    ({"username": "a" * 33}, "username"),
    ({"username": 5}, "username"),
    ({"username": None}, "username"),
    ({"password": "seven77"}, "password"),
    ({"password": "x" * 129}, "password"),
    ({"password": ["x" * 10]}, "password"),
    ({"display_name": "\u202e"}, "display_name"),
    ({"display_name": "x" * 65}, "display_name"),
    ({"display_name": 7}, "display_name"),
]


async def test_a_bad_registration_names_its_field(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        for wrong, field in BAD_REGISTRATIONS:
            refused = problem_of(await browser.post(REGISTER, json=ANN | wrong), 400, "invalid")
            assert list(refused["errors"]) == [field]
    assert await rows_of(gateway, account) == []


async def test_a_password_of_any_kind_signs_in_whole_and_nothing_shorter(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        for number, password in enumerate(["x" * 8, "x" * 128, "ünïcödé🙂" * 10, " " * 8, "nul\0inside"]):
            signing_in = {"username": f"user-{number}", "password": password}
            assert (await browser.post(REGISTER, json=signing_in)).status_code == 201
            assert (await browser.post(LOGIN, json=signing_in)).status_code == 200
            shorter = await browser.post(LOGIN, json=signing_in | {"password": password[:-1]})
            problem_of(shorter, 401, "unauthenticated")


async def test_only_hashes_are_stored(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        registered = await browser.post(REGISTER, json=ANN)
        token = (await browser.post(TOKENS, json=ANN)).json()["token"]
        made = await browser.post("/api/v1/realtime/tickets", headers=bearer(token))
    secrets = (PASSWORD, token, cookies_of(registered)["session"].value, made.json()["ticket"])
    (stored,) = await rows_of(gateway, account)
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", stored.password_hash)
    for table in (account, sign_in, ticket):
        for row in await rows_of(gateway, table):
            written = " ".join(str(value) for value in row)
            assert not any(secret in written for secret in secrets)


async def test_each_sign_in_is_a_new_session_whatever_the_browser_held(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        first = cookies_of(await browser.post(REGISTER, json=ANN))["session"].value
        preset = {"cookie": "session=chosen-by-somebody-else"}
        second = cookies_of(await browser.post(LOGIN, json=ANN, headers=preset))["session"].value
        third = cookies_of(await browser.post(LOGIN, json=ANN))["session"].value
        assert len({first, second, third, "chosen-by-somebody-else"}) == 4
        problem_of(await browser.get("/api/v1/me", headers=preset), 401, "unauthenticated")


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        await browser.post(REGISTER, json=ANN)
        answers = []
        for name in ("ann", "nobody", "not a name", ""):
            refused = await browser.post(LOGIN, json={"username": name, "password": "wrong-wrong"})
            answer = problem_of(refused, 401, "unauthenticated")
            answers.append({key: value for key, value in answer.items() if key != "request_id"})
            assert "set-cookie" not in refused.headers
        assert all(answer == answers[0] for answer in answers)


async def test_a_token_signs_programs_in_and_cookies_are_then_ignored(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        await browser.post(REGISTER, json=ANN)
        made = await browser.post(TOKENS, json=ANN | {"name": "a bot"})
        assert made.status_code == 201
        assert set(made.json()) == {"token", "expires_at", "user"}
        assert "set-cookie" not in made.headers
        problem_of(await browser.get("/api/v1/me", headers=bearer("nonsense")), 401, "unauthenticated")
        session = browser.cookies["session"]
        problem_of(await browser.get("/api/v1/me", headers=bearer(session)), 401, "unauthenticated")
        token = made.json()["token"]
        as_cookie = {"cookie": f"session={token}"}
        problem_of(await browser.get("/api/v1/me", headers=as_cookie), 401, "unauthenticated")
    async with gateway.browser() as program:
        renamed = await program.patch("/api/v1/me", json={"display_name": "Annie"}, headers=bearer(token))
        assert renamed.json()["user"]["display_name"] == "Annie"
        assert (await program.get("/api/v1/me", headers=bearer(token))).json() == renamed.json()


async def test_logging_out_ends_the_session_and_clears_the_cookies(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        registered = await browser.post(REGISTER, json=ANN)
        kept = {"cookie": f"session={browser.cookies['session']}"}
        out = await browser.post(LOGOUT, headers={"x-csrftoken": registered.json()["csrf_token"]})
        assert out.status_code == 204
        assert all(cookie["max-age"] == "0" for cookie in cookies_of(out).values())
        assert not browser.cookies
        problem_of(await browser.get("/api/v1/me", headers=kept), 401, "unauthenticated")
        assert await rows_of(gateway, sign_in) == []


async def test_sessions_are_listed_newest_first_and_end_one_by_one(gateway: RunningGateway) -> None:
    ann = await gateway.account("ann")
    async with gateway.browser() as browser:
        other = bearer((await browser.post(TOKENS, json=ANN | {"name": "old \u202elaptop"})).json()["token"])
        listed = (await browser.get("/api/v1/sessions", headers=ann)).json()
        assert set(listed) == {"items", "next", "prev"}
        assert [item["kind"] for item in listed["items"]] == ["token", "token", "cookie"]
        newest = listed["items"][0]
        assert newest["name"] == "old laptop"
        assert [item["current"] for item in listed["items"]] == [False, True, False]
        assert set(newest) == {"id", "kind", "name", "created_at", "last_used_at", "expires_at", "current"}
        assert (await browser.get("/api/v1/me", headers=other)).status_code == 200
        path = f"/api/v1/sessions/{newest['id']}"
        assert (await browser.delete(path, headers=ann)).status_code == 204
        problem_of(await browser.get("/api/v1/me", headers=other), 401, "unauthenticated")
        problem_of(await browser.delete(path, headers=ann), 404, "not_found")
        assert len((await browser.get("/api/v1/sessions", headers=ann)).json()["items"]) == 2


async def test_a_session_tells_which_browser_it_is_in(gateway: RunningGateway) -> None:
    named = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
    async with gateway.browser() as browser:
        await browser.post(REGISTER, json=ANN, headers={"user-agent": named})
        listed = (await browser.get("/api/v1/sessions")).json()
        assert [item["name"] for item in listed["items"]] == [named]
        await browser.post("/api/v1/auth/login", json=ANN, headers={"user-agent": "x" * 1000})
        assert (await browser.get("/api/v1/sessions")).json()["items"][0]["name"] == "x" * 256


async def test_nobody_ends_the_session_of_somebody_else(gateway: RunningGateway) -> None:
    ann, eve = await gateway.account("ann"), await gateway.account("eve")
    async with gateway.browser() as browser:
        session = (await browser.get("/api/v1/sessions", headers=ann)).json()["items"][0]["id"]
        problem_of(await browser.delete(f"/api/v1/sessions/{session}", headers=eve), 404, "not_found")
        problem_of(await browser.delete("/api/v1/sessions/%00", headers=eve), 404, "not_found")
        assert (await browser.get("/api/v1/me", headers=ann)).status_code == 200


async def test_a_changed_password_ends_every_other_sign_in(gateway: RunningGateway) -> None:
    path, new = "/api/v1/me/password", "another-password"
    ann = await gateway.account("ann")
    async with gateway.browser() as browser, gateway.browser() as other:
        await other.post(LOGIN, json=ANN)
        assert (await other.get("/api/v1/me")).status_code == 200
        wrong = problem_of(await browser.put(path, json={"old": "x", "new": new}, headers=ann), 403, "forbidden")
        assert list(wrong["errors"]) == ["old"]
        short = problem_of(await browser.put(path, json={"old": PASSWORD, "new": "x"}, headers=ann), 400, "invalid")
        assert list(short["errors"]) == ["new"]
        changed = await browser.put(path, json={"old": PASSWORD, "new": new}, headers=ann)
        assert changed.status_code == 204
        problem_of(await other.get("/api/v1/me"), 401, "unauthenticated")
        assert (await browser.get("/api/v1/me", headers=ann)).status_code == 200
        problem_of(await browser.post(LOGIN, json=ANN), 401, "unauthenticated")
        assert (await browser.post(LOGIN, json=ANN | {"password": new})).status_code == 200


async def test_what_ends_on_one_gateway_is_over_on_the_other_within_a_second(gateway: RunningGateway) -> None:

    ann = await gateway.account("ann")
    elsewhere = replace(gateway.settings, http_port=free_port())
    async with running_gateway(elsewhere) as second, second.browser() as there, gateway.browser() as here:
        assert (await there.get("/api/v1/me", headers=ann)).status_code == 200  # remembered there for a minute
        assert (await here.post(LOGOUT, headers=ann)).status_code == 204
        for _ in range(50):
            if (await there.get("/api/v1/me", headers=ann)).status_code == 401:
                break
        problem_of(await there.get("/api/v1/me", headers=ann), 401, "unauthenticated")


async def test_a_sign_in_is_over_when_it_expires_or_lies_idle(gateway: RunningGateway) -> None:
    ann = await gateway.account("ann")
    async with gateway.browser() as browser:
        await browser.post(LOGIN, json=ANN)
        day_ms = 86_400_000
        idle = sa.update(sign_in).where(sign_in.c.kind == "cookie")
        await change(gateway, idle.values(last_used_at_ms=sign_in.c.last_used_at_ms - 15 * day_ms))
        problem_of(await browser.get("/api/v1/me"), 401, "unauthenticated")
        old = sa.update(sign_in).where(sign_in.c.kind == "token")
        await change(gateway, old.values(expires_at_ms=sign_in.c.created_at_ms))
        problem_of(await browser.get("/api/v1/me", headers=ann), 401, "unauthenticated")


async def test_the_last_use_is_written_every_five_minutes_at_most(gateway: RunningGateway) -> None:
    ann = await gateway.account("ann")
    long_ago = sa.update(sign_in).values(last_used_at_ms=sign_in.c.last_used_at_ms - 6 * 60_000)

    def last_used(rows: list[sa.Row[tuple[object, ...]]]) -> int:
        return max(int(row.last_used_at_ms) for row in rows if row.kind == "token")

    before = last_used(await rows_of(gateway, sign_in))
    await change(gateway, long_ago)
    async with gateway.browser() as browser:
        for _ in range(3):
            assert (await browser.get("/api/v1/me", headers=ann)).status_code == 200
        noted = last_used(await rows_of(gateway, sign_in))
        assert noted >= before
        for _ in range(3):
            assert (await browser.get("/api/v1/me", headers=ann)).status_code == 200
    assert last_used(await rows_of(gateway, sign_in)) == noted


@pytest.mark.parametrize("registration", ["invite", "closed"])
async def test_where_registration_is_not_open_nobody_registers(
    sqlite_url: str, nats_url: str, registration: str
) -> None:
    async with (
        prepared_gateway(sqlite_url, nats_url, registration=registration) as gateway,
        gateway.browser() as browser,
    ):
        refused = problem_of(await browser.post(REGISTER, json=ANN), 403, "forbidden")
        assert "Ask whoever runs this server for an account." in refused["detail"]
        assert ("there are no invitations yet" in refused["detail"]) is (registration == "invite")
        (token,) = await create_accounts(gateway.settings.database_url, ["ann"])
        me = await browser.get("/api/v1/me", headers=bearer(token))
        assert me.json()["user"]["username"] == "ann"


async def test_many_accounts_are_made_without_passwords_all_or_none(gateway: RunningGateway) -> None:
    url = gateway.settings.database_url
    names = [f"load-{number}" for number in range(1_100)]
    tokens = await create_accounts(url, names)
    assert len(set(tokens)) == len(names)
    async with gateway.browser() as browser:
        me = await browser.get("/api/v1/me", headers=bearer(tokens[-1]))
        assert me.json()["user"]["username"] == names[-1]
        guess = await browser.post(LOGIN, json={"username": names[0], "password": ""})
        problem_of(guess, 401, "unauthenticated")
    with pytest.raises(Refusal) as refused:
        await create_accounts(url, ["new-one", names[5]])
    assert refused.value.code is Code.USERNAME_TAKEN
    assert len(await rows_of(gateway, account)) == len(names)
