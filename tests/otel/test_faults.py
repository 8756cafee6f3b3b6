"""A fault at any seam of keytrail's is counted and never reaches the application."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest
import requests
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import K1, K2, PEPPER
from support.exporters import SerialisingExporter
from support.servers import Server

_SAMPLERS = {ALWAYS_ON: "sampled", ALWAYS_OFF: "dropped"}
SEAMS = [
    "keytrail.capture.reader:RequestReader.incoming",
    "keytrail.capture.reader:RequestReader.outgoing",
    "keytrail.otel.incoming:readable",
    "keytrail.otel.sampler:incoming_of",
    "keytrail.otel.processor:AuditSpanProcessor._begin",
    "keytrail.otel.processor:AuditSpanProcessor._tell_outcome",
    "keytrail.otel.use:OpenUse.outcome",
    "keytrail.otel.audit:Audit.begin",
    "keytrail.otel.audit:Audit.finished",
    "keytrail.otel.audit:prepare",
    "keytrail.otel.lines:encode",
    "keytrail.otel.wire:chain_on",
    "keytrail.otel.hops:ReadableSpan",
    "keytrail.otel.limits:has_room",
    "keytrail.redaction.memory:KeyMemory.remember",
    "keytrail.redaction.memory:KeyMemory.bind",
    "keytrail.redaction.redactor:Redactor.spans",
    "keytrail.journal.queue:AuditQueue.put",
    "keytrail.journal.writer:Writer.write",
    "keytrail.capture.adapters.http_client_tap:view",
    "keytrail.capture.adapters.httpx_clients:_view",
]
ACTIVATION_SEAMS = [
    "keytrail.otel.audit:Audit.__init__",
    "keytrail.otel.adopt:Adoption.adopt",
    "keytrail.otel.adopt:Adoption._tracer_provider",
    "keytrail.otel.adopt:Adoption._tracer",
    "keytrail.capture.adapters.urllib3_tap:install",
    "keytrail.capture.adapters.httpx_tap:install",
]


class Foreign(SpanProcessor):
    """A processor of the user's own."""

    def on_end(self, span: ReadableSpan) -> None:
        span.to_json()


def _break(monkeypatch: pytest.MonkeyPatch, seam: str) -> None:
    module, _, path = seam.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("injected")

    assert hasattr(owner, name), seam
    monkeypatch.setattr(owner, name, broken)


def _answers(upstream: str) -> list[tuple[int, str]]:
    """Serve one request each through Flask and FastAPI; both call ``upstream`` with a key."""
    flask_app = flask.Flask("app")
    fast_app = FastAPI()

    @flask_app.get("/call")
    def through_requests() -> dict[str, int]:
        headers = {"X-API-Key": K2}
        return {"status": requests.get(upstream, headers=headers, timeout=60).status_code}

    @fast_app.get("/call")
    def through_httpx() -> dict[str, int]:
        with httpx.Client(headers={"X-API-Key": K2}, timeout=60) as client:
            return {"status": client.get(upstream).status_code}

    FlaskInstrumentor().instrument_app(flask_app)  # type: ignore[no-untyped-call]
    FastAPIInstrumentor.instrument_app(fast_app)
    sent: Any = {"headers": {"X-API-Key": K1}}
    by_flask = flask_app.test_client().get("/call?a=1", **sent)
    with TestClient(fast_app) as client:
        by_fastapi = client.get("/call?a=1", **sent)
    return [(by_flask.status_code, by_flask.text), (by_fastapi.status_code, by_fastapi.text)]


@pytest.fixture
def upstream(server: Server) -> str:
    """A server that answers 200."""
    return f"{server.url}/up"


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count faults as in production."""
    monkeypatch.setattr(faults, "reraise", False)
    yield
    RequestsInstrumentor().uninstrument()
    HTTPXClientInstrumentor().uninstrument()
    monkeypatch.undo()
    keytrail.uninstrument()


def _start(home: Path, provider: TracerProvider) -> None:
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=home))
    RequestsInstrumentor().instrument(tracer_provider=provider)
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)


@pytest.mark.parametrize(
    ("seam", "sampler"),
    [
        *((seam, sampler) for seam in SEAMS for sampler in (ALWAYS_ON, ALWAYS_OFF)),
        ("keytrail.otel.sampler:is_call", ALWAYS_OFF),
    ],
    ids=lambda value: _SAMPLERS.get(value) or value.replace("keytrail.", ""),
)
def test_a_broken_seam_changes_no_answer(
    seam: str,
    sampler: Any,
    tmp_path: Path,
    upstream: str,
    swallowing: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every answer is as it was, and the fault is counted wherever the seam was reached."""
    exporter = SerialisingExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(Foreign())
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    _start(tmp_path, provider)
    before = sum(faults.counts().values())
    _break(monkeypatch, seam)
    assert _answers(upstream) == [(200, '{"status":200}\n'), (200, '{"status":200}')]
    audit = active_audit()
    assert audit is not None
    audit.flush(60)
    assert sum(faults.counts().values()) > before
    assert K1 not in str(exporter.spans)


@pytest.mark.parametrize("seam", ACTIVATION_SEAMS)
def test_a_broken_activation_leaves_the_application_running(
    seam: str,
    tmp_path: Path,
    upstream: str,
    swallowing: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``instrument()`` returns, the fault is counted, and the application answers."""
    before = sum(faults.counts().values())
    _break(monkeypatch, seam)
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    _start(tmp_path, provider)
    assert sum(faults.counts().values()) > before
    assert _answers(upstream) == [(200, '{"status":200}\n'), (200, '{"status":200}')]
