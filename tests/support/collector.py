"""A collector of traces for tests: OTLP over HTTP, as OpenTelemetry's exporters speak it, and nothing more."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it came, ids in hexadecimal."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """What came so far."""

    url: str
    spans: list[CollectedSpan] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Take a request of an exporter."""
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        for resource in request.resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                values = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                self.spans.append(
                    CollectedSpan(
                        service,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        values,
                    )
                )

    def until(self, has_come: Callable[[list[CollectedSpan]], bool], what: str, timeout_s: float = 20) -> None:
        """Wait until something has come.

        Raises:
            TimeoutError: it does not come.
        """
        deadline = time.monotonic() + timeout_s
        while not has_come(self.spans):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come; there are {sorted({span.name for span in self.spans})}")
            time.sleep(0.02)


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """Run a collector in a thread of this process until the block ends."""
    collected = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                collected.take(body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    collected.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
