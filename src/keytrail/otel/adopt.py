"""Every patch of the SDK and the API, in one place: puts keytrail's components in where nobody has.

Providers built before and after, and processors added later, are covered alike.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import ProxyTracerProvider

from keytrail import faults
from keytrail.otel.exporters import (
    RedactingLogExporter,
    RedactingSpanExporter,
    redacting_untraced,
)
from keytrail.otel.foreign import RedactingSpanProcessor
from keytrail.otel.measurements import RedactedMeasurements, reader_storage
from keytrail.otel.processor import AuditSpanProcessor
from keytrail.otel.propagator import KeytrailPropagator
from keytrail.otel.sampler import KeytrailSampler

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator

    from keytrail.otel.audit import Audit

Undo = Callable[[], None]


class Adoption:
    """Keytrail's components in the SDK of this process, and the way back."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._undo: list[Undo] = []
        self._adopted: list[TracerProvider] = []
        self.shares_destination = False
        """Whether an ordinary exporter exports to where the journal delivers."""

    def adopt(self) -> None:
        """Cover the propagator and all providers, present and future."""
        self._patch(propagate, "get_global_textmap", self._wrap_textmap)
        self._patch(TracerProvider, "__init__", self._then(self._tracer_provider))
        self._patch(Tracer, "__init__", self._then(self._tracer))
        self._patch(TracerProvider, "add_span_processor", self._covering(self._span_processor))
        self._patch(LoggerProvider, "__init__", self._then(self._logger_provider))
        self._patch(LoggerProvider, "add_log_record_processor", self._covering(self._log_processor))
        _cover(self._measurements, RedactedMeasurements(self._audit.redactor))
        for provider in (trace.get_tracer_provider(), *_built_before(TracerProvider)):
            _cover(self._tracer_provider, provider)
        self._patch(trace, "set_tracer_provider", self._then_looking)
        for tracer in _built_before(Tracer):
            _cover(self._tracer, tracer)
        for provider in (_logs.get_logger_provider(), *_built_before(LoggerProvider)):
            _cover(self._logger_provider, provider)
        _cover(self._look_at, trace.get_tracer_provider())

    def undo(self) -> None:
        """Take everything out again, newest first."""
        while self._undo:
            self._undo.pop()()
        self._adopted.clear()

    def flush(self, timeout: float) -> None:
        """Make the adopted providers export what they hold, each within ``timeout`` seconds."""
        for provider in self._adopted:
            _cover(provider.force_flush, int(timeout * 1000))

    def _set(self, owner: Any, name: str, value: Any) -> None:
        original = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))

    def _patch(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        try:
            self._set(owner, name, wrap(getattr(owner, name)))
        except Exception as error:  # noqa: BLE001 - doctor names the seam that is gone
            faults.report(f"adopt.{name}", error)

    def _measurements(self, redacted: RedactedMeasurements) -> None:
        storage = reader_storage()
        self._patch(storage, "consume_measurement", redacted.consuming)
        self._patch(storage, "collect", redacted.collecting)

    def _wrap_textmap(self, get: Callable[[], TextMapPropagator]) -> Any:
        wrapped: KeytrailPropagator | None = None

        def get_global_textmap() -> TextMapPropagator:
            nonlocal wrapped
            inner = get()
            if wrapped is None or wrapped.inner is not inner:
                if isinstance(inner, KeytrailPropagator):
                    return inner
                wrapped = KeytrailPropagator(inner, self._audit)
            return wrapped

        return get_global_textmap

    @staticmethod
    def _then(cover: Callable[[Any], None]) -> Callable[[Any], Any]:
        def wrap(initialise: Callable[..., None]) -> Any:
            def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
                initialise(self, *args, **kwargs)
                _cover(cover, self)

            return __init__

        return wrap

    @staticmethod
    def _covering(cover: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def wrap(add: Callable[..., None]) -> Any:
            def add_processor(self: Any, processor: Any) -> None:
                add(self, _cover(cover, processor) or processor)

            return add_processor

        return wrap

    def _tracer_provider(self, provider: Any) -> None:
        if not isinstance(provider, TracerProvider) or provider in self._adopted:
            return
        self._adopted.append(provider)
        self._audit.adopted_resource = self._audit.adopted_resource or provider.resource
        composite = provider._active_span_processor
        processors = [self._span_processor(one) for one in composite._span_processors]
        if not any(isinstance(one, AuditSpanProcessor) for one in processors):
            processors.insert(0, AuditSpanProcessor(self._audit))
        self._set(composite, "_span_processors", tuple(processors))

    def _then_looking(self, set_provider: Callable[[Any], None]) -> Any:
        def set_tracer_provider(tracer_provider: Any) -> None:
            set_provider(tracer_provider)
            _cover(self._look_at, tracer_provider)

        return set_tracer_provider

    def _look_at(self, provider: Any) -> None:
        """Say so where spans will come from a provider that has nowhere to put keytrail in.

        One that passes its calls on to a provider of the SDK is as good as that one.
        """
        if self._adopted or isinstance(provider, (TracerProvider, ProxyTracerProvider)):
            return
        faults.logger.warning(
            "%s is not the OpenTelemetry SDK's: no incoming key is seen\n"
            "hint: set an opentelemetry.sdk.trace.TracerProvider, or a subclass of it",
            type(provider).__qualname__,
        )
        raise TypeError("not a TracerProvider of the SDK")

    def _tracer(self, tracer: Any) -> None:
        """Wrap the sampler that a tracer was given, wherever its provider had it from and when."""
        if not isinstance(tracer.sampler, KeytrailSampler):
            self._set(tracer, "sampler", KeytrailSampler(tracer.sampler, self._audit))

    def _span_processor(self, processor: SpanProcessor) -> SpanProcessor:
        if isinstance(processor, (AuditSpanProcessor, RedactingSpanProcessor)):
            return processor
        if isinstance(processor, BatchSpanProcessor):
            self._exporter(processor._batch_processor, "_exporter", self._span_exporter)
        elif isinstance(processor, SimpleSpanProcessor):
            self._exporter(processor, "span_exporter", self._span_exporter)
        if type(processor) in (BatchSpanProcessor, SimpleSpanProcessor):
            return processor
        return RedactingSpanProcessor(processor, self._audit)

    def _span_exporter(self, inner: SpanExporter) -> SpanExporter:
        shared = self._audit.journal.delivers_like(inner)
        self.shares_destination = self.shares_destination or shared
        return RedactingSpanExporter(inner, self._audit, is_destination=shared)

    def _logger_provider(self, provider: Any) -> None:
        if isinstance(provider, LoggerProvider):
            for processor in provider._multi_log_record_processor._log_record_processors:
                self._log_processor(processor)

    def _log_processor(self, processor: Any) -> Any:
        if isinstance(processor, BatchLogRecordProcessor):
            self._exporter(processor._batch_processor, "_exporter", self._log_exporter)
            if not hasattr(processor.on_emit, "__wrapped__"):
                self._set(processor, "on_emit", redacting_untraced(processor.on_emit, self._audit))
        elif isinstance(processor, SimpleLogRecordProcessor):
            self._exporter(processor, "_exporter", self._log_exporter)
        return processor

    def _log_exporter(self, inner: Any) -> Any:
        return RedactingLogExporter(inner, self._audit)

    def _exporter(self, holder: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        inner = getattr(holder, name)
        if not isinstance(inner, (RedactingSpanExporter, RedactingLogExporter)):
            self._set(holder, name, wrap(inner))


def _built_before(kind: type) -> Iterator[Any]:
    """Find the instances of a class, since nothing lists providers that are not the global one."""
    for referrer in gc.get_referrers(kind):
        if type(referrer) is kind:
            yield referrer
    subclasses: list[type] = kind.__subclasses__()
    for subclass in subclasses:
        yield from _built_before(subclass)


def _cover(action: Callable[[Any], Any], subject: Any) -> Any:
    try:
        return action(subject)
    except Exception as error:  # noqa: BLE001 - the application's provider works on without us
        faults.report("adopt", error)
        return None
