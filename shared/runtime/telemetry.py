"""Which request something is done for, and the spans of its trace: switched off, a span costs one look and no more.

Nothing here is ever told what a message says: spans carry ids, names of ours and numbers.
"""

import asyncio
import random
import re
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

import structlog

T = TypeVar("T")

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Attributes = Mapping[str, str | int]

REQUEST_ID: Final = "parley.request_id"
MESSAGE_ID: Final = "parley.message_id"
CONVERSATION_ID: Final = "parley.conversation_id"
"""Names of attributes that spans of several services carry."""

_PATH: Final = "/v1/traces"
NOTHING: Final[Attributes] = {}

_is_context = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01").fullmatch


@dataclass(frozen=True, kw_only=True)
class TraceSettings:
    """Where traces are sent (OTLP over HTTP), "" for nowhere, and which share of what happens has one.

    `otel_endpoint` is the variable that programs with OpenTelemetry have in common; ours goes before it. Both name
    the collector, to which `/v1/traces` is added.
    """

    otlp_endpoint: str = ""
    otel_endpoint: str = field(default="", metadata={"env": "OTEL_EXPORTER_OTLP_ENDPOINT"})
    trace_sample: float = field(default=0.01, metadata={"min": 0, "max": 1})

    @property
    def traces_url(self) -> str:
        """Where spans are posted to; "" for nowhere."""
        collector = self.otlp_endpoint or self.otel_endpoint
        return collector.rstrip("/") + _PATH if collector else ""


# --- requests

_request_id: ContextVar[str] = ContextVar("parley_request_id", default="")


def request_id() -> str:
    """Tell the id of the request that this is done for, "" where there is none."""
    return _request_id.get()


@contextmanager
def requested(request_id: str) -> Iterator[None]:
    """Do the block for a request: log lines name it, and questions take it along."""
    token = _request_id.set(request_id)
    try:
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            yield
    finally:
        _request_id.reset(token)


async def apart(work: Coroutine[Any, Any, T]) -> T:
    """Do something in the course of a request that goes on after it: what follows from that is done for no request."""
    return await asyncio.get_running_loop().create_task(work, context=Context())


# --- spans


class Span(Protocol):
    """One leg of a sampled trace, to be ended once."""

    @property
    def context(self) -> str:
        """What goes along to another process: the `traceparent` of W3C Trace Context."""

    def child(
        self, name: str, kind: Kind = "internal", attributes: Attributes = NOTHING, *, begun_ns: int | None = None
    ) -> "Span":
        """Begin a span below this one, now or at a time that is past (Unix ns)."""

    def describe(self, attributes: Attributes) -> None:
        """Add ids and numbers."""

    def rename(self, name: str) -> None:
        """Give it the name that was not known at its begin."""

    def end(self, error: str = "") -> None:
        """End it; `error` is a code or the kind of an exception, never its text."""


class Exporting(Protocol):
    """What begins spans, and sends them away once they have ended."""

    def begin(self, name: str, kind: Kind, attributes: Attributes, parent: str, begun_ns: int | None) -> Span:
        """Begin a span, below the context `parent` where that is not ""."""

    def close(self) -> None:
        """Send what waits, for a bounded time; blocks."""


_span: ContextVar[Span | None] = ContextVar("parley_span", default=None)


def current() -> Span | None:
    """Return the span that this is done within, None where nothing is traced."""
    return _span.get()


@contextmanager
def within(span: Span | None) -> Iterator[Span | None]:
    """Do the block within a span, and end that; None: just do it."""
    if span is None:
        yield None
        return
    token = _span.set(span)
    try:
        yield span
    except BaseException as error:
        span.end(type(error).__name__)
        raise
    else:
        span.end()
    finally:
        _span.reset(token)


class Traces:
    """Where one service begins its spans; without `exporting` it begins none.

    A trace is drawn once, where something comes in; all that follows from it has a span, the rest has none.
    """

    __slots__ = ("_exporting", "_sample")

    def __init__(self, exporting: Exporting | None = None, sample: float = 0.0) -> None:
        self._exporting = exporting
        self._sample = 0.0 if exporting is None else sample

    @property
    def is_on(self) -> bool:
        """Whether spans go anywhere."""
        return self._exporting is not None

    def draw(self, name: str, kind: Kind = "server") -> Span | None:
        """Begin a trace, for one in so many; None for the others."""
        if random.random() >= self._sample or self._exporting is None:  # noqa: S311 - no secret
            return None
        return self._exporting.begin(name, kind, NOTHING, "", None)

    def follow(
        self,
        context: str | None,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes = NOTHING,
        *,
        begun_ns: int | None = None,
    ) -> Span | None:
        """Begin a span below one of another process; None where that sent no context along."""
        if not context or self._exporting is None or _is_context(context) is None:
            return None
        return self._exporting.begin(name, kind, attributes, context, begun_ns)

    async def close(self) -> None:
        """Send what is left, for 2 s at most."""
        if self._exporting is not None:
            await asyncio.to_thread(self._exporting.close)


OFF: Final = Traces()
"""For whoever traces nothing."""
