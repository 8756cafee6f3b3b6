"""Processors that are not the SDK's: they export as they like, so they get redacted spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor

from keytrail import faults
from keytrail.otel.verdict import Upgraded

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from keytrail.otel.audit import Audit


class RedactingSpanProcessor(SpanProcessor):
    """Wraps another processor: it gets the spans that it would get without keytrail, redacted.

    What a processor reads in its own ``on_start`` is the live span and is not redacted.
    """

    def __init__(self, inner: SpanProcessor, audit: Audit) -> None:
        self.inner = inner
        self._audit = audit

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Pass the span on, unless only keytrail made it recordable."""
        if not _is_upgraded(span):
            self.inner.on_start(span, parent_context=parent_context)

    def _on_ending(self, span: Span) -> None:
        if not _is_upgraded(span):
            self.inner._on_ending(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass a redacted copy on, unless only keytrail made the span recordable."""
        if _is_upgraded(span):
            return
        try:
            (redacted,) = self._audit.allowed([span])
        except Exception as error:  # noqa: BLE001 - fails closed: what is not redacted is not passed
            faults.report("foreign", error)
        else:
            self.inner.on_end(redacted)

    def shutdown(self) -> None:
        """Shut the wrapped processor down."""
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped processor."""
        return self.inner.force_flush(timeout_millis)


def _is_upgraded(span: ReadableSpan) -> bool:
    return isinstance(span.context.trace_state, Upgraded)
