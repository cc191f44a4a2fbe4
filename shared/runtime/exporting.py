"""Spans on their way out: a bounded queue and a thread of its own, so that a collector that is down disturbs nothing.

The only module that knows OpenTelemetry; it is imported where traces are on.
"""

import logging
import threading
from collections import deque
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.status import Status, StatusCode

from shared.runtime import logs
from shared.runtime.metrics import Metrics
from shared.runtime.telemetry import NOTHING, Attributes, Kind

MAX_WAITING: Final = 4_096
"""Spans that wait to be sent; what comes on top is dropped."""
AT_ONCE: Final = 512
PAUSE_S: Final = 1.0
ATTEMPT_S: Final = 5.0
CLOSE_S: Final = 2.0

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_KINDS: Final[dict[Kind, SpanKind]] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}

_log = logs.get(__name__)


def over_http(url: str) -> SpanExporter:
    """Make what posts spans to a collector; headers and certificates are those of OTEL_EXPORTER_OTLP_..."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would complain of every attempt
    return OTLPSpanExporter(endpoint=url, timeout=ATTEMPT_S)


class Sending:
    """Begins the spans of one service, and sends those that have ended. Its thread begins with the first span."""

    def __init__(self, service: str, exporter: SpanExporter, metrics: Metrics) -> None:
        self._queue = _Queue(exporter, metrics)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # drawn before, see Traces
            resource=Resource.create({"service.name": f"parley-{service}", "service.namespace": "parley"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("parley")

    def begin(self, name: str, kind: Kind, attributes: Attributes, parent: str, begun_ns: int | None) -> "_Span":
        """Begin a span, below the context `parent` where that is not ""."""
        around = None
        if parent:
            _, trace_id, span_id, _ = parent.split("-")
            above = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=_SAMPLED)
            around = set_span_in_context(NonRecordingSpan(above))
        return _Span(self, self._tracer.start_span(name, around, _KINDS[kind], attributes, start_time=begun_ns))

    def close(self) -> None:
        """Send what waits, for 2 s at most; blocks."""
        self._provider.shutdown()


class _Span:
    __slots__ = ("_otel", "_sending", "context")

    def __init__(self, sending: Sending, otel: OtelSpan) -> None:
        self._sending = sending
        self._otel = otel
        made = otel.get_span_context()
        self.context = f"00-{made.trace_id:032x}-{made.span_id:016x}-01"

    def child(
        self, name: str, kind: Kind = "internal", attributes: Attributes = NOTHING, *, begun_ns: int | None = None
    ) -> "_Span":
        return self._sending.begin(name, kind, attributes, self.context, begun_ns)

    def describe(self, attributes: Attributes) -> None:
        self._otel.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._otel.update_name(name)

    def end(self, error: str = "") -> None:
        if error:
            self._otel.set_attribute("error.type", error)
            self._otel.set_status(Status(StatusCode.ERROR))
        self._otel.end()


class _Queue(SpanProcessor):
    def __init__(self, exporter: SpanExporter, metrics: Metrics) -> None:
        self._exporter = exporter
        self._waiting: deque[ReadableSpan] = deque()
        self._has_work = threading.Event()
        self._is_over = False
        self._is_failing = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        metrics.bounded(
            "spans_waiting", "Spans that wait to be sent.", limit=MAX_WAITING, now=lambda: len(self._waiting)
        )
        self._sent = metrics.counter("spans_sent", "Spans that the collector took.")
        dropped = metrics.counter(
            "spans_dropped", "Spans that nobody gets: too many waited, or the collector took none.", ("why",)
        )
        self._overflown, self._untaken = dropped.labels("full"), dropped.labels("not_taken")

    def on_end(self, span: ReadableSpan) -> None:
        if self._is_over or len(self._waiting) >= MAX_WAITING:
            self._overflown.inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= AT_ONCE:
            self._has_work.set()
        if self._thread is None:
            self._start()

    def shutdown(self) -> None:
        self._is_over = True
        self._has_work.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._exporter.shutdown()  # ends an attempt that still waits

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - as OpenTelemetry has it
        return True

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_over:
            self._has_work.wait(PAUSE_S)
            self._has_work.clear()
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))])

    def _send(self, spans: list[ReadableSpan]) -> None:
        try:
            is_taken = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - top of a thread: the next spans may be taken
            _log.debug("spans_not_sent", error=type(error).__name__)
            is_taken = False
        (self._sent if is_taken else self._untaken).inc(len(spans))
        if is_taken is self._is_failing:  # it is news
            self._is_failing = not is_taken
            (_log.info if is_taken else _log.warning)("traces_taken" if is_taken else "traces_not_taken")
