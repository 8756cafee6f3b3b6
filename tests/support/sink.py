"""A real OTLP/HTTP receiver on loopback that keeps every span and every byte that it was sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from support.servers import body_of, listening


@dataclass(frozen=True)
class SunkSpan:
    """One span as it arrived."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    attributes: dict[str, Any]
    scope: str


@dataclass
class Sink:
    """What has arrived so far."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    spans: list[SunkSpan] = field(default_factory=list)
    status: int = 200
    refused: list[SunkSpan] = field(default_factory=list)
    """The spans of requests that were answered with another status."""

    @property
    def url(self) -> str:
        """The base URL for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    def audit_spans(self) -> list[SunkSpan]:
        """Return the spans that are audit spans."""
        return [span for span in self.spans if "keytrail.schema_version" in span.attributes]

    def await_audit_spans(self, number: int, seconds: float = 60) -> list[SunkSpan]:
        """Wait until at least ``number`` audit spans have arrived, and return them."""
        deadline = time.monotonic() + seconds
        while len(found := self.audit_spans()) < number:
            assert time.monotonic() < deadline, f"{len(found)} audit spans, {number} expected"
            time.sleep(0.02)
        return found


@contextmanager
def otlp_sink() -> Iterator[Sink]:
    """Run a receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = body_of(self)
            status = sink.status
            spans = _decode(body) if self.path == "/v1/traces" else ()
            if status == 200:
                sink.bodies.append(body)
                sink.spans.extend(spans)
            else:
                sink.refused.extend(spans)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    sink = Sink()
    with listening(Handler) as sink.port:
        yield sink


def _decode(body: bytes) -> Iterator[SunkSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield SunkSpan(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    flags=span.flags,
                    attributes={item.key: _value(item.value) for item in span.attributes},
                    scope=scope_spans.scope.name,
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)
