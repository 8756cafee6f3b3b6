"""Which uses count as delivered by the ordinary pipeline, where both go to one endpoint."""

from __future__ import annotations

from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import requests
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind

import keytrail
from journal.journal_kit import Receiver, make_span, receiving
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.journal.accounting import Snapshot
from keytrail.journal.overheard import overhear
from keytrail.settings import Secret, Settings
from support.carriers import wsgi_carrier
from support.cases import F1, PEPPER
from support.servers import body_of, listening
from support.sink import Sink, otlp_sink

NUMBER = 20


class OwnBatchProcessor(BatchSpanProcessor):
    """A user's own kind of batch processor."""


def _serve(provider: TracerProvider, attributes: int) -> None:
    context = propagate.extract(wsgi_carrier())
    span = provider.get_tracer("server").start_span("GET", context=context, kind=SpanKind.SERVER)
    for number in range(attributes):
        span.set_attribute(f"own.{number}", number)
    span.set_attribute("http.status_code", 200)
    span.end()


def _instrument(home: Any) -> None:
    keytrail.instrument(
        Settings(
            pepper=Secret(PEPPER),
            home=home,
            otlp_endpoint="same",
            journal_interval=60,
            shutdown_timeout=30,
        )
    )


def _run(sink: Sink, tmp_path: Any, processor: Any, limits: SpanLimits, attributes: int) -> None:
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(processor(OTLPSpanExporter(endpoint=f"{sink.url}/v1/traces")))
    _instrument(tmp_path)
    try:
        for _ in range(NUMBER):
            _serve(provider, attributes)
        provider.force_flush()
        assert keytrail.flush(60)
    finally:
        keytrail.uninstrument()
        provider.shutdown()


@pytest.mark.parametrize(
    ("limits", "attributes", "copies"),
    [
        (SpanLimits(), 0, 1),
        (SpanLimits(max_span_attributes=8), 0, 2),
        (SpanLimits(max_span_attribute_length=40), 0, 2),
        (SpanLimits(), 130, 2),
    ],
    ids=["usual limits", "8 attributes", "40 characters", "more attributes than the limit"],
)
@pytest.mark.parametrize("processor", [BatchSpanProcessor, OwnBatchProcessor])
def test_a_use_counts_as_delivered_where_its_span_tells_all_of_it(
    processor: Any,
    limits: SpanLimits,
    attributes: int,
    copies: int,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every use arrives whole, once; a span whose limits keep it from that has equal ids."""
    with otlp_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        _run(sink, tmp_path, processor, limits, attributes)
    assert [span.attributes["keytrail.key.hash"] for span in sink.audit_spans()] == [F1] * NUMBER
    counted = Counter((span.trace_id, span.span_id) for span in sink.spans)
    assert len({span.span_id for span in sink.audit_spans()}) == NUMBER
    assert (len(counted), set(counted.values())) == (NUMBER, {copies})


@pytest.mark.parametrize(
    ("first", "taken", "books"),
    [
        (Receiver(), 1, Snapshot(NUMBER, NUMBER, 0, {})),
        (Receiver(status=302), 1, Snapshot(NUMBER, NUMBER, 0, {})),
        (Receiver(rejects=2), 2, Snapshot(NUMBER, NUMBER - 2, 0, {"refused": 2})),
        (Receiver(kind="text/html"), 2, Snapshot(NUMBER, NUMBER, 0, {})),
    ],
    ids=["takes", "redirects", "rejects some", "shows a web page"],
)
def test_a_success_that_the_endpoint_did_not_mean_is_none(
    first: Receiver, taken: int, books: Snapshot, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the exporter takes for a success though the answer was none is sent by the journal."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    provider = TracerProvider(shutdown_on_exit=False)
    with receiving(first):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", first.url)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _instrument(tmp_path)
        try:
            for _ in range(NUMBER):
                _serve(provider, 0)
            provider.force_flush()
            first.status, first.kind = 200, None
            assert keytrail.flush(60)
            audit = active_audit()
            assert audit is not None
            assert audit.journal.accounting.snapshot() == books
        finally:
            keytrail.uninstrument()
            provider.shutdown()
    assert len(first.times) == taken


def test_an_exporter_that_cannot_be_heard_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the application's session has hooks of another kind, both deliver."""
    monkeypatch.setattr(faults, "reraise", False)
    session = requests.Session()
    session.hooks = {"response": print}
    assert not overhear(OTLPSpanExporter(session=session))
    assert session.hooks == {"response": print}


class _BreaksOff(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body_of(self)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def test_an_answer_that_breaks_off_is_as_it_was_for_who_is_overheard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To be heard makes no success of what the exporter meets as a failure."""
    monkeypatch.setattr(faults, "reraise", False)
    with listening(_BreaksOff) as port:
        exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces", timeout=1)
        assert exporter.export([make_span(1)]) is SpanExportResult.FAILURE
        assert overhear(exporter)
        assert exporter.export([make_span(1)]) is SpanExportResult.FAILURE
