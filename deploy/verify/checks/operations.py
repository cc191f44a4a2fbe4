"""What operators and programmers look at: health, metrics, the description of the API."""

import asyncio

from deploy.verify.check import Lane, equal, status, that
from deploy.verify.deployment import SERVICES
from deploy.verify.stage import Stage

LANE = Lane("operations")
DESCRIBED = (
    ("/messages/history/{username}", "get"),
    ("/messages/load-older/{username}", "get"),
    ("/messages/queue/{username}", "post"),
    ("/messages/send/{username}", "post"),
    ("/api/v1/sync", "post"),
    ("/api/v1/auth/register", "post"),
    ("/api/v1/auth/login", "post"),
    ("/api/v1/auth/tokens", "post"),
    ("/api/v1/realtime/tickets", "post"),
    ("/api/v1/me", "patch"),
    ("/api/v1/me/presence", "put"),
    ("/api/v1/me/blocks", "get"),
    ("/api/v1/users", "get"),
    ("/api/v1/users/{username}/presence", "get"),
    ("/api/v1/users/{username}/block", "put"),
    ("/api/v1/users/{username}/block", "delete"),
    ("/api/v1/conversations", "get"),
    ("/api/v1/conversations/{id}", "get"),
    ("/api/v1/conversations/{id}/me", "patch"),
    ("/api/v1/conversations/{id}/typing", "post"),
    ("/api/v1/conversations/{id}/cursor", "put"),
    ("/api/v1/messages/{id}/status", "get"),
    ("/api/v1/messages/{id}/receipts", "get"),
    ("/api/v1/messages/{id}/timeline", "get"),
    ("/api/v1/queue", "get"),
    ("/api/v1/queue/{id}/retry", "post"),
)


def _add(service: str) -> None:
    @LANE.check(f"{service} is live and ready, by name, and has metrics", needs_services=service != "gateway")
    async def _(stage: Stage) -> None:
        url = stage.deployment.service_url(service)
        status(await stage.http.get(f"{url}/health/live"), 200)
        ready = await stage.http.get(f"{url}/health/ready")
        status(ready, 200)
        text = ready.text.lower()
        that("broker" in text, f"ready does not name the broker: {text}")
        metrics = await stage.http.get(f"{url}/metrics")
        status(metrics, 200)
        that("# TYPE" in metrics.text, "metrics are no Prometheus text")


for _service in SERVICES:
    _add(_service)


@LANE.check("OpenAPI describes the endpoints")
async def _(stage: Stage) -> None:
    response = await stage.http.get("/schema/openapi.json")
    status(response, 200)
    paths = {_plain(path): set(methods) for path, methods in response.json()["paths"].items()}
    for path, method in DESCRIBED:
        that(method in paths.get(_plain(path), ()), f"{method} {path} is not described")


def _plain(path: str) -> str:
    """Return the path without its last slash and with nameless parameters."""
    parts = ["{}" if part.startswith("{") else part for part in path.rstrip("/").split("/")]
    return "/".join(parts)


@LANE.check("the page at /schema has a CSP from 'none' up, without unsafe or a CDN")
async def _(stage: Stage) -> None:
    response = await stage.http.get("/schema", follow_redirects=True)
    status(response, 200)
    that(response.headers["content-type"].startswith("text/html"), "it is no page")
    policy = response.headers.get("content-security-policy", "")
    that("default-src 'none'" in policy, f"the policy is {policy!r}")
    that("unsafe" not in policy, f"the policy is {policy!r}")
    for mark in ('src="http', 'href="http', "src='http", 'src="//'):
        that(mark not in response.text, f"the page loads from elsewhere: {mark}")
    that("<script>" not in response.text, "the page has an inline script")


@LANE.check("bad input of every kind leaves the process and the other sockets as they were")
async def _(stage: Stage) -> None:
    async with stage.live_pair() as (ann, one, ben, two):
        await asyncio.gather(
            stage.http.get("/%00"),
            stage.http.get("/messages/history/%2e%2e/"),
            stage.http.get("/" + "a" * 5000),
            stage.http.request("BREW", "/api/v1/me"),
            stage.get(ann, "/messages/history/" + "x" * 500 + "/"),
            stage.get(ann, "/messages/history/%00/"),
            stage.get(ann, "/api/v1/messages/%F0%9F%98%80/status"),
            stage.post(ann, "/api/v1/sync", {"cursors": {"a" * 3000: 2**70}}),
        )
        async with stage.dial(ann) as bad:
            await bad.send_raw("{" * 50_000)
            await bad.send_raw('{"type":"hello","v":1,"cursors":{"x":99999999999999999999999}}')
        ack = await stage.say(one, ben, "still here")
        message = await two.expect("message")
        equal(message["message_id"], ack["message_id"], "the message")
    status(await stage.http.get("/health/live"), 200)


@LANE.check("no answer to bad HTTP input is a server error")
async def _(stage: Stage) -> None:
    ann = await stage.guest()
    for response in (
        await stage.get(ann, "/messages/history/%00/"),
        await stage.get(ann, "/messages/history/" + "x" * 500 + "/"),
        await stage.get(ann, "/api/v1/messages/%F0%9F%98%80/status"),
        await stage.get(ann, "/messages/history/nobody_here/", before="\x00", page_size=5),
        await stage.post(ann, "/api/v1/sync", {"cursors": {"a" * 3000: 2**70}}),
        await stage.post(ann, "/api/v1/auth/login", {"username": "a\x00b", "password": "\x00" * 9}),
        await stage.put(ann, "/api/v1/conversations/%00/cursor", {"read_seq": 2**70}),
        await stage.http.delete("/api/v1/sessions/%00", headers=ann.headers),
    ):
        code, path = response.status_code, response.request.url.path
        that(400 <= code < 500, f"{path} got {code}: {response.text[:200]}")
