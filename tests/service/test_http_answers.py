"""The form of every HTTP answer: problems, headers, pages, the OpenAPI document."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import pytest

from services.gateway.api.envelope import DATA_POLICY, PAGE_POLICY
from services.gateway.api.html import element, page
from services.gateway.api.problems import MEANINGS
from shared.contracts.errors import HTTP_STATUS, RETRYABLE, Code
from tests.support.gateway import PASSWORD, RunningGateway, prepared_gateway, problem_of

LOGIN, ME, SYNC = "/api/v1/auth/login", "/api/v1/me", "/api/v1/sync"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def gateway(sqlite_url: str, nats_url: str) -> AsyncIterator[RunningGateway]:
    async with prepared_gateway(sqlite_url, nats_url) as running:
        yield running


async def test_an_unknown_address_is_a_problem(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        for path in ("/nope", "/api/v1", "/api/v1/nope", "/schema/nope", "/messages/history", "/%2e%2e/x"):
            problem_of(await browser.get(path), 404, "not_found")


async def test_a_wrong_method_is_a_problem_that_tells_the_right_ones(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        refused = await browser.delete(ME)
        problem_of(refused, 405, "method_not_allowed")
        assert {"GET", "PATCH"} <= set(refused.headers["allow"].split(", "))


BAD_BODIES = [
    ("", "body"),
    ("{", "body"),
    ("[]", "body"),
    ('"text"', "body"),
    ("null", "body"),
    ("17", "body"),
    ('{"username": "ann"}', "password"),
    ('{"username": "ann", "password": 5}', "password"),
    ('{"username": null, "password": "x"}', "username"),
    ('{"username": "\\ud800", "password": "x"}', "body"),
    ("[" * 100_000, "body"),
    ('{"username": NaN, "password": "x"}', "body"),
]


async def test_a_bad_body_is_refused_with_what_is_wrong(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        for body, field in BAD_BODIES:
            refused = problem_of(await browser.post(LOGIN, content=body, headers=JSON), 400, "invalid")
            assert list(refused["errors"]) == [field], body[:99]
            assert not refused["retryable"]


async def test_bytes_that_are_no_text_are_refused(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        body = b'{"username": "\xff\xfe", "password": "x"}'
        problem_of(await browser.post(LOGIN, content=body, headers=JSON), 400, "invalid")


async def test_a_body_that_is_not_sent_as_json_is_unsupported(gateway: RunningGateway) -> None:
    body = '{"username":"ann","password":"x"}'
    async with gateway.browser() as browser:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            refused = await browser.post(LOGIN, content=body, headers={"content-type": kind})
            problem_of(refused, 415, "unsupported")


async def test_a_charset_beside_the_content_type_is_fine(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        headers = {"content-type": "application/json; charset=utf-8"}
        refused = await browser.post(LOGIN, content='{"username":"ann","password":"x"}', headers=headers)
        problem_of(refused, 401, "unauthenticated")


async def test_a_body_over_the_limit_is_too_large_announced_or_not(sqlite_url: str, nats_url: str) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1_000

    async with (
        prepared_gateway(sqlite_url, nats_url, limit_frame_bytes=10_000) as gateway,
        gateway.browser() as browser,
    ):
        problem_of(await browser.post(LOGIN, content=b" " * 10_001, headers=JSON), 413, "too_large")
        problem_of(await browser.post(LOGIN, content=in_pieces(), headers=JSON), 413, "too_large")
        assert (await browser.get("/health/live")).status_code == 200


async def test_a_request_id_is_taken_over_when_it_is_one(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        taken = await browser.get(ME, headers={"x-request-id": "from-the-proxy_1"})
        assert problem_of(taken, 401, "unauthenticated")["request_id"] == "from-the-proxy_1"
        for bad in ("a b", "x" * 65, "a\tb", ""):
            made = await browser.get(ME, headers={"x-request-id": bad})
            assert re.fullmatch(r"[0-9a-f]{24}", problem_of(made, 401, "unauthenticated")["request_id"])


async def test_every_answer_has_the_security_headers(gateway: RunningGateway) -> None:
    program = await gateway.account("ann")
    async with gateway.browser() as browser:
        for path, policy, is_kept in (
            ("/", PAGE_POLICY, False),
            ("/schema", PAGE_POLICY, False),
            ("/problems/invalid", PAGE_POLICY, False),
            ("/schema/openapi.json", DATA_POLICY, False),
            ("/assets/parley.css", DATA_POLICY, True),
            (ME, DATA_POLICY, False),
            ("/nope", DATA_POLICY, False),
            ("/health/live", DATA_POLICY, False),
            ("/health/ready", DATA_POLICY, False),
            ("/metrics", DATA_POLICY, False),
        ):
            answer = await browser.get(path, headers=program)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["referrer-policy"] == "no-referrer", path
            assert answer.headers["content-security-policy"] == policy, path
            assert (answer.headers["cache-control"] == "no-store") != is_kept, path
            assert "server" not in answer.headers
            assert "strict-transport-security" not in answer.headers


def test_the_policy_of_pages_starts_from_nothing_and_allows_nothing_unsafe() -> None:
    assert PAGE_POLICY.startswith("default-src 'none';")
    assert "unsafe" not in PAGE_POLICY
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert "base-uri 'none'" in PAGE_POLICY


class _Reader(HTMLParser):
    """Collects what a page refers to, and what the policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.blocked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if name == "style" or name.startswith("on"):
                self.blocked.append(f"{tag} {name}")
        if tag in {"script", "style", "iframe", "object"}:
            self.blocked.append(tag)


@pytest.mark.parametrize("path", ["/", "/schema", "/problems/rate_limited"])
async def test_pages_live_under_the_policy_and_their_links_lead_somewhere(gateway: RunningGateway, path: str) -> None:
    async with gateway.browser() as browser:
        answer = await browser.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        reader = _Reader()
        reader.feed(answer.text)
        assert reader.blocked == []
        assert reader.links
        for link in reader.links:
            if link.startswith("#"):
                assert link[1:] in reader.ids
            else:
                assert link.startswith("/")
                assert (await browser.get(link)).status_code in {200, 503}, link


def test_text_on_a_page_is_escaped() -> None:
    written = page("<x>", element("p", "<script>", title='">'), "a & b")
    assert "<script>" not in written
    assert "&lt;script&gt;" in written
    assert 'title="&quot;&gt;"' in written
    assert "a &amp; b" in written


async def test_every_code_is_explained(gateway: RunningGateway) -> None:
    assert set(MEANINGS) == {*Code, "method_not_allowed"}
    async with gateway.browser() as browser:
        for code, meaning in MEANINGS.items():
            explained = await browser.get(f"/problems/{code}")
            assert explained.status_code == 200
            assert meaning.title in explained.text
            assert ("may succeed later" in explained.text) == (code in RETRYABLE)
        problem_of(await browser.get("/problems/nope"), 404, "not_found")


SEED = {
    "/messages/history/{username}": "get",
    "/messages/load-older/{username}": "get",
    "/messages/queue/{username}": "post",
    "/messages/send/{username}": "post",
}


async def test_the_openapi_document_is_whole(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        document = (await browser.get("/schema/openapi.json")).json()
        html = (await browser.get("/schema")).text
    assert document["openapi"].startswith("3.1")
    shapes = document["components"]["schemas"]
    assert not any("services" in name for name in shapes)
    for path, method in SEED.items():
        assert method in document["paths"][path]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    for path, method, operation in operations:
        assert operation["summary"], path
        assert path in html
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, (path, method)
        for status, response in operation["responses"].items():
            if status != "204":
                assert response["content"], (path, method, status)
            if int(status) >= 400 and not path.startswith("/health"):
                assert set(response["content"]) == {"application/problem+json"}, (path, method, status)
        if method in {"post", "put", "patch"} and not path.endswith(("logout", "tickets", "block", "retry")):
            assert operation["requestBody"]["content"]["application/json"]["schema"], path
            assert {"400", "413", "415"} <= set(operation["responses"]), path
        if operation.get("security") != []:
            assert "401" in operation["responses"], path
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', str(document).replace("'", '"')))
    assert references == set(shapes)


async def test_the_document_tells_what_the_seed_asks_for(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        document = (await browser.get("/schema/openapi.json")).json()
    history = document["paths"]["/messages/history/{username}"]["get"]
    parameters = {each["name"]: each for each in history["parameters"]}
    assert set(parameters) == {"username", "page_size", "before", "after", "around", "at", "around_seq"}
    size = parameters["page_size"]["schema"]
    assert (size["minimum"], size["maximum"], size["default"]) == (1, 200, 50)
    sending = document["paths"]["/messages/send/{username}"]["post"]
    assert {"200", "201", "202", "503"} <= set(sending["responses"])
    assert any(each["name"] == "Idempotency-Key" and each["in"] == "header" for each in sending["parameters"])
    assert set(document["components"]["schemas"]["HistoryPage"]["properties"]) == {
        "conversation_id", "messages", "next", "prev", "has_more", "first_unread_seq", "peer",
    }  # fmt: skip


async def test_what_is_answered_is_counted_by_route(gateway: RunningGateway) -> None:
    async with gateway.browser() as browser:
        await browser.post(LOGIN, json={"username": "ann", "password": PASSWORD})
        await browser.get("/messages/history/somebody/")
        await browser.get("/no/such/page")
        metrics = (await browser.get("/metrics")).text
    assert 'parley_http_requests_total{method="POST",route="/api/v1/auth/login",status="401"} 1.0' in metrics
    assert "somebody" not in metrics
    assert "no/such" not in metrics


def test_every_code_has_a_status_and_words() -> None:
    assert set(HTTP_STATUS) == set(Code)
