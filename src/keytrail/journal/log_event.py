"""A use as an OpenTelemetry log event, for audit pipelines that are made of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, set_span_in_context

from keytrail import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_FINE: Final = frozenset({"success", "unknown"})


def log_event(span: ReadableSpan) -> ReadableLogRecord:
    """Return the log event of a use: the span's attributes, ids, resource and scope.

    Its time is the use's start, its observed time the end, its body the span's name. What did not
    succeed is a warning.
    """
    context = span.get_span_context() or INVALID_SPAN_CONTEXT
    attributes: dict[str, Any] = dict(span.attributes or {})
    fine = attributes.get(semconv.OUTCOME) in _FINE
    severity = SeverityNumber.INFO if fine else SeverityNumber.WARN
    record = LogRecord(
        timestamp=span.start_time,
        observed_timestamp=span.end_time,
        context=set_span_in_context(NonRecordingSpan(context)),
        severity_number=severity,
        severity_text=severity.name,
        body=span.name,
        attributes=attributes,
        event_name=semconv.EVENT_USE,
    )
    return ReadableLogRecord(record, span.resource, span.instrumentation_scope)
