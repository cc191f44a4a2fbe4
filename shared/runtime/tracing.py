"""Traces as they are set: to a collector, or off."""

from typing import TYPE_CHECKING

from shared.runtime.metrics import Metrics
from shared.runtime.settings import SettingsError
from shared.runtime.telemetry import OFF, Traces, TraceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


def open_traces(
    service: str, settings: TraceSettings, metrics: Metrics, exporter: "SpanExporter | None" = None
) -> Traces:
    """Make what a service traces with; nothing is connected before its first span. Close it.

    `exporter`: where spans go instead of to the collector.

    Raises:
        SettingsError: traces are wanted, and what sends them is not installed.
    """
    if exporter is None and not settings.traces_url:
        return OFF
    try:
        from shared.runtime import exporting  # noqa: PLC0415 - an extra: only who sends traces needs OpenTelemetry
    except ModuleNotFoundError as missing:
        problem = f"PARLEY_OTLP_ENDPOINT is set, but {missing.name} is not installed: install parley[traces]."
        raise SettingsError((problem,)) from missing
    exporter = exporter or exporting.over_http(settings.traces_url)
    return Traces(exporting.Sending(service, exporter, metrics), settings.trace_sample)
