"""A batch of ended uses becomes redacted journal lines; runs in the audit thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from keytrail import semconv
from keytrail.journal.codec import encode
from keytrail.journal.columns import OF_ATTRIBUTE
from keytrail.otel import limits
from keytrail.otel.use import status_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keytrail.otel.audit import Audit
    from keytrail.otel.use import Finished, OpenUse



def prepare(audit: Audit, batch: Sequence[Finished]) -> list[bytes]:
    """Return one line for each of ``batch``, in order, with nothing of any key in it."""
    spans = audit.redactor.spans([_audit_span(span, use) for span, use in batch])
    return [
        _line(audit, span, use, _said_on_wire(audit, span, use))
        for span, (_, use) in zip(spans, batch, strict=True)
    ]


def _audit_span(span: ReadableSpan, use: OpenUse) -> ReadableSpan:
    """Return ``span`` with all that keytrail knows of it, whatever its limits have taken."""
    attributes = limits.whole(span, use.start_attributes)
    if use.status is not None:
        attributes.update(dict.fromkeys(status_names(attributes), use.status))
    failed = span.status.status_code is StatusCode.ERROR
    attributes.update(use.facts.attributes())
    attributes.update(use.said)
    attributes[semconv.USE_TIME] = span.start_time or 0
    attributes[semconv.SAMPLED] = span.context.trace_flags.sampled
    attributes[semconv.OUTCOME] = use.outcome(attributes, failed=failed)
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span._events,
        links=span._links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _said_on_wire(audit: Audit, span: ReadableSpan, use: OpenUse) -> Mapping[str, Any]:
    """Return the texts that the caller chose, redacted, under their columns' names."""
    attributes = span.attributes or {}
    facts = use.facts
    said = {
        "method": facts.method,
        "route": attributes.get("http.route"),
        "path": facts.path,
        "host": facts.host,
        "error": _error(span, use),
        "user_agent": facts.user_agent,
    }
    told = {column: text for column, text in said.items() if text}
    return audit.redactor.attributes(told, span.context.trace_id)


def _error(span: ReadableSpan, use: OpenUse) -> str | None:
    if use.error is not None:
        return use.error
    told = (span.attributes or {}).get("error.type")
    if isinstance(told, str):
        return told
    for event in span.events:
        raised = (event.attributes or {}).get("exception.type")
        if isinstance(raised, str):
            return raised
    return None


def _line(audit: Audit, span: ReadableSpan, use: OpenUse, said: Mapping[str, Any]) -> bytes:
    attributes = span.attributes or {}
    columns: dict[str, Any] = {
        column: attributes[name] for name, column in OF_ATTRIBUTE.items() if name in attributes
    }
    columns.update(said)
    optional = {
        "status": use.status_in(attributes),
        "client": use.facts.client,
        "service": span.resource.attributes.get("service.name"),
        "parent_span_id": span.parent and format_span_id(span.parent.span_id),
    }
    columns.update((name, value) for name, value in optional.items() if value is not None)
    columns["duration"] = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    columns["trace_id"] = format_trace_id(span.context.trace_id)
    columns["span_id"] = format_span_id(span.context.span_id)
    audit.uses.count(use.facts, columns["outcome"])
    return encode(span, columns, audit.journal.resource_id(span.resource))
