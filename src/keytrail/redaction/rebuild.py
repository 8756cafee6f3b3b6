"""Put the parts that an editor let pass together again: copies, never changes in place."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

    from keytrail.redaction.editor import Editor
    from keytrail.redaction.tally import Place

_T = TypeVar("_T")


def span(
    original: ReadableSpan,
    editor: Editor,
    resource: Resource,
    scope: InstrumentationScope | None,
) -> ReadableSpan:
    """Return a copy of ``original`` that holds what ``editor`` let pass, and the tally of it."""
    name = editor.text(original.name, "name")
    events = [event(one, editor) for one in original.events]
    links = [
        Link(context(one.context, editor), attributes(one.attributes, editor, "link"))
        for one in original.links
    ]
    status = _status(original.status, editor)
    own_context = original.get_span_context()
    parent = original.parent
    redacted_context = None if own_context is None else context(own_context, editor)
    redacted_parent = None if parent is None else context(parent, editor)
    passed = editor.attributes(original.attributes or {}, "attribute")
    return ReadableSpan(
        name=name,
        context=redacted_context,
        parent=redacted_parent,
        resource=resource,
        attributes=_bounded(editor.tally.onto(passed), original.dropped_attributes),
        events=_listed(events, original.dropped_events),
        links=_listed(links, original.dropped_links),
        kind=original.kind,
        instrumentation_info=getattr(original, "_instrumentation_info", None),
        status=status,
        start_time=original.start_time,
        end_time=original.end_time,
        instrumentation_scope=scope,
    )


def log(
    original: ReadableLogRecord,
    editor: Editor,
    resource: Resource,
    scope: InstrumentationScope | None,
) -> ReadableLogRecord:
    """Return a copy of ``original`` that holds what ``editor`` let pass, and the tally of it.

    The exception object that newer SDKs keep on a record is left out: it cannot be redacted, and
    its type, message and stack trace are attributes already.
    """
    before = original.log_record
    record = copy.copy(before)
    record.body = editor.value(before.body, "body")
    record.event_name = before.event_name and editor.text(before.event_name, "event")
    record.severity_text = before.severity_text and editor.text(before.severity_text, "body")
    passed = editor.attributes(before.attributes or {}, "attribute")
    record.attributes = _bounded(editor.tally.onto(passed), original.dropped_attributes)
    if hasattr(record, "exception"):
        record.exception = None
    return replace(original, log_record=record, resource=resource, instrumentation_scope=scope)


def event(original: Event, editor: Editor) -> Event:
    """Return a copy of a span event."""
    return Event(
        editor.text(original.name, "event"),
        attributes(original.attributes, editor, "event"),
        original.timestamp,
    )


def context(original: SpanContext, editor: Editor) -> SpanContext:
    """Return the span context with its ids, and with what may pass of its trace state."""
    if not original.trace_state:
        return original
    state = {  # upper case is no name there
        name.lower(): value
        for name, value in editor.attributes(original.trace_state, "trace_state").items()
    }
    return SpanContext(
        original.trace_id,
        original.span_id,
        original.is_remote,
        original.trace_flags,
        TraceState(list(state.items())),
    )


def resource(original: Resource, editor: Editor) -> Resource:
    """Return a copy of a resource."""
    return Resource(
        editor.attributes(original.attributes, "resource"),
        original.schema_url and editor.text(original.schema_url, "resource"),
    )


def scope(original: InstrumentationScope, editor: Editor) -> InstrumentationScope:
    """Return a copy of an instrumentation scope."""
    return InstrumentationScope(
        editor.text(original.name, "scope"),
        original.version and editor.text(original.version, "scope"),
        original.schema_url and editor.text(original.schema_url, "scope"),
        editor.attributes(original.attributes or {}, "scope"),
    )


def attributes(original: Mapping[str, Any] | None, editor: Editor, place: Place) -> Any:
    """Return a copy of attributes that reports as many dropped ones as ``original``."""
    if original is None:
        return None
    return _bounded(editor.attributes(original, place), getattr(original, "dropped", 0))


def _bounded(passed: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    bounded = BoundedAttributes(attributes=passed, extended_attributes=True)
    bounded.dropped += dropped
    return bounded


def _listed(items: Sequence[_T], dropped: int) -> Sequence[_T]:
    listed: Any = BoundedList.from_seq(None, items)
    listed.dropped = dropped
    return cast("Sequence[_T]", listed)


def _status(original: Status, editor: Editor) -> Status:
    if not original.description:
        return original
    return Status(original.status_code, editor.text(original.description, "status"))
