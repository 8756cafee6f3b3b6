"""What is passed where redaction failed: ids, times, names and numbers, no text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status

from keytrail import semconv
from keytrail.redaction import rebuild
from keytrail.redaction.editor import Withholding

if TYPE_CHECKING:
    from collections.abc import Mapping


def span(original: ReadableSpan) -> ReadableSpan:
    """Return the span without its texts, or as a bare one where even that fails."""
    editor = Withholding()
    try:
        scope = original.instrumentation_scope
        passed = rebuild.span(
            original,
            editor,
            rebuild.resource(original.resource, editor),
            None if scope is None else rebuild.scope(scope, editor),
        )
    except Exception:  # noqa: BLE001 - the fault that led here is counted already
        editor.tally.add("attribute", "fault")
        passed = _bare_span(original)
    editor.tally.publish()
    return passed


def log(original: ReadableLogRecord) -> ReadableLogRecord:
    """Return the log record without its texts, or as a bare one where even that fails."""
    editor = Withholding()
    try:
        scope = original.instrumentation_scope
        passed = rebuild.log(
            original,
            editor,
            rebuild.resource(original.resource, editor),
            None if scope is None else rebuild.scope(scope, editor),
        )
    except Exception:  # noqa: BLE001 - the fault that led here is counted already
        editor.tally.add("body", "fault")
        passed = _bare_log(original)
    editor.tally.publish()
    return passed


def text(original: str) -> str:
    """Return ``REDACTED``."""
    editor = Withholding()
    passed = editor.text(original, "text")
    editor.tally.publish()
    return passed


def attributes(original: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes without their texts, or none where even that fails."""
    editor = Withholding()
    try:
        passed = editor.attributes(original, "attribute")
    except Exception:  # noqa: BLE001 - the fault that led here is counted already
        editor.tally.add("attribute", "fault")
        passed = {}
    editor.tally.publish()
    return passed


def _bare_span(original: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=semconv.REDACTED,
        context=_without_state(original.get_span_context()),
        parent=_without_state(original.parent),
        resource=Resource.get_empty(),
        kind=original.kind,
        status=Status(original.status.status_code),
        start_time=original.start_time,
        end_time=original.end_time,
    )


def _bare_log(original: ReadableLogRecord) -> ReadableLogRecord:
    before = original.log_record
    record = LogRecord(
        timestamp=before.timestamp,
        observed_timestamp=before.observed_timestamp,
        severity_number=before.severity_number,
        body=semconv.REDACTED,
    )
    record.trace_id, record.span_id = before.trace_id, before.span_id
    record.trace_flags = before.trace_flags
    return ReadableLogRecord(record, Resource.get_empty())


def _without_state(context: SpanContext | None) -> SpanContext | None:
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
