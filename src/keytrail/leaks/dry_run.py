"""The pipeline that is configured here, but for its last step: nothing is sent, all is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

Signal = Literal["traces", "logs", "metrics"]
_DONE: Final[dict[Signal, Any]] = {
    "traces": SpanExportResult.SUCCESS,
    "logs": LogRecordExportResult.SUCCESS,
    "metrics": MetricExportResult.SUCCESS,
}
_ENCODERS: Final[dict[Signal, Callable[[Any], Any]]] = {
    "traces": encode_spans,
    "logs": encode_logs,
    "metrics": encode_metrics,
}


class DryRun:
    """Stands at the end of every pipeline of this process, in the place of what would send."""

    def __init__(self) -> None:
        """Take the exporters, and the processors that export by themselves, out of the way."""
        self.exported: dict[Signal, list[bytes]] = {"traces": [], "logs": [], "metrics": []}
        self.exporters: list[str] = []
        """The classes that would have sent."""
        composite = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
        for processor in getattr(composite, "_span_processors", ()):
            self._span_processor(processor)
        composite = getattr(_logs.get_logger_provider(), "_multi_log_record_processor", None)
        for processor in getattr(composite, "_log_record_processors", ()):
            self._replace(*_holder_of_exporter(processor), "logs")
        for reader in _metric_readers():
            if hasattr(reader, "_exporter"):
                self._replace(reader, "_exporter", "metrics")

    def finish(self) -> None:
        """Make every pipeline export what it holds."""
        for provider in (
            trace.get_tracer_provider(),
            _logs.get_logger_provider(),
            metrics.get_meter_provider(),
        ):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush()

    def _span_processor(self, processor: Any) -> None:
        """Cut a processor off before it sends; keytrail's wrappers stay what they are."""
        if hasattr(processor, "inner"):
            self.exporters.append(type(processor.inner).__qualname__)
            processor.inner = _Keeping(self)
        elif hasattr(processor, "span_exporter") or hasattr(processor, "_batch_processor"):
            self._replace(*_holder_of_exporter(processor), "traces")
        elif not type(processor).__module__.startswith("keytrail."):
            self.exporters.append(type(processor).__qualname__)
            processor.on_end = _Keeping(self).on_end
            processor.on_start = lambda *_, **__: None

    def _replace(self, holder: Any, name: str, signal: Signal) -> None:
        exporter = getattr(holder, name)
        while hasattr(exporter, "inner"):
            holder, name, exporter = exporter, "inner", exporter.inner
        self.exporters.append(type(exporter).__qualname__)
        setattr(exporter, "export", lambda batch, **_: self.keep(signal, batch))  # noqa: B010

    def keep(self, signal: Signal, batch: Any) -> Any:
        """Keep what would be sent, in the bytes that OTLP has for it."""
        self.exported[signal].append(_ENCODERS[signal](batch).SerializeToString())
        return _DONE[signal]


class _Keeping(SpanProcessor):
    """Keeps the spans of a processor that exports by itself."""

    def __init__(self, dry_run: DryRun) -> None:
        self._dry_run = dry_run

    def on_end(self, span: ReadableSpan) -> None:
        self._dry_run.keep("traces", [span])


def _holder_of_exporter(processor: Any) -> tuple[Any, str]:
    """Return the object that holds a processor's exporter, and under what name."""
    batch = getattr(processor, "_batch_processor", None)
    if batch is not None:
        return batch, "_exporter"
    return processor, "span_exporter" if hasattr(processor, "span_exporter") else "_exporter"


def _metric_readers() -> Any:
    provider = metrics.get_meter_provider()
    readers = getattr(provider, "_metric_readers", None)
    return readers or getattr(getattr(provider, "_sdk_config", None), "metric_readers", ())
