"""The private names of the SDK and of libraries that keytrail relies on, each with its check.

``keytrail doctor`` runs them on the installed versions; a test runs them on the oldest and the
newest supported ones. A seam that is gone must be told here, not met in a request.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from keytrail.journal.overheard import overhear
from keytrail.library_seams import LIBRARY_SEAMS
from keytrail.seam import Seam, has

if TYPE_CHECKING:
    from collections.abc import Callable


def _on_span(*names: str) -> Callable[[], bool]:
    def holds() -> bool:
        provider = TracerProvider(ALWAYS_ON, shutdown_on_exit=False)
        span: Any = provider.get_tracer("keytrail").start_span("seam")
        return all(hasattr(span, name) for name in names) and hasattr(span._attributes, "_dict")

    return holds


def _on_provider() -> bool:
    provider: Any = TracerProvider(shutdown_on_exit=False)
    tracer: Any = provider.get_tracer("keytrail")
    return (
        isinstance(tracer, Tracer)
        and tracer.sampler is provider.sampler
        and provider._active_span_processor._span_processors == ()
    )


class _NoExporter(SpanExporter):
    pass


def _on_span_processors() -> bool:
    exporter = _NoExporter()
    batch: Any = BatchSpanProcessor(exporter)
    simple: Any = SimpleSpanProcessor(exporter)
    try:
        return batch._batch_processor._exporter is exporter and simple.span_exporter is exporter
    finally:
        batch.shutdown()


def _on_log_processors() -> bool:
    exporter: Any = _NoExporter()
    provider: Any = LoggerProvider(shutdown_on_exit=False)
    batch: Any = BatchLogRecordProcessor(exporter)
    simple: Any = SimpleLogRecordProcessor(exporter)
    try:
        return (
            batch._batch_processor._exporter is exporter
            and simple._exporter is exporter
            and provider._multi_log_record_processor._log_record_processors == ()
        )
    finally:
        batch.shutdown()


def _on_reader_storage() -> bool:
    storage: Any = importlib.import_module(
        "opentelemetry.sdk.metrics._internal.metric_reader_storage"
    ).MetricReaderStorage
    return callable(storage.consume_measurement) and callable(storage.collect)


def _on_otlp_exporters() -> bool:
    kinds = [
        importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter")
        for protocol in ("http", "grpc")
        if find_spec(f"opentelemetry.exporter.otlp.proto.{protocol}")
    ]
    exporters = [kind.OTLPSpanExporter(endpoint="http://127.0.0.1:9") for kind in kinds]
    try:
        return all(isinstance(exporter._endpoint, str) for exporter in exporters) and all(
            overhear(exporter) for exporter in exporters
        )
    finally:
        for exporter in exporters:
            exporter.shutdown()


def _at_the_end_of_children(module: str) -> Callable[[], bool]:
    def holds() -> bool:
        util: Any = importlib.import_module(module)
        return callable(util.register_after_fork) and callable(util.Finalize)

    return holds


SEAMS = (
    Seam(
        "opentelemetry.propagate.get_global_textmap",
        "opentelemetry-api",
        "incoming requests are not seen",
        has("opentelemetry.propagate", "get_global_textmap"),
    ),
    Seam(
        "opentelemetry.sdk: provider, tracers and processors",
        "opentelemetry-sdk",
        "keyed spans that the sampler drops are lost",
        _on_provider,
    ),
    Seam(
        "opentelemetry.sdk: span fields",
        "opentelemetry-sdk",
        "outcomes are missing on ordinary spans",
        _on_span("_attributes", "_limits", "_events", "_links"),
    ),
    Seam(
        "opentelemetry.sdk: SpanProcessor._on_ending",
        "opentelemetry-sdk",
        "outcomes are missing on ordinary spans",
        has("opentelemetry.sdk.trace", "SpanProcessor", "_on_ending"),
    ),
    Seam(
        "opentelemetry.sdk: span exporters",
        "opentelemetry-sdk",
        "ordinary spans are exported unredacted",
        _on_span_processors,
    ),
    Seam(
        "opentelemetry.sdk: log exporters",
        "opentelemetry-sdk",
        "log records are exported unredacted",
        _on_log_processors,
    ),
    Seam(
        "opentelemetry.sdk: metric reader storage",
        "opentelemetry-sdk",
        "metric attributes are exported unredacted",
        _on_reader_storage,
    ),
    Seam(
        "opentelemetry.exporter.otlp: endpoints and sessions",
        "opentelemetry-exporter-otlp-proto-http",
        "uses that the ordinary pipeline delivers to the audit's endpoint arrive there twice",
        _on_otlp_exporters,
    ),
    Seam(
        "opentelemetry.exporter.otlp.proto.grpc: stub",
        "opentelemetry-exporter-otlp-proto-grpc",
        "uses that an OTLP/gRPC endpoint refuses for good are sent again and again",
        has(
            "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
            "OTLPSpanExporter",
            "_initialize_channel_and_stub",
        ),
    ),
    Seam(
        "opentelemetry.context._SUPPRESS_INSTRUMENTATION_KEY",
        "opentelemetry-api",
        "exporters' own requests are taken for uses",
        has("opentelemetry.context", "_SUPPRESS_INSTRUMENTATION_KEY"),
    ),
    *(
        Seam(
            f"{package}.util: after_fork and Finalize",
            package,
            f"what is in memory when a child of {package} ends is lost",
            _at_the_end_of_children(f"{package}.util"),
        )
        for package in ("multiprocessing", "billiard")
    ),
    *LIBRARY_SEAMS,
)
