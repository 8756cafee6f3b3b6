"""The audit processor: facts onto SERVER spans at their start, finished uses to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind

from keytrail import faults, semconv
from keytrail.otel import limits
from keytrail.otel.incoming import incoming_of

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from keytrail.otel.audit import Audit
    from keytrail.otel.use import OpenUse


class AuditSpanProcessor(SpanProcessor):
    """Journals every use among the spans of a provider; leaves all other spans alone."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the facts of an incoming request onto its SERVER span."""
        if span.kind is not SpanKind.SERVER:
            return
        try:
            self._begin(span, parent_context)
        except Exception as error:  # noqa: BLE001 - the span goes on without facts
            faults.report("processor.on_start", error)

    def _begin(self, span: Span, parent_context: Context | None) -> None:
        incoming = incoming_of(parent_context)
        if incoming is None or incoming.span is not None:
            return
        self._audit.take_up(span, incoming)

    def _on_ending(self, span: Span) -> None:
        """Tell the outcome on the span itself, before any exporter or processor sees its end."""
        use = self._audit.open.get(span.context.span_id)
        if use is None:
            return
        try:
            self._tell_outcome(span, use)
        except Exception as error:  # noqa: BLE001 - the journal computes it again
            faults.report("processor.on_ending", error)

    def _tell_outcome(self, span: Span, use: OpenUse) -> None:
        use.settle()
        if not limits.has_room(span):
            return
        attributes = limits.held(span)
        told = use.outcome(span)
        if told == "denied" and not use.carries_key:
            attributes.update(use.marks(span))
        if semconv.SCHEMA_VERSION in attributes:
            attributes[semconv.OUTCOME] = told
            reason = use.reason(attributes, told)
            if reason is not None:
                attributes.setdefault(semconv.OUTCOME_REASON, reason)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand a finished use to the audit queue."""
        use = self._audit.open.pop(span.context.span_id, None)
        if use is None:
            return
        try:
            self._audit.finished(span, use)
        except Exception as error:  # noqa: BLE001 - counted; the application goes on
            faults.report("processor.on_end", error)

    def shutdown(self) -> None:
        """Write what is in memory; the journal stays open for other providers."""
        self._audit.flush()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Write what is in memory to the journal."""
        return self._audit.flush(timeout_millis / 1000)
