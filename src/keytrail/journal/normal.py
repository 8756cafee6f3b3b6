r"""What a journal line can carry, and the marked text that stands for everything else.

JSON, DuckDB and OTLP share strings of valid Unicode, 64-bit integers, finite floats, booleans and
flat arrays of these. Anything else becomes text that says what it was:

=======================================  ===============================================
lone surrogate inside a text             its escape, such as ``\udc80``
integer beyond 64 bit                    ``keytrail:int:0x…``
NaN, infinity                            ``keytrail:float:nan``, ``…:inf``, ``…:-inf``
bytes                                    ``keytrail:bytes:`` and base64
``None``                                 ``keytrail:none``
mapping, or an array inside an array     ``keytrail:json:`` and its JSON
any other object                         ``keytrail:object:`` and the name of its type
=======================================  ===============================================
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceFlags

from keytrail.journal.columns import COLUMNS, ECHOES, OF_ATTRIBUTE

Scalar = str | bool | int | float
Carried = Scalar | tuple[Scalar, ...]
Columns = Mapping[str, Carried]

MARK: Final = "keytrail:"
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
TRACE_ID_MAX: Final = 2**128 - 1
SPAN_ID_MAX: Final = 2**64 - 1
NO_COLUMNS: Final[Columns] = MappingProxyType({})


def carried(value: object) -> Carried:
    """Return ``value`` or the marked text that stands for it; lone surrogates are left in place."""
    kind = type(value)
    if kind is str or kind is bool:
        return value  # type: ignore[return-value]
    if kind is int:
        return value if INT64_MIN <= value <= INT64_MAX else f"{MARK}int:{value:#x}"  # type: ignore
    if kind is tuple or kind is list:
        return tuple(map(_element, value))  # type: ignore[call-overload]
    return _rarely_carried(value)


def _element(value: object) -> Scalar:
    if isinstance(value, tuple | list):
        return _as_json(value)
    found = carried(value)
    return _as_json(value) if isinstance(found, tuple) else found


def _rarely_carried(value: object) -> Carried:
    if isinstance(value, float):
        return float(value) if abs(value) <= sys.float_info.max else f"{MARK}float:{float(value)}"
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return carried(int(value))
    if value is None:
        return f"{MARK}none"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{MARK}bytes:{base64.b64encode(value).decode('ascii')}"
    if isinstance(value, Mapping):
        return _as_json(value)
    if isinstance(value, Sequence):
        return tuple(map(_element, value))
    return f"{MARK}object:{type(value).__qualname__}"


def _as_json(value: object) -> str:
    try:
        return f"{MARK}json:{json.dumps(value, default=_plain, separators=(',', ':'))}"
    except (TypeError, ValueError, RecursionError):
        return f"{MARK}object:{type(value).__qualname__}"


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else carried(value)


def carried_attributes(attributes: Mapping[Any, object] | None) -> dict[str, Carried]:
    """Return ``attributes`` with every value as it can be carried; nameless ones are left out."""
    if not attributes:
        return {}
    return {
        name if type(name) is str else str(name): value if type(value) is str else carried(value)
        for name, value in attributes.items()
        if name
    }


def carried_time(nanoseconds: float | None) -> int:
    """Return a time as an unsigned integer within 63 bits; zero where there is none."""
    return min(max(int(nanoseconds or 0), 0), INT64_MAX)


def fitting(columns: Mapping[str, object]) -> dict[str, Carried]:
    """Return the ``columns`` whose values have their column's type; the others have no column.

    They come from attributes that an application may set to anything.
    """
    return {
        name: value  # type: ignore[misc]
        for name, value in columns.items()
        if (type(value) is str and name in _TEXT_COLUMNS) or _fits(name, value)
    }


_TEXT_COLUMNS: Final = frozenset(name for name, kind in COLUMNS.items() if kind == "text")


def _fits(name: str, value: object) -> bool:
    kind = COLUMNS.get(name)
    if kind == "integer":
        return type(value) is int and INT64_MIN <= value <= INT64_MAX
    if kind == "number":
        return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]
    if kind == "boolean":
        return type(value) is bool
    if kind == "texts":
        return isinstance(value, tuple | list) and all(isinstance(part, str) for part in value)
    return False


def visible(text: str) -> str:
    """Return ``text`` with lone surrogates as their escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def normalise(span: ReadableSpan, columns: Columns = NO_COLUMNS) -> ReadableSpan:
    """Return ``span`` as the journal holds it: what :func:`keytrail.journal.codec.decode` gives.

    ``columns`` win over attributes of the same meaning, because the SDK's limits cut and evict
    attributes but not keytrail's own record. Attributes with a column stand first.
    """
    context = span.get_span_context()
    start = carried_time(span.start_time)
    return ReadableSpan(
        name=visible(str(span.name)),
        context=None if context is None else _context(context, is_remote=False),
        parent=None if span.parent is None else _parent(span.parent, context),
        resource=span.resource,
        attributes=bounded_attributes(
            merged(_visible_attributes(span.attributes), {**fitting(columns), "time": start}),
            span.dropped_attributes,
        ),
        events=bounded([_event(event) for event in span.events], span.dropped_events),
        links=bounded([_link(link) for link in span.links], span.dropped_links),
        kind=span.kind,
        status=_status(span.status),
        start_time=start,
        end_time=carried_time(span.end_time),
        instrumentation_scope=_scope(span.instrumentation_scope),
    )


def merged(attributes: Mapping[str, Carried], columns: Mapping[str, Any]) -> dict[str, Carried]:
    """Return ``attributes`` with those that have a column first, in the columns' order."""
    found: dict[str, Carried] = {}
    for name, column in OF_ATTRIBUTE.items():
        if column in columns:
            value = columns[column]
            found[name] = _visible_value(tuple(value) if isinstance(value, list) else value)
        elif name in attributes:
            found[name] = attributes[name]
    for name, column in ECHOES:
        if name in attributes and is_echo(attributes[name], columns.get(column)):
            found[name] = attributes[name]
    for name, value in attributes.items():
        found.setdefault(name, value)
    return found


def is_echo(value: object, column: object) -> bool:
    """Tell whether an attribute says exactly what a column says."""
    return type(value) is type(column) and value == column


def bounded(items: Sequence[Any], dropped: int) -> Sequence[Any]:
    """Return ``items`` as a sequence that remembers how many the SDK dropped."""
    if not dropped:
        return items
    kept = BoundedList.from_seq(None, items)
    kept.dropped = dropped
    return kept


def bounded_attributes(attributes: dict[str, Carried], dropped: int) -> Mapping[str, Carried]:
    """Return ``attributes`` as a mapping that remembers how many the SDK dropped."""
    if not dropped:
        return attributes
    kept = BoundedAttributes(attributes=attributes)
    kept.dropped = dropped
    return kept  # type: ignore[return-value]


def _visible_attributes(attributes: Mapping[str, object] | None) -> dict[str, Carried]:
    found = carried_attributes(attributes)
    return {visible(name): _visible_value(value) for name, value in found.items()}


def _visible_value(value: Carried) -> Carried:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(visible(part) if isinstance(part, str) else part for part in value)
    return value


def _context(context: SpanContext, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        trace_id=context.trace_id & TRACE_ID_MAX,
        span_id=context.span_id & SPAN_ID_MAX,
        is_remote=is_remote,
        trace_flags=context.trace_flags,
        trace_state=context.trace_state,
    )


def _parent(parent: SpanContext, child: SpanContext | None) -> SpanContext:
    trace_id = child.trace_id if child is not None else parent.trace_id
    return SpanContext(
        trace_id=trace_id & TRACE_ID_MAX,
        span_id=parent.span_id & SPAN_ID_MAX,
        is_remote=bool(parent.is_remote),
        trace_flags=TraceFlags(parent.trace_flags),
    )


def _event(event: Event) -> Event:
    attributes = bounded_attributes(_visible_attributes(event.attributes), event.dropped_attributes)
    return Event(visible(str(event.name)), attributes, carried_time(event.timestamp))


def _link(link: Link) -> Link:
    attributes = bounded_attributes(_visible_attributes(link.attributes), link.dropped_attributes)
    return Link(_context(link.context, is_remote=bool(link.context.is_remote)), attributes)


def _status(status: Status) -> Status:
    if status.description is None:
        return status
    return Status(status.status_code, visible(status.description))


def _scope(scope: InstrumentationScope | None) -> InstrumentationScope | None:
    if scope is None:
        return None
    return InstrumentationScope(
        visible(scope.name),
        None if scope.version is None else visible(scope.version),
        visible(scope.schema_url or ""),
        _visible_attributes(scope.attributes),
    )
