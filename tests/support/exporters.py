"""Exporters that serialise when they are called: kept references lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class SerialisingExporter(SpanExporter):
    """Keeps what it is given as text at once: kept references lie."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Serialise."""
        self.spans += [json.loads(span.to_json()) for span in spans]
        return SpanExportResult.SUCCESS
