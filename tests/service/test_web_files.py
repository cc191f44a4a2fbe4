"""How the gateway serves the browser client: addresses, caching, encodings, policies; and what it does without one."""

import asyncio
import gzip
import http.client
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.api.client import PAGES
from services.gateway.api.envelope import CLIENT_POLICY, DATA_POLICY, PAGE_POLICY, WORKER_POLICY
from tests.support.gateway import RunningGateway, prepared_gateway, problem_of

SCRIPT = "/assets/main-1a2b3c4d.js"
FILES = {
    "index.html": b"<!doctype html><title>Parley</title><script type=module src=/assets/main-1a2b3c4d.js></script>",
    "sw.js": b"self.addEventListener('install', () => undefined);",
    "manifest.webmanifest": b'{"name": "Parley"}',
    "icon-192.png": b"\x89PNG\r\n",
    "assets/main-1a2b3c4d.js": b"document.body.append('hello');" * 10,
}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A built client, and beside it what nobody may get at."""
    (tmp_path / "secret.txt").write_text("secret")
    built = tmp_path / "dist"
    for name, content in FILES.items():
        path = built / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    script = FILES["assets/main-1a2b3c4d.js"]
    (built / "assets/main-1a2b3c4d.js.gz").write_bytes(gzip.compress(script))
    (built / "assets/main-1a2b3c4d.js.br").write_bytes(b"as brotli")
    (built / "index.html.gz").write_bytes(gzip.compress(FILES["index.html"]))
    (built / ".stamp").write_text("a hash")
    return built


@pytest.fixture
async def browser(sqlite_url: str, nats_url: str, web: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with prepared_gateway(sqlite_url, nats_url, web=web) as gateway, gateway.browser() as client:
        yield client


async def raw(browser: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Get an address; returns the body as it came, not decoded."""
    async with browser.stream("GET", path, headers=headers) as response:
        return response, b"".join([piece async for piece in response.aiter_raw()])


async def test_every_address_of_the_clients_views_answers_with_its_page(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/c/01jf8yq", "/c/d%C3%A9j%C3%A0", "/settings", "/settings/sessions", "/?source=home"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.content) == (200, FILES["index.html"]), path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-security-policy"] == CLIENT_POLICY
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def _status_of(url: httpx.URL, method: str, path: str) -> int:
    """Ask for an address exactly as it is written; httpx would resolve its dots."""
    connection = http.client.HTTPConnection(url.host, url.port, timeout=10)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


async def test_what_is_no_file_of_the_client_is_not_found(browser: httpx.AsyncClient, web: Path) -> None:
    """No address is turned into a path, so there is nothing to climb out of."""
    (web / "assets" / "later.js").write_text("written after the start")
    paths = (
        "/index.html", "/c", "/c/", "/c/a/b", "/settings/a/b", "/nope", "/.stamp", "//secret.txt", "/../secret.txt",
        "/assets", "/assets/", "/assets/..", "/assets/later.js", "/assets/main-1a2b3c4d.js.gz", "/sw.js%00",
        "/assets/..%2f..%2fsecret.txt", "/assets/%2e%2e/index.html", "/..%2fsecret.txt", "/%2e%2e/secret.txt",
        "/assets/%2fetc%2fpasswd", "/assets/%5c..%5csecret.txt", "/assets/../../secret.txt",
    )  # fmt: skip
    for path in paths:
        for method in ("GET", "HEAD"):
            assert await asyncio.to_thread(_status_of, browser.base_url, method, path) == 404, (method, path)


async def test_a_file_named_after_its_content_is_kept_for_ever(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(SCRIPT)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-security-policy"] == DATA_POLICY


async def test_worker_manifest_and_icons_are_asked_for_anew(browser: httpx.AsyncClient) -> None:
    for path, kind in {
        "/sw.js": "text/javascript; charset=utf-8",
        "/manifest.webmanifest": "application/manifest+json",
        "/icon-192.png": "image/png",
    }.items():
        answer = await browser.get(path)
        assert (answer.status_code, answer.content) == (200, FILES[path[1:]])
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"] == kind


async def test_the_service_worker_may_fetch_and_nothing_else(browser: httpx.AsyncClient) -> None:
    policy = (await browser.get("/sw.js")).headers["content-security-policy"]
    assert policy == WORKER_POLICY
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "script-src" not in policy


async def test_only_the_client_may_make_its_one_trusted_types_policy(browser: httpx.AsyncClient) -> None:
    assert CLIENT_POLICY.endswith("require-trusted-types-for 'script'; trusted-types parley-sw")
    assert "unsafe" not in CLIENT_POLICY
    for path in ("/schema", "/problems/invalid"):
        policy = (await browser.get(path)).headers["content-security-policy"]
        assert policy == PAGE_POLICY
        assert policy.endswith("trusted-types 'none'")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0.0 , gzip ; q=0", ""),
        ("br;q=1.0", "br"),
        ("identity", ""),
        ("brotli, xgzip", ""),
        ("", ""),
        (",;,q=,;q=br", ""),
    ],
)
async def test_the_best_encoding_that_a_browser_takes_is_sent(
    browser: httpx.AsyncClient, accepted: str, encoding: str
) -> None:
    answer, body = await raw(browser, SCRIPT, **{"accept-encoding": accepted})
    assert answer.headers.get("content-encoding", "") == encoding
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["content-length"] == str(len(body))
    plain = FILES[SCRIPT[1:]]
    assert {"br": body == b"as brotli", "gzip": body[:2] == b"\x1f\x8b", "": body == plain}[encoding]


async def test_what_was_not_compressed_is_sent_as_it_is(browser: httpx.AsyncClient) -> None:
    answer, body = await raw(browser, "/", **{"accept-encoding": "br"})
    assert "content-encoding" not in answer.headers
    assert body == FILES["index.html"]


async def test_a_browser_that_has_it_is_told_so(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/c/01jf8yq", SCRIPT, "/sw.js"):
        first = await browser.get(path)
        tag = first.headers["etag"]
        assert re.fullmatch(r'"[^"]+"', tag)
        for held in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again, body = await raw(browser, path, **{"if-none-match": held})
            assert (again.status_code, body) == (304, b""), (path, held)
            for name in ("etag", "cache-control", "vary", "content-security-policy"):
                assert again.headers[name] == first.headers[name], (path, name)
            assert again.headers.get("content-length", "0") in {"0", first.headers["content-length"]}
        assert (await browser.get(path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_tag_names_one_encoding(browser: httpx.AsyncClient) -> None:
    tags = {
        (await raw(browser, SCRIPT, **{"accept-encoding": each}))[0].headers["etag"] for each in ("br", "gzip", "none")
    }
    assert len(tags) == 3


async def test_the_head_of_a_file_is_told_without_its_body(browser: httpx.AsyncClient) -> None:
    for path in ("/", SCRIPT, "/sw.js"):
        whole, head = await browser.get(path), await browser.head(path)
        assert (head.status_code, head.content) == (200, b"")
        ignored = {"date", "x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in ignored} == {
            k: v for k, v in whole.headers.items() if k not in ignored
        }


async def test_files_are_only_read(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/c/01jf8yq", SCRIPT, "/sw.js"):
        refused = await browser.post(path)
        problem_of(refused, 405, "method_not_allowed")
        assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", "))


def test_the_service_worker_answers_the_addresses_at_which_the_gateway_does() -> None:
    """The worker has them as a regular expression; both are tried with the same addresses."""
    source = (Path(__file__).parents[2] / "services/gateway/web/src/sw.ts").read_text()
    written = re.search(r"CLIENT_PAGE = /(.+)/;", source)
    assert written is not None
    workers = re.compile(written[1].replace(r"\/", "/"))
    gateways = re.compile("|".join(f"^{re.sub(r'{[^}]+}', '[^/]+', page)}$" for page in PAGES))
    tried = {re.sub(r"{[^}]+}", "x", page) for page in PAGES}
    tried |= {f"{page.rstrip('/')}/more" for page in tried} | {"/c/", "/settings/", "/schema", "/health/ready", "/ws"}
    for path in tried:
        assert bool(workers.search(path)) == bool(gateways.search(path)), path
    assert all(workers.search(re.sub(r"{[^}]+}", "x", page)) for page in PAGES)


@pytest.fixture
async def unbuilt(sqlite_url: str, nats_url: str, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with prepared_gateway(sqlite_url, nats_url, web=tmp_path / "dist") as gateway:
        yield gateway


async def test_without_a_build_the_page_says_how_to_build_and_all_else_works(unbuilt: RunningGateway) -> None:
    async with unbuilt.browser() as browser:
        answer = await browser.get("/")
        assert answer.status_code == 200
        assert "make web" in answer.text
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        problem_of(await browser.get("/c/01jf8yq"), 404, "not_found")
        assert (await browser.get("/schema")).status_code == 200
    await unbuilt.account("ann")
