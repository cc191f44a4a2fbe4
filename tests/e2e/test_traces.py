"""Traces of real processes at a real collector; and what a message says, looked for wherever operators look."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from deploy.verify.wire import dial
from shared.broker.access import Access
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.commands import SEND, Origin, SendMessage, request_hash
from shared.contracts.ids import (
    ClientId,
    GatewayId,
    MessageId,
    SessionId,
    UserId,
    Username,
    direct_conversation_id,
)
from tests.support.collector import CollectedSpan, Collector, collector
from tests.support.ports import free_port
from tests.support.processes import ROOT, SERVICES, Product

CANARY = "canary-" + secrets.token_hex(8)
QUICKLY = {"PARLEY_RETRY_AFTER_S": "0.3", "PARLEY_RETRY_BASE_S": "0.2", "PARLEY_RETRY_CAP_S": "0.4"}


@contextmanager
def traced(folder: Path, url: str, database_url: str | None = None, **more: str) -> Iterator[Product]:
    """Run the product with every trace drawn and every log line written."""
    environ = {"PARLEY_TRACE_SAMPLE": "1", "PARLEY_LOG_LEVEL": "debug", "PARLEY_LOG_FORMAT": "json", **QUICKLY, **more}
    if url:
        environ["PARLEY_OTLP_ENDPOINT"] = url
    with Product(folder, database_url=database_url, environ=environ) as product:
        yield product


def token_of(product: Product, name: str) -> str:
    """Make an account with a token."""
    with httpx.Client(base_url=product.url, trust_env=False) as client:
        account = {"username": name, "password": "correct horse battery"}
        client.post("/api/v1/auth/register", json=account).raise_for_status()
        client.cookies.clear()
        token: str = client.post("/api/v1/auth/tokens", json=account).raise_for_status().json()["token"]
        return token


def person(product: Product, token: str) -> httpx.Client:
    """Speak for somebody over HTTP."""
    return httpx.Client(base_url=product.url, headers={"authorization": f"Bearer {token}"}, trust_env=False)


def send_by_socket(product: Product, sender: str, recipient: str, to: str, content: str) -> str:
    """Send a message from socket to socket, and have its arrival told; returns its id."""

    async def talk() -> str:
        at = product.url.replace("http", "ws", 1) + "/ws"
        async with dial(at, token=sender) as one, dial(at, token=recipient) as other:
            await one.hello("laptop")
            await other.hello("laptop")
            await one.send({"type": "message", "id": secrets.token_hex(8), "to": to, "content": content})
            ack = await one.expect("ack")
            message = await other.expect("message")
            receipt = {"type": "read_receipt", "state": "delivered", "up_to_seq": message["seq"]}
            await other.send({**receipt, "conversation_id": message["conversation_id"]})
            await one.expect("read_receipt")
            return str(ack["message_id"])

    return asyncio.run(talk())


def trace_of(spans: list[CollectedSpan], **attributes: str) -> list[CollectedSpan]:
    """Select the trace with a span that has these attributes."""
    wanted = {name.replace("_", ".", 1): value for name, value in attributes.items()}
    ids = {span.trace_id for span in spans if wanted.items() <= span.attributes.items()}
    return [span for span in spans if span.trace_id in ids]


def until_named(collected: Collector, names: set[str], **attributes: str) -> dict[str, CollectedSpan]:
    """Wait until a trace has spans of all these names, and return them."""

    def has_all(spans: list[CollectedSpan]) -> bool:
        return names <= {span.name for span in trace_of(list(spans), **attributes)}

    collected.until(has_all, f"{names} of {attributes}")
    found = trace_of(list(collected.spans), **attributes)
    assert len({span.trace_id for span in found}) == 1
    return {span.name: span for span in found}


def metrics_of(product: Product) -> str:
    """Read the metrics of all services."""
    ports = range(product.port, product.port + len(SERVICES))
    return "".join(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text for port in ports)


def lines_of(product: Product) -> list[dict[str, object]]:
    """Read what the services logged; the launcher puts their names before it."""
    found: list[dict[str, object]] = []
    for line in product.log.read_text(errors="replace").splitlines():
        _, brace, rest = line.partition("{")
        if brace:
            found.append(json.loads(brace + rest))
    return found


@pytest.fixture(scope="module")
def collected() -> Iterator[Collector]:
    """A collector of traces."""
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, collected: Collector) -> Iterator[Product]:
    """The product with every trace sent there."""
    with traced(tmp_path_factory.mktemp("traces"), collected.url) as running:
        yield running


def test_the_way_of_a_message_is_one_trace_through_gateway_and_delivery(product: Product, collected: Collector) -> None:
    message_id = send_by_socket(product, token_of(product, "ann"), token_of(product, "ben"), "ben", "hi")
    legs = {
        "accept": "parley-gateway",
        "append": "parley-gateway",
        "apply": "parley-delivery",
        "announce": "parley-delivery",
        "forward": "parley-gateway",
    }
    way = until_named(collected, set(legs), parley_message_id=message_id)
    assert {name: way[name].service for name in legs} == legs
    assert way["accept"].parent_id == ""
    assert way["append"].parent_id == way["apply"].parent_id == way["accept"].span_id
    assert way["announce"].parent_id == way["apply"].span_id
    assert way["forward"].parent_id == way["announce"].span_id
    assert way["accept"].begun_ns <= way["apply"].begun_ns <= way["apply"].ended_ns <= way["announce"].ended_ns
    assert way["forward"].attributes["parley.sockets"] == 1
    told = metrics_of(product)
    for leg in ("answered", "stored", "announced", "forwarded", "delivered"):
        assert f'parley_leg_seconds_count{{leg="{leg}"}} 0.0' not in told
        assert f'parley_leg_seconds_count{{leg="{leg}"}}' in told


def test_an_http_request_is_one_trace_down_to_the_database(product: Product, collected: Collector) -> None:
    token_of(product, "dan")
    forged = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    with person(product, token_of(product, "cleo")) as client:
        sent = {"x-request-id": "of-sending", "traceparent": forged}
        client.post("/messages/send/dan", json={"content": "hi"}, headers=sent).raise_for_status()
        client.get("/messages/history/dan", headers={"x-request-id": "of-reading"}).raise_for_status()
    names = ["GET /messages/history/{username}", "ask rpc.history.page", "answer rpc.history.page", "read database"]
    reading = until_named(collected, set(names), parley_request_id="of-reading")
    request, ask, answer, read = (reading[name] for name in names)
    above = ["", request.span_id, ask.span_id, answer.span_id]
    assert [span.parent_id for span in (request, ask, answer, read)] == above
    assert answer.service == read.service == "parley-history"
    assert answer.attributes["parley.request_id"] == "of-reading"
    assert request.attributes["http.response.status_code"] == 200
    sending = until_named(collected, {"accept", "append", "apply", "announce"}, parley_request_id="of-sending")
    request = sending["POST /messages/send/{username}"]
    assert sending["accept"].parent_id == request.span_id
    assert sending["apply"].attributes["parley.request_id"] == "of-sending"
    assert request.parent_id == "", "a client does not decide what is traced"


def test_one_id_stands_in_the_answer_and_in_the_logs_of_all_who_had_part_in_it(product: Product) -> None:
    token_of(product, "fay")
    with person(product, token_of(product, "eve")) as client:
        lost = {"content": "hi", "reply_to": "nothing"}
        refused = client.post("/messages/send/fay", json=lost, headers={"x-request-id": "of-a-refusal"})
    assert (refused.status_code, refused.json()["request_id"]) == (404, "of-a-refusal")
    wanted = {("gateway", "command_accepted"), ("gateway", "command_failed"), ("delivery", "command_refused")}
    until(
        lambda: (
            wanted
            <= {
                (line["service"], line["event"])
                for line in lines_of(product)
                if line.get("request_id") == "of-a-refusal"
            }
        )
    )


def test_a_collector_that_is_down_disturbs_nothing_and_what_it_misses_is_counted(tmp_path: Path) -> None:
    with traced(tmp_path, f"http://127.0.0.1:{free_port()}") as product:
        ann, ben = token_of(product, "ann"), token_of(product, "ben")
        for _ in range(3):
            send_by_socket(product, ann, ben, "ben", "hi")
        until(lambda: dropped(metrics_of(product)) > 0)
        assert product.is_ready()
        begun = time.monotonic()
        product.stop()
        assert time.monotonic() - begun < 20
    told = [line for line in lines_of(product) if line["event"] == "traces_not_taken"]
    assert {line["service"] for line in told} >= {"gateway", "delivery"}
    assert len(told) <= len(SERVICES), "once each, however often it is tried"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_a_message_says_stands_in_no_log_no_metric_and_no_span(
    kind: str, tmp_path: Path, collected: Collector, request: pytest.FixtureRequest
) -> None:
    database_url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    with traced(tmp_path, collected.url, database_url) as product:
        ann, ben = token_of(product, "ann"), token_of(product, "ben")
        send_by_socket(product, ann, ben, "ben", CANARY)
        with person(product, ann) as client:
            client.post("/messages/send/ben", json={"content": CANARY}).raise_for_status()  # ben is away: it is retried
            client.post("/messages/send/ben", json={"content": CANARY, "mentions": 7})
            client.post("/messages/send/ben", json={"content": CANARY, "reply_to": "nothing"})
            client.post("/messages/send/ben", content=f'{{"content": "{CANARY}"')
            page = client.get("/messages/history/ben").raise_for_status()
            assert CANARY in page.text
        asyncio.run(send_nonsense(product, ann))
        asyncio.run(append_poison(product))
        until(lambda: buried(product) == 3)
        retry_dead_letter(product, 1)
        until(lambda: buried(product) == 4)
        until(lambda: "parley_retry_attempts_total 0.0" not in metrics_of(product))
        metrics = metrics_of(product)
        collected.until(lambda spans: any(span.name == "GET /messages/history/{username}" for span in spans), "it")
    events = {str(line["event"]) for line in lines_of(product)}
    assert {"command_accepted", "dead_letter", "command_failed", "batch_cannot_be_applied"} <= events
    assert CANARY not in product.log.read_text(errors="replace")
    assert CANARY not in metrics
    assert not any(CANARY.encode() in body for body in collected.raw)


async def send_nonsense(product: Product, token: str) -> None:
    """Send frames that are refused, each for another reason."""
    async with dial(product.url.replace("http", "ws", 1) + "/ws", token=token) as wire:
        await wire.hello("laptop")
        for frame in (f'{{"type": "{CANARY}"}}', f'{{"type": "message", "content": "{CANARY}"}}', CANARY):
            await wire.send_raw(frame)
            await wire.expect("error")


async def append_poison(product: Product) -> None:
    """Append what is no bundle, what is no command, and what no database takes."""
    ann, ben = UserId("u-ann"), UserId("u-ben")
    where = direct_conversation_id(ann, ben)
    origin = Origin(GatewayId("nobody"), 1, SessionId(""))
    poison = SendMessage(
        MessageId("m-poison"),
        where,
        ann,
        Username("ann"),
        ClientId("1"),
        request_hash(SEND, where, CANARY, None, ()),
        CANARY,
        2**63,
        ben,
        Username("ben"),
    )
    connection = Connection(Access((f"nats://127.0.0.1:{product.nats_port}",)), "test")
    await connection.open()
    try:
        for record in (CANARY, [(SEND, origin, {"content": CANARY}), (SEND, origin, poison)]):
            await connection.jetstream().publish(subjects.log(0), msgspec.msgpack.encode(record))
    finally:
        await connection.close()


def buried(product: Product) -> int:
    """Count the dead letters in the logs."""
    return sum(line["event"] == "dead_letter" for line in lines_of(product))


def retry_dead_letter(product: Product, number: int) -> None:
    """Have delivery try one again."""
    environ = {**os.environ, "PARLEY_NATS_URL": f"nats://127.0.0.1:{product.nats_port}"}
    command = [sys.executable, "-m", "deploy.cli.main", "dead-letters", "retry", str(number)]
    subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=60, check=True)


def dropped(metrics: str) -> float:
    """Sum up the spans that were dropped."""
    values = [line.rsplit(" ", 1)[1] for line in metrics.splitlines() if line.startswith("parley_spans_dropped_total")]
    return sum(map(float, values))


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.05)
