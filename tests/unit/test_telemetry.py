"""Spans and request ids in one process; what OpenTelemetry's own exporter in memory sees of them."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.runtime import exporting, telemetry
from shared.runtime.metrics import Metrics
from shared.runtime.settings import SettingsError, from_env
from shared.runtime.telemetry import OFF, Traces, TraceSettings, apart, current, request_id, requested, within
from shared.runtime.tracing import open_traces


def traces(exporter: SpanExporter, metrics: Metrics | None = None, *, sample: float = 1.0) -> Traces:
    return open_traces("test", TraceSettings(trace_sample=sample), metrics or Metrics("test"), exporter)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_what_is_done_within_a_span_is_below_it_here_and_in_another_process() -> None:
    exporter, far_exporter = InMemorySpanExporter(), InMemorySpanExporter()
    here, far = traces(exporter), traces(far_exporter)
    with within(here.draw("GET")):
        above = current()
        assert above is not None
        below = above.child("ask", "client")
        answered = far.follow(below.context, "answer", "server", {telemetry.MESSAGE_ID: "m1"})
        assert answered is not None
        answered.end()
        below.end()
        above.rename("GET /here")
    assert current() is None
    await here.close()
    await far.close()
    spans, answer = by_name(exporter), by_name(far_exporter)["answer"]
    assert set(spans) == {"GET /here", "ask"}
    assert spans["ask"].parent is not None
    assert answer.parent is not None
    assert spans["GET /here"].parent is None
    assert spans["ask"].parent.span_id == spans["GET /here"].get_span_context().span_id  # type: ignore[union-attr]
    assert answer.parent.span_id == spans["ask"].get_span_context().span_id  # type: ignore[union-attr]
    assert answer.attributes == {"parley.message_id": "m1"}


async def test_a_failure_is_told_by_its_kind_and_not_by_its_text() -> None:
    exporter = InMemorySpanExporter()
    here = traces(exporter)
    with pytest.raises(ValueError, match="canary"), within(here.draw("failing")):
        raise ValueError("canary")
    await here.close()
    failing = by_name(exporter)["failing"]
    assert failing.attributes == {"error.type": "ValueError"}
    assert "canary" not in failing.to_json()
    assert not failing.status.is_ok


async def test_a_context_that_is_none_is_not_followed() -> None:
    here = traces(InMemorySpanExporter())
    zero = "00-" + "0" * 32 + "-" + "1" * 16 + "-01"
    unsampled = "00-" + "1" * 32 + "-" + "1" * 16 + "-00"
    assert [here.follow(context, "x") for context in ("", None, "nonsense", zero, unsampled)] == [None] * 5
    await here.close()


async def test_only_the_share_that_was_asked_for_is_drawn() -> None:
    none = traces(InMemorySpanExporter(), sample=0.0)
    assert not any(none.draw("x") for _ in range(100))
    some = traces(InMemorySpanExporter(), sample=0.5)
    assert 0 < sum(some.draw("x") is not None for _ in range(100)) < 100
    await none.close()
    await some.close()


async def test_off_nothing_begins() -> None:
    assert open_traces("test", TraceSettings(), Metrics("test")) is OFF
    assert OFF.draw("x") is None
    assert OFF.follow("00-" + "1" * 32 + "-" + "1" * 16 + "-01", "x") is None
    with within(None):
        assert current() is None
    await OFF.close()


def test_off_opentelemetry_is_not_even_imported() -> None:
    program = (
        "import sys, services.gateway.app, services.delivery.app, services.history.app, services.presence.app;"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_traces_without_what_sends_them_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.runtime.exporting")
    monkeypatch.delattr("shared.runtime.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"install parley\[traces\]"):
        open_traces("test", TraceSettings(otlp_endpoint="http://127.0.0.1:4318"), Metrics("test"))


def test_our_setting_goes_before_the_common_one_and_both_name_the_collector() -> None:
    assert from_env(TraceSettings, {}).traces_url == ""
    common = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://common:4318/"}
    assert from_env(TraceSettings, common).traces_url == "http://common:4318/v1/traces"
    ours = {**common, "PARLEY_OTLP_ENDPOINT": "https://ours/otlp", "PARLEY_TRACE_SAMPLE": "0.5"}
    settings = from_env(TraceSettings, ours)
    assert (settings.traces_url, settings.trace_sample) == ("https://ours/otlp/v1/traces", 0.5)
    with pytest.raises(SettingsError, match="PARLEY_TRACE_SAMPLE"):
        from_env(TraceSettings, {"PARLEY_TRACE_SAMPLE": "2"})


class Stuck(SpanExporter):
    """A collector that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.go_on.wait(10)
        return SpanExportResult.FAILURE


async def test_spans_that_nobody_takes_are_dropped_beyond_a_bound_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "MAX_WAITING", 20)
    monkeypatch.setattr(exporting, "AT_ONCE", 10)
    metrics, stuck = Metrics("test"), Stuck()
    here = traces(stuck, metrics)
    for _ in range(100):
        span = here.draw("x")
        assert span is not None
        span.end()
    stuck.go_on.set()
    await here.close()
    told = dict(line.rsplit(" ", 1) for line in metrics.render().decode().splitlines() if line.startswith("parley_sp"))
    full = float(told['parley_spans_dropped_total{why="full"}'])
    assert 70 <= full <= 80, "20 wait, and the thread holds 10 at most"
    assert full + float(told['parley_spans_dropped_total{why="not_taken"}']) == 100
    assert float(told["parley_spans_sent_total"]) == 0


async def test_a_request_id_is_known_to_what_is_done_for_it_and_to_its_log_lines_alone() -> None:
    def logged() -> object:
        return structlog.contextvars.get_contextvars().get("request_id")

    async def ask() -> tuple[str, object]:
        await asyncio.sleep(0)
        return request_id(), logged()

    async def serve(name: str) -> tuple[str, object]:
        with requested(name):
            return await ask()

    async def begin() -> tuple[str, object]:
        with requested("c"):
            return await apart(ask())

    assert await begin() == ("", None)
    assert list(await asyncio.gather(serve("a"), serve("b"), ask())) == [("a", "a"), ("b", "b"), ("", None)]
