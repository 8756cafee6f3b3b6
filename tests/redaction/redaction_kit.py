"""A real provider whose exporter redacts and serialises inside ``export``, and the leak search."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from keytrail.capture.key import RawKey
from keytrail.redaction.memory import KeyMemory, Remembered
from keytrail.redaction.redactor import Redactor
from support.cases import F1, F2, F3, K1, K2, K3

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SECRET_PARTS = {K1: K1.removeprefix("kt_test_"), K2: K2.removeprefix("kt_test_"), K3: K3[7:]}
FINGERPRINTS = {K1: F1, K2: F2, K3: F3}


def _base64_core(raw: bytes, before: int, encode: Callable[[bytes], bytes]) -> str:
    first = (0, 2, 3)[before]
    total = before + len(raw)
    last = total // 3 * 4 + (0, 1, 2)[total % 3]
    return encode(b"x" * before + raw + b"x" * 3)[first:last].decode()


def _lower_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda key: key,
    "percent": lambda key: quote(key, safe=""),
    "percent_lower": lambda key: _lower_escapes(quote(key, safe="")),
    "percent_plus": quote_plus,
    "percent_twice": lambda key: quote(quote(key, safe=""), safe=""),
    "repr": lambda key: repr({"x": key}),
    "bytes_repr": lambda key: repr(key.encode()),
    "hex": lambda key: key.encode().hex(),
    "hex_upper": lambda key: key.encode().hex().upper(),
    "basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    **{
        f"base64_{before}": lambda key, before=before: _base64_core(  # type: ignore[misc]
            key.encode(), before, base64.b64encode
        )
        for before in range(3)
    },
    **{
        f"base64url_{before}": lambda key, before=before: _base64_core(  # type: ignore[misc]
            key.encode(), before, base64.urlsafe_b64encode
        )
        for before in range(3)
    },
}
"""How a key may be spelled where redaction has to find it."""


def leaks(serialised: bytes, key: str) -> list[str]:
    """Return what of ``key`` is in ``serialised``: names of forms, never the key."""
    forms = [
        name
        for name, form in FORMS.items()
        if name not in ("repr", "bytes_repr", "basic") and form(key).encode() in serialised
    ]
    secret = SECRET_PARTS[key].encode()
    slices = [
        f"slice {start}"
        for start in range(len(secret) - 7)
        if secret[start : start + 8] in serialised
    ]
    return forms + slices


def remember(memory: KeyMemory, *keys: str) -> list[Remembered]:
    """Put keys into the memory with their fingerprints."""
    return [memory.remember(RawKey(key.encode()), FINGERPRINTS.get(key)) for key in keys]


class RedactingExporter(SpanExporter):
    """Redacts and serialises what it is given at once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.wire: list[bytes] = []
        self.redacted: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode the redacted spans as OTLP."""
        redacted = self._redactor.spans(spans)
        self.wire.append(encode_spans(redacted).SerializeToString())
        self.redacted += redacted
        return SpanExportResult.SUCCESS

    def spans(self) -> list[trace_pb2.Span]:
        """Return the spans as a collector decodes them."""
        return [
            span
            for data in self.wire
            for resource in trace_pb2.TracesData.FromString(data).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def provider_for(exporter: SpanExporter, **options: Any) -> TracerProvider:
    """Return a provider that exports every span as it ends."""
    options.setdefault("resource", Resource({"service.name": "shop"}))
    options.setdefault("span_limits", SpanLimits())
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider
