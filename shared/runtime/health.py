"""Health: live means the process runs, ready means that all it depends on answers, each by name."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.runtime import metrics as metrics_module
from shared.runtime.metrics import Metrics

# Every framework has its own types for the same three arguments; any of them fits here.
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class Unhealthy(Exception):
    """Raised by a probe: its dependency can't be used now; the text says what was seen."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class Probe:
    """One dependency: `check` returns its state in a few words or raises `Unhealthy`."""

    name: str
    check: Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Check:
    """What one probe found."""

    name: str
    is_ok: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """What all probes found, as one answer."""

    checks: tuple[Check, ...]

    @property
    def is_ok(self) -> bool:
        """All of them are well."""
        return all(check.is_ok for check in self.checks)

    @property
    def status(self) -> int:
        """The HTTP status that says it: 200 or 503."""
        return 200 if self.is_ok else 503

    def body(self) -> bytes:
        """Write it as JSON, each check under its name."""
        return _json(
            {
                "status": "ok" if self.is_ok else "unavailable",
                "checks": {
                    check.name: {
                        "status": "ok" if check.is_ok else "failing",
                        "detail": check.detail,
                    }
                    for check in self.checks
                },
            }
        )


class Health:
    """Asks all probes at once and waits for each of them a bounded time.

    A probe that is late is not cancelled (cancelling a flush leaves nats-py deaf while it says
    that it is connected): it runs on, is not started a second time, and counts as failing until
    it answers. `close` waits for those that are left.
    """

    def __init__(self, probes: Sequence[Probe], timeout_s: float = 2.0) -> None:
        self._probes = tuple(probes)
        self._timeout_s = timeout_s
        self._running: dict[str, asyncio.Task[Check]] = {}

    def live(self) -> bytes:
        """Say that the process is up: whoever gets the answer has seen it."""
        return _json({"status": "ok"})

    async def ready(self) -> Report:
        """Ask every probe; the answer comes after `timeout_s` at the latest."""
        asked = [self._ask(probe) for probe in self._probes]
        if asked:
            await asyncio.wait(asked, timeout=self._timeout_s)
        return Report(
            tuple(
                task.result()
                if task.done()
                else Check(probe.name, is_ok=False, detail=f"no answer in {self._timeout_s:g} s")
                for probe, task in zip(self._probes, asked, strict=True)
            )
        )

    async def close(self) -> None:
        """Wait for late probes a last time; what then still hangs, hangs on a dead connection."""
        late = list(self._running.values())
        if late:
            await asyncio.wait(late, timeout=self._timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _ask(self, probe: Probe) -> asyncio.Task[Check]:
        running = self._running.get(probe.name)
        if running is not None:
            return running
        task = asyncio.create_task(_check(probe))  # noqa: TID251 - may outlive its asker; close() awaits it
        self._running[probe.name] = task
        task.add_done_callback(lambda _: self._running.pop(probe.name, None))
        return task


def routes(health: Health, metrics: Metrics) -> list[tuple[str, ASGIApp]]:
    """Make the three paths every service has, as plain ASGI apps for any framework.

    Whoever reads the metrics asks the probes too: that this service is not ready is a metric like any other.
    """
    ready_now = metrics.gauge("ready", "Whether all that this service depends on answers (1) or not (0).")
    checks_now = metrics.gauge("check_ok", "Whether a check of readiness passes (1) or not (0), by check.", ("check",))

    def note(report: Report) -> None:
        ready_now.set(report.is_ok)
        for check in report.checks:
            checks_now.labels(check.name).set(check.is_ok)

    async def live(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await _answer(scope, send, 200, "application/json", health.live())

    async def ready(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        report = await health.ready()
        await _answer(scope, send, report.status, "application/json", report.body())

    async def render(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        note(await health.ready())
        await _answer(scope, send, 200, metrics_module.CONTENT_TYPE, metrics.render())

    return [("/health/live", live), ("/health/ready", ready), ("/metrics", render)]


async def _check(probe: Probe) -> Check:
    try:
        return Check(probe.name, is_ok=True, detail=await probe.check())
    except Unhealthy as found:
        return Check(probe.name, is_ok=False, detail=found.detail)
    except Exception as error:  # noqa: BLE001 - top of a task; its decision is "failing"
        return Check(probe.name, is_ok=False, detail=f"{type(error).__name__}: {error}")


async def _answer(scope: Any, send: Any, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if scope["method"] not in ("GET", "HEAD"):
        status, body = 405, b""
        headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0"), *headers[3:]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
