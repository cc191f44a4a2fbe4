"""Accounts over HTTP: registration, sign-in, cookies, CSRF, Origin."""

import httpx

from deploy.verify.check import Lane, equal, has, problem, status, that
from deploy.verify.deployment import patiently
from deploy.verify.stage import Stage

LANE = Lane("accounts")
PASSWORD = "correct horse ünd bättery"  # noqa: S105 - of accounts that live for a minute
REGISTER, LOGIN = "/api/v1/auth/register", "/api/v1/auth/login"
FOREIGN = {"Origin": "https://evil.example"}


async def _register(stage: Stage, browser: httpx.AsyncClient, name: str) -> httpx.Response:
    body = {"username": name, "password": PASSWORD}
    response = await patiently(browser, REGISTER, body, stage.allow)
    status(response, 201)
    return response


def _cookie_lines(response: httpx.Response) -> dict[str, str]:
    lines = response.headers.get_list("set-cookie")
    return {line.split("=", 1)[0]: line for line in lines}


@LANE.check("register answers 201 with the user, a CSRF token and a session cookie")
async def _(stage: Stage) -> None:
    name = stage.deployment.fresh_name("reg")
    async with stage.deployment.browser() as browser:
        response = await _register(stage, browser, name)
        body = response.json()
        has(body, ("user", "csrf_token"), "the answer")
        has(body["user"], ("id", "username", "display_name"), "the user")
        equal(body["user"]["username"], name, "the username")
        me = await browser.get("/api/v1/me")
        status(me, 200)
        equal(me.json()["user"]["username"], name, "GET /me")


@LANE.check("cookies carry HttpOnly, SameSite=Lax, Path=/ and Secure only under https")
async def _(stage: Stage) -> None:
    https = stage.deployment.url.startswith("https")
    async with stage.deployment.browser() as browser:
        response = await _register(stage, browser, stage.deployment.fresh_name("cookie"))
    lines = _cookie_lines(response)
    that(any(name.endswith("csrftoken") for name in lines), f"no csrftoken among {list(lines)}")
    sessions = [line for name, line in lines.items() if not name.endswith("csrftoken")]
    that(sessions, f"no session cookie among {list(lines)}")
    that(all("httponly" in line.lower() for line in sessions), "the session cookie lacks HttpOnly")
    for name, line in lines.items():
        folded = line.lower().replace(" ", "")
        that("samesite=lax" in folded, f"{name} lacks SameSite=Lax")
        that("path=/;" in f"{folded};", f"{name} lacks Path=/")
        equal(";secure" in folded, https, f"Secure of {name}")
        equal(name.startswith("__Host-"), https, f"__Host- of {name}")
        if name.endswith("csrftoken"):
            that("httponly" not in folded, "csrftoken must be readable by the page")


@LANE.check("a username is folded to lower case and never given twice")
async def _(stage: Stage) -> None:
    name = stage.deployment.fresh_name("fold")
    body = {"username": name.upper(), "password": PASSWORD}
    async with stage.deployment.browser() as browser:
        first = await patiently(browser, REGISTER, body, stage.allow)
        status(first, 201)
        equal(first.json()["user"]["username"], name, "the folded username")
    async with stage.deployment.browser() as browser:
        problem(await browser.post(REGISTER, json=body | {"username": name}), 409, "username_taken")


@LANE.check("a bad username or password is refused as invalid")
async def _(stage: Stage) -> None:
    good = stage.deployment.fresh_name("bad")
    bad = [
        {"username": "ab", "password": PASSWORD},
        {"username": "a" * 33, "password": PASSWORD},
        {"username": "with space", "password": PASSWORD},
        {"username": "dot.dot", "password": PASSWORD},
        {"username": good, "password": "seven77"},
        {"username": good, "password": "x" * 129},
        {"username": good},
        {"username": 5, "password": PASSWORD},
    ]
    for body in bad:
        problem(await stage.http.post(REGISTER, json=body), 400, "invalid")


@LANE.check("login answers 200 with a new session id; the old one is not taken over")
async def _(stage: Stage) -> None:
    name = stage.deployment.fresh_name("login")
    async with stage.deployment.browser() as browser:
        before = _cookie_lines(await _register(stage, browser, name))
        response = await browser.post(LOGIN, json={"username": name, "password": PASSWORD})
        status(response, 200)
        has(response.json(), ("user", "csrf_token"), "the answer")
        after = _cookie_lines(response)
    shared = [key for key in before if key in after and not key.endswith("csrftoken")]
    that(shared, "login set no session cookie")
    for key in shared:
        that(before[key].split(";")[0] != after[key].split(";")[0], "the session id was kept")


@LANE.check("a wrong password and an unknown user get the same answer")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    answers = []
    for name in (ann.username, stage.deployment.fresh_name("ghost")):
        response = await stage.http.post(LOGIN, json={"username": name, "password": "wrong-wrong"})
        problem(response, 401, "unauthenticated")
        body = response.json()
        body.pop("request_id")
        answers.append(body)
    equal(answers[0], answers[1], "the answer to a wrong password")


@LANE.check("without signing in there is 401")
async def _(stage: Stage) -> None:
    for path in ("/api/v1/me", "/api/v1/sessions", "/messages/history/somebody/"):
        problem(await stage.http.get(path), 401, "unauthenticated")
    response = await stage.http.get("/api/v1/me", headers={"Authorization": "Bearer nonsense"})
    problem(response, 401, "unauthenticated")


@LANE.check("a cookie's write needs the CSRF token")
async def _(stage: Stage) -> None:
    async with stage.deployment.browser() as browser:
        registered = await _register(stage, browser, stage.deployment.fresh_name("csrf"))
        token = registered.json()["csrf_token"]
        body = {"display_name": "Someone Else"}
        problem(await browser.patch("/api/v1/me", json=body), 403, "forbidden")
        wrong = {"x-csrftoken": token[::-1] + "x"}
        problem(await browser.patch("/api/v1/me", json=body, headers=wrong), 403, "forbidden")
        right = await browser.patch("/api/v1/me", json=body, headers={"x-csrftoken": token})
        status(right, 200)
        equal(right.json()["user"]["display_name"], "Someone Else", "the new display name")


@LANE.check("a foreign Origin is refused, with cookies, with a token and at sign-in")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    login = {"username": ann.username, "password": ann.password}
    problem(await stage.http.post(LOGIN, json=login, headers=FOREIGN), 403, "forbidden")
    response = await stage.http.post(
        f"/messages/send/{ann.username}/", json={"content": "x"}, headers=ann.headers | FOREIGN
    )
    problem(response, 403, "forbidden")
    async with stage.deployment.browser() as browser:
        registered = await _register(stage, browser, stage.deployment.fresh_name("origin"))
        headers = {"x-csrftoken": registered.json()["csrf_token"]}
        body = {"display_name": "x"}
        refused = await browser.patch("/api/v1/me", json=body, headers=headers | FOREIGN)
        problem(refused, 403, "forbidden")
        own = {"Origin": stage.deployment.url}
        status(await browser.patch("/api/v1/me", json=body, headers=headers | own), 200)


@LANE.check("logout answers 204 and ends the session")
async def _(stage: Stage) -> None:
    async with stage.deployment.browser() as browser:
        registered = await _register(stage, browser, stage.deployment.fresh_name("logout"))
        kept = dict(browser.cookies)
        headers = {"x-csrftoken": registered.json()["csrf_token"]}
        status(await browser.post("/api/v1/auth/logout", headers=headers), 204)
        header = "; ".join(f"{name}={value}" for name, value in kept.items())
        problem(await stage.http.get("/api/v1/me", headers={"Cookie": header}), 401, "unauthenticated")


@LANE.check("every response is nosniff and has a referrer policy")
async def _(stage: Stage) -> None:
    ann = await stage.user("ann")
    for response in (
        await stage.get(ann, "/api/v1/me"),
        await stage.http.get("/api/v1/me"),
        await stage.http.get("/health/live"),
        await stage.http.get("/no/such/page"),
    ):
        equal(response.headers.get("x-content-type-options"), "nosniff", "X-Content-Type-Options")
        that(response.headers.get("referrer-policy"), "there is no Referrer-Policy")
