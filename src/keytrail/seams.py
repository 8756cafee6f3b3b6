"""The private names of the SDK and of libraries that keytrail relies on, each with its check.

``keytrail doctor`` runs them on the installed versions; a test runs them on the oldest and the
newest supported ones. A seam that is gone must be told here, not met in a request.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Seam:
    """One place that keytrail relies on without a promise from its owner."""

    name: str
    loses: str
    """What keytrail cannot do when the seam is gone."""
    holds: Callable[[], bool]

    def check(self) -> str | None:
        """Return ``None`` where the seam holds, else what is lost."""
        try:
            held = self.holds()
        except ModuleNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a seam that raises is gone
            return f"{self.loses} ({type(error).__qualname__})"
        return None if held else self.loses


def _has(module: str, *path: str) -> Callable[[], bool]:
    def holds() -> bool:
        found: Any = importlib.import_module(module)
        for name in path:
            found = getattr(found, name)
        return True

    return holds


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
        tracer in provider._tracers.values()
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
        return all(isinstance(exporter._endpoint, str) for exporter in exporters)
    finally:
        for exporter in exporters:
            exporter.shutdown()


SEAMS = (
    Seam(
        "opentelemetry.propagate.get_global_textmap",
        "incoming requests are not seen",
        _has("opentelemetry.propagate", "get_global_textmap"),
    ),
    Seam(
        "opentelemetry.sdk: provider, tracers and processors",
        "keyed spans that the sampler drops are lost",
        _on_provider,
    ),
    Seam(
        "opentelemetry.sdk: span fields",
        "outcomes are missing on ordinary spans",
        _on_span("_attributes", "_limits", "_events", "_links"),
    ),
    Seam(
        "opentelemetry.sdk: SpanProcessor._on_ending",
        "outcomes are missing on ordinary spans",
        _has("opentelemetry.sdk.trace", "SpanProcessor", "_on_ending"),
    ),
    Seam(
        "opentelemetry.sdk: span exporters",
        "ordinary spans are exported unredacted",
        _on_span_processors,
    ),
    Seam(
        "opentelemetry.sdk: log exporters",
        "log records are exported unredacted",
        _on_log_processors,
    ),
    Seam(
        "opentelemetry.sdk: metric reader storage",
        "metric attributes are exported unredacted",
        _on_reader_storage,
    ),
    Seam(
        "opentelemetry.exporter.otlp: endpoints",
        "uses that the ordinary pipeline delivers to the audit's endpoint arrive there twice",
        _on_otlp_exporters,
    ),
    Seam(
        "opentelemetry.context._SUPPRESS_INSTRUMENTATION_KEY",
        "exporters' own requests are taken for uses",
        _has("opentelemetry.context", "_SUPPRESS_INSTRUMENTATION_KEY"),
    ),
    Seam(
        "flask.Flask.__call__",
        "keys that a middleware around wsgi_app takes away are not seen",
        _has("flask", "Flask", "__call__"),
    ),
    Seam(
        "urllib3.connection.HTTPConnection",
        "outgoing calls of requests and urllib3 are not seen",
        lambda: (
            _has("urllib3.connection", "HTTPConnection", "request")()
            and _has("urllib3.connection", "HTTPConnection", "getresponse")()
        ),
    ),
    Seam(
        "urllib3.connectionpool.HTTPConnectionPool._make_request",
        "a key in the path of an https call that cannot connect is not redacted",
        _has("urllib3.connectionpool", "HTTPConnectionPool", "_make_request"),
    ),
    Seam(
        "requests.models.PreparedRequest.prepare_headers",
        "a key in a header that requests refuses to send is not redacted",
        _has("requests.models", "PreparedRequest", "prepare_headers"),
    ),
    Seam(
        "httpcore pools",
        "outgoing calls of httpx are not seen",
        lambda: (
            _has("httpcore", "ConnectionPool", "handle_request")()
            and _has("httpcore", "AsyncConnectionPool", "handle_async_request")()
        ),
    ),
)
