import asyncio
import json
from typing import Any

from shared.runtime.health import ASGIApp, Health, Probe, Unhealthy, routes
from shared.runtime.metrics import Metrics


async def fine() -> str:
    return "connected"


async def away() -> str:
    raise Unhealthy("no answer from the database")


async def broken() -> str:
    raise ConnectionResetError("peer is gone")


async def get(app: ASGIApp, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": "/"}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


async def test_ready_names_each_check_with_its_state() -> None:
    health = Health([Probe("broker", fine), Probe("database", away), Probe("streams", broken)])
    report = await health.ready()
    assert report.status == 503
    assert json.loads(report.body()) == {
        "status": "unavailable",
        "checks": {
            "broker": {"status": "ok", "detail": "connected"},
            "database": {"status": "failing", "detail": "no answer from the database"},
            "streams": {"status": "failing", "detail": "ConnectionResetError: peer is gone"},
        },
    }


async def test_ready_is_200_when_all_checks_pass() -> None:
    report = await Health([Probe("broker", fine)]).ready()
    assert report.status == 200
    assert json.loads(report.body())["status"] == "ok"


async def test_a_late_probe_fails_the_check_but_is_neither_cancelled_nor_started_twice() -> None:
    answer = asyncio.Event()
    starts = 0

    async def late() -> str:
        nonlocal starts
        starts += 1
        await answer.wait()
        return "at last"

    health = Health([Probe("broker", late), Probe("other", fine)], timeout_s=0.02)
    for _ in range(2):
        report = await health.ready()
        assert [(check.name, check.is_ok) for check in report.checks] == [("broker", False), ("other", True)]
    answer.set()
    report = await health.ready()
    assert starts == 1
    assert report.is_ok
    assert report.checks[0].detail == "at last"
    await health.close()


async def test_close_waits_for_late_probes_and_ends_those_that_hang() -> None:
    ended = asyncio.Event()

    async def hanging() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    health = Health([Probe("broker", hanging)], timeout_s=0.02)
    await health.ready()
    await health.close()
    assert ended.is_set()


async def test_the_three_paths_answer_as_plain_asgi() -> None:
    metrics = Metrics("sample")
    metrics.counter("commands", "Commands applied.", ("outcome",)).labels("stored").inc(3)
    apps = dict(routes(Health([Probe("database", away)]), metrics))
    assert (await get(apps["/health/live"]))[0] == 200
    assert (await get(apps["/health/ready"]))[0] == 503
    status, headers, body = await get(apps["/metrics"])
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert b'parley_commands_total{outcome="stored"} 3.0' in body
    assert b'parley_service_info{service="sample"} 1.0' in body
    assert b"process_resident_memory_bytes" in body


async def test_head_has_no_body_and_other_methods_are_refused() -> None:
    live = dict(routes(Health([]), Metrics("sample")))["/health/live"]
    assert (await get(live, "HEAD"))[2] == b""
    status, headers, _ = await get(live, "POST")
    assert status == 405
    assert headers[b"allow"] == b"GET, HEAD"


async def test_metrics_tell_readiness_and_how_full_what_is_bounded_is() -> None:
    metrics = Metrics("sample")
    metrics.bounded("work", "Work that waits.", limit=8, now=lambda: 2)
    metrics.sheds("work").inc(3)
    metrics.gauge_by("lag", "How far behind, by partition.", "partition", lambda: {"0": 5, "1": 0})
    metrics.counter_read("turns", "Turns taken.", lambda: 7)
    apps = dict(routes(Health([Probe("database", away), Probe("broker", fine)]), metrics))
    body = (await get(apps["/metrics"]))[2].decode()
    for line in (
        "parley_ready 0.0",
        'parley_check_ok{check="broker"} 1.0',
        'parley_check_ok{check="database"} 0.0',
        "parley_work 2.0",
        'parley_capacity{what="work"} 8.0',
        'parley_fill_ratio{kind="queue",what="work"} 0.25',
        'parley_shed_total{what="work"} 3.0',
        'parley_lag{partition="0"} 5.0',
        "parley_turns_total 7.0",
    ):
        assert f"\n{line}\n" in body, line
