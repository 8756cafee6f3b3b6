"""Spans as OTLP/JSON: what the official file exporter and the Collector write, and back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from keytrail.journal.normal import bounded, bounded_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_IDS: Final = ("traceId", "spanId", "parentSpanId")
_KINDS: Final = (
    *(SpanKind.INTERNAL, SpanKind.INTERNAL, SpanKind.SERVER),
    *(SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER),
)
"""By their numbers in OTLP, the unspecified one first."""
_IS_REMOTE: Final = 0x200
_FLAGS: Final = 0xFF


def to_json(spans: Sequence[ReadableSpan]) -> str:
    """Return one line without its end: an export request of ``spans``, ids in hex."""
    message = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for of_resource in message.get("resourceSpans", ()):
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                _to_hex(span)
                for link in span.get("links", ()):
                    _to_hex(link)
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _to_hex(holder: dict[str, Any]) -> None:
    for name in _IDS:
        if name in holder:
            holder[name] = base64.b64decode(holder[name]).hex()


UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What is raised of a message, or part of one, that is none."""


def from_json(message: Any) -> Iterator[ReadableSpan | None]:
    """Yield the spans of a parsed line; ``None`` for one that is none, which costs itself alone.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError: it is no export request of
            spans.
    """
    for of_resource in message["resourceSpans"]:
        resource = Resource(
            _attributes(of_resource.get("resource", {})), of_resource.get("schemaUrl", "")
        )
        for of_scope in of_resource.get("scopeSpans", ()):
            scope = _scope(of_scope)
            for span in of_scope.get("spans", ()):
                yield _span_or_none(span, resource, scope)


def _span_or_none(span: Any, resource: Resource, scope: Any) -> ReadableSpan | None:
    try:
        return _span(span, resource, scope)
    except UNREADABLE:
        return None


def _scope(of_scope: Mapping[str, Any]) -> InstrumentationScope | None:
    scope = of_scope.get("scope")
    if scope is None:
        return None
    return InstrumentationScope(
        scope.get("name", ""),
        scope.get("version") or None,
        of_scope.get("schemaUrl", ""),
        _attributes(scope),
    )


def _span(span: Mapping[str, Any], resource: Resource, scope: Any) -> ReadableSpan:
    flags = int(span.get("flags", 0))
    return ReadableSpan(
        name=span.get("name", ""),
        context=_context(span, flags, is_remote=False),
        parent=_parent(span, flags),
        resource=resource,
        attributes=bounded_attributes(_attributes(span), _count(span, "Attributes")),
        events=bounded([_event(one) for one in span.get("events", ())], _count(span, "Events")),
        links=bounded([_link(one) for one in span.get("links", ())], _count(span, "Links")),
        kind=_kind(span.get("kind", 0)),
        status=_status(span.get("status", {})),
        start_time=int(span.get("startTimeUnixNano", 0)),
        end_time=int(span.get("endTimeUnixNano", 0)),
        instrumentation_scope=scope,
    )


def _count(holder: Mapping[str, Any], of: str) -> int:
    return int(holder.get(f"dropped{of}Count", 0))


def _context(holder: Mapping[str, Any], flags: int, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int(holder["traceId"], 16),
        int(holder["spanId"], 16),
        is_remote,
        TraceFlags(flags & _FLAGS),
        TraceState.from_header([holder.get("traceState", "")]),
    )


def _parent(span: Mapping[str, Any], flags: int) -> SpanContext | None:
    parent = span.get("parentSpanId")
    if not parent or not int(parent, 16):
        return None
    return SpanContext(int(span["traceId"], 16), int(parent, 16), bool(flags & _IS_REMOTE))


def _event(event: Mapping[str, Any]) -> Event:
    attributes = bounded_attributes(_attributes(event), _count(event, "Attributes"))
    return Event(event.get("name", ""), attributes, int(event.get("timeUnixNano", 0)))


def _link(link: Mapping[str, Any]) -> Link:
    flags = int(link.get("flags", 0))
    context = _context(link, flags, is_remote=bool(flags & _IS_REMOTE))
    return Link(context, bounded_attributes(_attributes(link), _count(link, "Attributes")))


def _kind(kind: int | str) -> SpanKind:
    if isinstance(kind, str) and kind.startswith("SPAN_KIND_"):
        kind = {"SPAN_KIND_UNSPECIFIED": "INTERNAL"}.get(kind, kind.removeprefix("SPAN_KIND_"))
        return SpanKind[kind]
    return _KINDS[int(kind)]


def _status(status: Mapping[str, Any]) -> Status:
    code = status.get("code", 0)
    if isinstance(code, str) and code.startswith("STATUS_CODE_"):
        known = StatusCode[code.removeprefix("STATUS_CODE_")]
    else:
        known = StatusCode(int(code))
    return Status(known, status.get("message") if known is StatusCode.ERROR else None)


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value(one.get("value", {})) for one in holder.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    for kind, inner in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return inner
            case "intValue":
                return int(inner)
            case "doubleValue":
                return float(inner)
            case "bytesValue":
                return base64.b64decode(inner)
            case "arrayValue":
                return tuple(_value(one) for one in inner.get("values", ()))
            case "kvlistValue":
                return {one["key"]: _value(one.get("value", {})) for one in inner.get("values", ())}
    return None
