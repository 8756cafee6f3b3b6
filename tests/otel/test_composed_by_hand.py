"""The components as ordinary OpenTelemetry parts, put together without activation or patch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from keytrail.otel import (
    Audit,
    AuditSpanProcessor,
    KeytrailPropagator,
    KeytrailSampler,
    RedactingSpanExporter,
)
from keytrail.settings import Secret, Settings
from support.cases import F1, K1, PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    """An audit with a home of its own."""
    audit = Audit(Settings(pepper=Secret(PEPPER), home=tmp_path))
    yield audit
    audit.close()


def _scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/things/1",
        "query_string": b"",
        "client": ("192.0.2.7", 5000),
        "headers": [(b"x-api-key", K1.encode()), (b"host", b"api.example.com:8000")],
        **more,
    }


def _provider(audit: Audit, exporter: Any, root: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=KeytrailSampler(root, audit), shutdown_on_exit=False)
    provider.add_span_processor(AuditSpanProcessor(audit))
    provider.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(exporter, audit)))
    return provider


def _serve(audit: Audit, provider: TracerProvider, scope: dict[str, Any]) -> None:
    propagator = KeytrailPropagator(TraceContextTextMapPropagator(), audit)
    context = propagator.extract(scope)
    tracer = provider.get_tracer("by hand")
    span = tracer.start_span("GET", context=context, kind=trace.SpanKind.SERVER)
    span.set_attribute("http.response.status_code", 200)
    span.set_attribute("note", f"the key was {K1}")
    span.end()


def test_no_patch_is_needed(audit: Audit, tmp_path: Path) -> None:
    """An unsampled keyed request is journaled though nothing of the SDK or the API is patched."""
    exporter = SerialisingExporter()
    before = (propagate.get_global_textmap, TracerProvider.__init__)
    _serve(audit, _provider(audit, exporter, ALWAYS_OFF), _scope())
    assert before == (propagate.get_global_textmap, TracerProvider.__init__)
    audit.flush()
    (use,) = uses_in(tmp_path)
    assert exporter.spans == []
    assert (use["key"], use["client"], use["host"], use["path"], use["status"]) == (
        F1,
        "192.0.2.7",
        "api.example.com",
        "/things/1",
        200,
    )
    assert use["attributes"]["note"] == "the key was REDACTED"
    assert K1 not in json.dumps(use)


def test_keyless_requests_are_left_to_the_users_sampler(audit: Audit, tmp_path: Path) -> None:
    """A request without a key is not upgraded and not journaled."""
    exporter = SerialisingExporter()
    _serve(audit, _provider(audit, exporter, ALWAYS_OFF), _scope(headers=[]))
    audit.flush()
    assert (uses_in(tmp_path), exporter.spans) == ([], [])


def test_what_is_extracted_and_injected_is_the_wrapped_propagators(audit: Audit) -> None:
    """Trace context and fields pass through unchanged; nothing of keytrail goes downstream."""
    inner = CompositePropagator([TraceContextTextMapPropagator()])
    propagator = KeytrailPropagator(inner, audit)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    context = propagator.extract({"traceparent": parent})
    carrier: dict[str, str] = {}
    propagator.inject(carrier, context)
    assert (carrier, propagator.fields) == ({"traceparent": parent}, inner.fields)
