"""The oracle's search is proved: a deliberately leaky exporter is caught in every spelling."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from keytrail.leaks.canary import PREFIX, Leak, Search, awkward_key_of, key_of
from keytrail.otel import Audit, RedactingSpanExporter
from keytrail.redaction import alone
from keytrail.settings import Settings
from leaks.receivers import receiver
from leaks.rounds import canaries

KEYS = {"plain": key_of("plain"), "awkward": awkward_key_of("awkward")}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent-encoded": lambda key: quote(key, safe=""),
    "hex": lambda key: key.encode().hex(),
    "repr": lambda key: repr({"key": [key]}),
    "JSON": lambda key: json.dumps({"key": key}),
    "eight characters": lambda key: f"...{key[len(PREFIX) + 3 : len(PREFIX) + 11]}...",
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after one byte": lambda key: base64.b64encode(b"x" + key.encode() + b"yz").decode(),
    "base64 after two bytes": lambda key: base64.b64encode(b"xy" + key.encode() + b"z").decode(),
}
PLACES: dict[str, Callable[[str], ReadableSpan]] = {
    "name": lambda text: ReadableSpan(f"GET /{text}"),
    "attribute": lambda text: ReadableSpan("x", attributes={"app.note": f"<{text}>"}),
    "array": lambda text: ReadableSpan("x", attributes={"app.notes": ["first", text]}),
    "event": lambda text: ReadableSpan("x", events=[Event("e", {"exception.message": text})]),
    "status": lambda text: ReadableSpan("x", status=Status(StatusCode.ERROR, f"no {text}")),
}


class LeakyExporter(SpanExporter):
    """Sits behind keytrail's seam and adds a span that holds a key to every batch."""

    def __init__(self, inner: SpanExporter, leak: ReadableSpan) -> None:
        self._inner = inner
        self._leak = leak

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans and the leak."""
        self._leak._context = spans[0].context
        self._leak._start_time = self._leak._end_time = spans[0].start_time
        return self._inner.export([*spans, self._leak])


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", KEYS)
def test_a_leaky_exporter_is_caught(kind: str, spelling: str) -> None:
    """Whatever the exporter leaks, in whatever place: a byte search over the bodies finds it."""
    for leak in PLACES.values():
        assert {found.place for found in _export(leak(SPELLINGS[spelling](KEYS[kind])))} == {kind}


def test_no_canary_is_told_by_its_shape() -> None:
    """Redaction by shape finds none of the oracle's keys, but for those made for it."""
    search = alone.redactor(Settings()).search()
    shaped = {place for place, key in canaries().items() if search(f" {key} ".encode())}
    assert shaped == {place for place in canaries() if place.startswith("incoming shaped path")}


def test_a_tight_exporter_is_not_accused() -> None:
    """Seven characters of the secret, the prefix, or the fingerprint of a key are no leak."""
    secret = KEYS["plain"].removeprefix(PREFIX)
    for text in (secret[:7], PREFIX, "547402dd407ed343391f3c8296d9c175994da0f20904bb3fb2911e89"):
        assert _export(PLACES["attribute"](text)) == set()


def _export(leak: ReadableSpan) -> set[Leak]:
    audit = Audit()
    with receiver("http/protobuf") as received:
        exporter = OTLPSpanExporter(endpoint=f"{received.url}/v1/traces")
        provider = TracerProvider(shutdown_on_exit=False)
        leaky = LeakyExporter(exporter, leak)
        provider.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(leaky, audit)))
        provider.get_tracer("app").start_span("ordinary").end()
        provider.shutdown()
        audit.close()
    return set(Search(KEYS).leaks(*received.everything()))
