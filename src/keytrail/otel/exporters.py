"""The exporter seam: a whole batch redacted in the exporting thread, then told to the audit."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from keytrail import faults, semconv
from keytrail.journal import overheard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.otel.audit import Audit


class RedactingSpanExporter(SpanExporter):
    """Wraps a span exporter: what reaches it holds no key.

    ``is_destination``: it exports to where the audit is delivered, so the audit spans that are
    taken there are delivered already and the journal sends only the rest.
    """

    def __init__(self, inner: SpanExporter, audit: Audit, *, is_destination: bool = False) -> None:
        self.inner = inner
        self._audit = audit
        self._is_destination = is_destination and overheard.overhear(inner)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the batch redacted; clean spans are passed as the very same objects."""
        try:
            redacted = self._audit.allowed(spans)
        except Exception as error:  # noqa: BLE001 - fails closed: what is not redacted stays here
            faults.report("exporter", error)
            return SpanExportResult.FAILURE
        overheard.forget()
        result = self.inner.export(redacted)
        if self._is_destination and result is SpanExportResult.SUCCESS and overheard.took_all():
            self._audit.accepted(
                (span.context.trace_id, span.context.span_id)
                for span in spans
                if semconv.SCHEMA_VERSION in (span._attributes or {})
            )
        return result

    def shutdown(self) -> None:
        """Shut the wrapped exporter down."""
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped exporter."""
        return self.inner.force_flush(timeout_millis)


class RedactingLogExporter:
    """Wraps a log record exporter: what reaches it holds no key."""

    def __init__(self, inner: Any, audit: Audit) -> None:
        self.inner = inner
        self._audit = audit

    def export(self, batch: Sequence[Any]) -> Any:
        """Export the batch redacted."""
        try:
            redacted = self._audit.redactor.logs(batch)
        except Exception as error:  # noqa: BLE001 - fails closed: what is not redacted stays here
            faults.report("log_exporter", error)
            return LogRecordExportResult.FAILURE
        return self.inner.export(redacted)

    def shutdown(self) -> None:
        """Shut the wrapped exporter down."""
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped exporter."""
        return bool(self.inner.force_flush(timeout_millis))


def redacting_untraced(emit: Callable[[Any], None], audit: Audit) -> Callable[[Any], None]:
    """Wrap a batching processor's ``on_emit``: a record outside of any trace is redacted at once.

    No trace keeps its keys, and until its batch is exported the newest keys may have become others:
    a server writes its access log when the request's span has ended.
    """

    @wraps(emit)
    def on_emit(record: Any) -> None:
        try:
            if not record.log_record.trace_id:
                (record,) = audit.redactor.logs([record])
        except Exception as error:  # noqa: BLE001 - the exporter redacts it, as good as it can then
            faults.report("log_processor", error)
        emit(record)

    return on_emit
