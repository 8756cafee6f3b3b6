"""A finished span as one journal line, and back.

A line is one JSON object: the columns of :mod:`keytrail.journal.columns`, then ``attributes``
(those without a column) and ``span`` (the rest of it; defaults are left out):

``name`` · ``kind`` · ``status`` {``code``, ``description``} · ``end`` · ``flags`` · ``state`` ·
``parent`` {``remote``, ``flags``} ·
``events`` [{``name``, ``time``, ``attributes``, ``dropped``}] ·
``links`` [{``trace_id``, ``span_id``, ``remote``, ``flags``, ``state``, ``attributes``,
``dropped``}] · ``dropped`` [attributes, events, links] · ``echoes`` (bits of ``columns.ECHOES``) ·
``origin`` (the id of a ``record: "origin"`` line).

Times are Unix nanoseconds, ids lower-case hex. The span's start is the column ``time``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from keytrail.journal.columns import ECHOES, OF_ATTRIBUTE
from keytrail.journal.line import attributes_in, to_line
from keytrail.journal.normal import (
    SPAN_ID_MAX,
    TRACE_ID_MAX,
    Carried,
    Columns,
    bounded,
    bounded_attributes,
    carried_attributes,
    carried_time,
    fitting,
    is_echo,
    merged,
    normalise,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.journal.records import Origin

__all__ = ["Columns", "decode", "encode", "normalise"]

MAX_LINE_BYTES: Final = 1024 * 1024
"""A longer line loses its events, links and long attributes, counted as dropped on the span."""
MAX_KEPT_TEXT: Final = 4096

_KIND_NAMES: Final = {kind: kind.name for kind in SpanKind}


def encode(span: ReadableSpan, columns: Columns, origin_id: str) -> bytes:
    """Return the journal line of ``span``, newline included.

    ``columns`` holds those columns that have a value; one of another type than its column's stays
    an attribute. ``time`` and the ids come from the span.
    What a line cannot carry stands as :mod:`keytrail.journal.normal` describes.

    Raises:
        ValueError: the span has no context.

    """
    context = span.get_span_context()
    if context is None:
        raise ValueError("a span without a context has no place in the journal")
    parent = span.parent
    line: dict[str, Any] = {
        **fitting(columns),
        "time": carried_time(span.start_time),
        "trace_id": format(context.trace_id & TRACE_ID_MAX, "032x"),
        "span_id": format(context.span_id & SPAN_ID_MAX, "016x"),
    }
    if parent is not None:
        line["parent_span_id"] = format(parent.span_id & SPAN_ID_MAX, "016x")
    attributes, echoes = _without_columns(span.attributes, line)
    line["attributes"] = attributes
    line["span"] = _rest(span, context, origin_id)
    if echoes:
        line["span"]["echoes"] = echoes
    encoded = to_line(line)
    return encoded if len(encoded) <= MAX_LINE_BYTES else _shortened(line)


def _without_columns(
    attributes: Mapping[str, object] | None, columns: Mapping[str, object]
) -> tuple[dict[str, Carried], int]:
    kept = dict(attributes.copy() if isinstance(attributes, MappingProxyType) else attributes or {})
    for name, column in OF_ATTRIBUTE.items():
        if column in columns:
            kept.pop(name, None)
    echoes = 0
    for bit, (name, column) in enumerate(ECHOES):
        if name in kept and is_echo(kept[name], columns.get(column)):
            del kept[name]
            echoes |= 1 << bit
    return carried_attributes(kept), echoes


def _rest(span: ReadableSpan, context: SpanContext, origin: str) -> dict[str, Any]:
    rest: dict[str, Any] = {
        "name": str(span.name),
        "kind": _KIND_NAMES[span.kind],
        "end": carried_time(span.end_time),
        "flags": context.trace_flags,
        "origin": origin,
    }
    status = span.status
    if status.status_code is not StatusCode.UNSET:
        rest["status"] = {"code": status.status_code.name, "description": status.description}
    if context.trace_state:
        rest["state"] = dict(context.trace_state)
    if span.parent is not None:
        rest["parent"] = {"remote": bool(span.parent.is_remote), "flags": span.parent.trace_flags}
    if span.events:
        rest["events"] = [_event(event) for event in span.events]
    if span.links:
        rest["links"] = [_link(link) for link in span.links]
    dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)
    if any(dropped):
        rest["dropped"] = dropped
    return rest


def _event(event: Event) -> dict[str, Any]:
    return {
        "name": str(event.name),
        "time": carried_time(event.timestamp),
        "attributes": carried_attributes(event.attributes),
        "dropped": event.dropped_attributes,
    }


def _link(link: Link) -> dict[str, Any]:
    context = link.context
    return {
        "trace_id": format(context.trace_id & TRACE_ID_MAX, "032x"),
        "span_id": format(context.span_id & SPAN_ID_MAX, "016x"),
        "remote": bool(context.is_remote),
        "flags": context.trace_flags,
        "state": dict(context.trace_state),
        "attributes": carried_attributes(link.attributes),
        "dropped": link.dropped_attributes,
    }


def _shortened(line: dict[str, Any]) -> bytes:
    attributes, rest = line["attributes"], line["span"]
    short = {
        name: value
        for name, value in attributes.items()
        if len(name) <= MAX_KEPT_TEXT and len(str(value)) <= MAX_KEPT_TEXT
    }
    lost = rest.pop("dropped", (0, 0, 0))
    events, links = rest.pop("events", ()), rest.pop("links", ())
    rest["dropped"] = (
        lost[0] + len(attributes) - len(short),
        lost[1] + len(events),
        lost[2] + len(links),
    )
    rest["name"] = rest["name"][:MAX_KEPT_TEXT]
    return to_line({**line, "attributes": short, "span": rest})


def decode(line: Mapping[str, Any], origin: Origin) -> ReadableSpan:
    """Return the span of a parsed line; equal to ``normalise(span, columns)`` of the encoded one.

    Raises:
        KeyError, TypeError, ValueError: the line is not one that :func:`encode` wrote.

    """
    rest = line["span"]
    dropped = rest.get("dropped", (0, 0, 0))
    trace_id = int(line["trace_id"], 16)
    return ReadableSpan(
        name=rest["name"],
        context=SpanContext(
            trace_id,
            int(line["span_id"], 16),
            is_remote=False,
            trace_flags=TraceFlags(rest["flags"]),
            trace_state=_state(rest),
        ),
        parent=_parent(line, trace_id),
        resource=origin.resource,
        attributes=bounded_attributes(merged(_attributes(line), line), dropped[0]),
        events=bounded([_read_event(event) for event in rest.get("events", ())], dropped[1]),
        links=bounded([_read_link(link) for link in rest.get("links", ())], dropped[2]),
        kind=SpanKind[rest["kind"]],
        status=_read_status(rest.get("status")),
        start_time=line["time"],
        end_time=rest["end"],
        instrumentation_scope=origin.scope,
    )


def _attributes(line: Mapping[str, Any]) -> dict[str, Carried]:
    echoes = line["span"].get("echoes", 0)
    found = {name: line[column] for bit, (name, column) in enumerate(ECHOES) if echoes >> bit & 1}
    return found | attributes_in(line)


def _state(holder: Mapping[str, Any]) -> TraceState:
    return TraceState(list(holder.get("state", {}).items()))


def _parent(line: Mapping[str, Any], trace_id: int) -> SpanContext | None:
    parent = line["span"].get("parent")
    if parent is None:
        return None
    span_id = int(line["parent_span_id"], 16)
    return SpanContext(trace_id, span_id, parent["remote"], TraceFlags(parent["flags"]))


def _read_status(status: Mapping[str, Any] | None) -> Status:
    if status is None:
        return Status()
    return Status(StatusCode[status["code"]], status["description"])


def _read_event(event: Mapping[str, Any]) -> Event:
    attributes = bounded_attributes(attributes_in(event), event["dropped"])
    return Event(event["name"], attributes, event["time"])


def _read_link(link: Mapping[str, Any]) -> Link:
    context = SpanContext(
        int(link["trace_id"], 16),
        int(link["span_id"], 16),
        link["remote"],
        TraceFlags(link["flags"]),
        _state(link),
    )
    return Link(context, bounded_attributes(attributes_in(link), link["dropped"]))
