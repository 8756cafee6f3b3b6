"""Every place on a span, and everything else about it unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
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

from keytrail import faults, semconv
from keytrail.capture.key import RawKey
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import FORMS, TRACE, RedactingExporter, leaks, provider_for, remember
from support.cases import F1, F2, K1, K2, K3

CONTEXT = SpanContext(TRACE, 0x00F067AA0BA902B7, False, TraceFlags(1), TraceState([("a", "b")]))
OTHER = SpanContext(TRACE + 1, 7, True)


def _span(**parts: Any) -> ReadableSpan:
    defaults: dict[str, Any] = {
        "name": "GET /items",
        "context": CONTEXT,
        "resource": Resource({}),
    }
    return ReadableSpan(**(defaults | parts))


def _in_trace_state(text: str) -> SpanContext:
    return SpanContext(TRACE, 7, False, TraceFlags(1), TraceState([("vendor", text)]))


PLACES: dict[str, Callable[[str], ReadableSpan]] = {
    "name": lambda text: _span(name=text),
    "attribute": lambda text: _span(attributes={"note": text}),
    "sequence": lambda text: _span(attributes={"note": ("first", text, "last")}),
    "mapping": lambda text: _span(attributes={"note": {"inner": [{"deep": text}]}}),
    "bytes": lambda text: _span(attributes={"note": text.encode()}),
    "event name": lambda text: _span(events=[Event(text)]),
    "event attribute": lambda text: _span(events=[Event("log", {"note": text})]),
    "exception": lambda text: _span(
        events=[
            Event("exception", {"exception.message": text, "exception.stacktrace": f"at\n{text}"})
        ]
    ),
    "status": lambda text: _span(status=Status(StatusCode.ERROR, text)),
    "link": lambda text: _span(links=[Link(OTHER, {"note": text})]),
    "resource": lambda text: _span(resource=Resource({"note": text})),
    "scope": lambda text: _span(instrumentation_scope=InstrumentationScope(f"lib {text}")),
    "scope attribute": lambda text: _span(
        instrumentation_scope=InstrumentationScope("lib", "1", None, {"note": text})
    ),
}
STATE_PLACES: dict[str, Callable[[str], ReadableSpan]] = {
    "own trace state": lambda text: _span(context=_in_trace_state(text)),
    "parent's trace state": lambda text: _span(parent=_in_trace_state(text)),
    "link's trace state": lambda text: _span(links=[Link(_in_trace_state(text))]),
}


def _everything(span: ReadableSpan) -> bytes:
    """Return all that an exporter can read of a span, as text."""
    states = [span.context, span.parent, *(link.context for link in span.links)]
    scope = span.instrumentation_scope
    return repr(
        [
            span.name,
            span.attributes,
            span.status.description,
            [(event.name, event.attributes) for event in span.events],
            [link.attributes for link in span.links],
            [state.trace_state for state in states if state is not None],
            span.resource.attributes,
            None if scope is None else (scope.name, scope.attributes),
        ]
    ).encode()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_every_place_in_every_spelling(redactor: Redactor, place: str, form: str) -> None:
    """No place of a span passes a known key, however it is spelled."""
    for key in (K1, K3):
        [passed] = redactor.spans([PLACES[place](f"see {FORMS[form](key)}.")])
        assert leaks(_everything(passed), key) == []
        assert b"REDACTED" in _everything(passed)


@pytest.mark.parametrize("place", STATE_PLACES)
def test_trace_state(redactor: Redactor, place: str) -> None:
    """Trace state is redacted wherever a span carries one; the ids stay."""
    before = STATE_PLACES[place](f"a-{K1}")
    [passed] = redactor.spans([before])
    assert leaks(_everything(passed), K1) == []
    assert b"a-REDACTED" in _everything(passed)
    contexts = [
        (one.trace_id, one.span_id, one.is_remote, one.trace_flags)
        for span in (before, passed)
        for one in (span.context, span.parent, *(link.context for link in span.links))
        if one is not None
    ]
    assert contexts[: len(contexts) // 2] == contexts[len(contexts) // 2 :]


@pytest.mark.parametrize("place", [place for place in PLACES if place != "bytes"])
def test_every_place_by_name(by_name: Redactor, place: str) -> None:
    """An unknown key after a secret name is redacted in every place."""
    [passed] = by_name.spans([PLACES[place](f"http://h/p?color=blue&api_key={K1}")])
    assert b"http://h/p?color=blue&api_key=REDACTED" in _everything(passed)
    assert leaks(_everything(passed), K1) == []


def test_clean_span_is_the_same_object(redactor: Redactor) -> None:
    """Nothing is copied where nothing is secret, also beside a span that is not clean."""
    clean = _span(attributes={"http.route": "/items", "http.request.header.accept": ("*/*",)})
    dirty = _span(name=K1)
    passed = redactor.spans([clean, dirty, clean])
    assert [span is clean for span in passed] == [True, False, True]


def test_redacted_span_is_redacted_already(redactor: Redactor) -> None:
    """A second pass returns the very same object."""
    once = redactor.spans([_span(name=f"?api_key={K1}", attributes={"api_key": K1})])
    assert redactor.spans(once)[0] is once[0]


def test_original_is_not_touched(redactor: Redactor) -> None:
    """Other holders of the span keep what they have."""
    span = PLACES["exception"](K1)
    before = span.to_json()
    redactor.spans([span])
    assert span.to_json() == before


def test_whole_span(redactor: Redactor) -> None:
    """All that is not secret arrives as it was; the span says what was redacted."""
    parent = SpanContext(TRACE, 99, True)
    span = ReadableSpan(
        name=f"GET /{K1}",
        context=CONTEXT,
        parent=parent,
        resource=Resource({"service.name": "shop"}, "https://schema/1"),
        attributes={
            "count": 7,
            "ratio": 0.5,
            "on": True,
            "http.request.header.x_api_key": (K1, K2),
            "keytrail.key.hash": F1,
        },
        events=[Event("paid", {"with": K2}, timestamp=5)],
        links=[Link(OTHER, {"why": "retry"})],
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, f"denied {K1}"),
        start_time=1,
        end_time=9,
        instrumentation_scope=InstrumentationScope("lib", "1", "https://schema/2", {"a": 1}),
    )
    [passed] = redactor.spans([span])
    assert passed.name == "GET /REDACTED"
    assert dict(passed.attributes or {}) == {
        "count": 7,
        "ratio": 0.5,
        "on": True,
        "http.request.header.x_api_key": ("REDACTED", "REDACTED"),
        "keytrail.key.hash": F1,
        semconv.REDACTIONS: 5,
        semconv.REDACTED_HASHES: (F1, F2),
    }
    assert [(e.name, dict(e.attributes or {}), e.timestamp) for e in passed.events] == [
        ("paid", {"with": "REDACTED"}, 5)
    ]
    assert [(link.context, dict(link.attributes or {})) for link in passed.links] == [
        (OTHER, {"why": "retry"})
    ]
    assert (passed.status.status_code, passed.status.description) == (
        StatusCode.ERROR,
        "denied REDACTED",
    )
    unchanged = ("context", "parent", "kind", "start_time", "end_time", "resource")
    assert [getattr(passed, name) for name in unchanged] == [
        getattr(span, name) for name in unchanged
    ]
    assert passed.instrumentation_scope is span.instrumentation_scope


def test_dropped_counts_survive(redactor: Redactor) -> None:
    """What the SDK's limits dropped is reported by the redacted span as by the original."""
    exporter = RedactingExporter(redactor)
    limits = SpanLimits(
        max_span_attributes=2,
        max_events=1,
        max_links=1,
        max_event_attributes=1,
    )
    tracer = provider_for(exporter, span_limits=limits).get_tracer("shop")
    three = {"a": "1", "b": "2", "c": f"key {K1}"}
    with tracer.start_as_current_span("x", attributes=three, links=[Link(OTHER)] * 3) as span:
        for _ in range(4):
            span.add_event("e", three)
    [passed] = exporter.spans()
    assert (
        passed.dropped_attributes_count,
        passed.dropped_events_count,
        passed.dropped_links_count,
        passed.events[0].dropped_attributes_count,
    ) == (1, 3, 2, 2)
    assert {attribute.key for attribute in passed.attributes} == {
        "b",
        "c",
        semconv.REDACTIONS,
        semconv.REDACTED_HASHES,
    }


def test_dropped_attributes_of_links_survive(redactor: Redactor) -> None:
    """A redacted link reports what its original had dropped."""
    limited = BoundedAttributes(1, {"a": "1", "b": K1})
    [passed] = redactor.spans([_span(links=[Link(OTHER, limited)])])
    [link] = passed.links
    assert (dict(link.attributes or {}), link.dropped_attributes) == ({"b": "REDACTED"}, 1)


def test_redactions_add_up_over_two_passes(redactor: Redactor) -> None:
    """A later redactor that knows more adds to what an earlier one counted."""
    memory = KeyMemory()
    remember(memory, "first-4c1e07-unknown")
    [once] = redactor.spans([_span(attributes={"a": K1, "b": "first-4c1e07-unknown"})])
    [twice] = Redactor(SensitiveNames(), memory).spans([once])
    assert dict(twice.attributes or {}) == {
        "a": "REDACTED",
        "b": "REDACTED",
        semconv.REDACTIONS: 2,
        semconv.REDACTED_HASHES: (F1,),
    }


def test_at_most_four_fingerprints() -> None:
    """A span names at most four of the keys that were redacted in it."""
    memory = KeyMemory()
    redactor = Redactor(SensitiveNames(), memory)
    for number in range(6):
        memory.remember(RawKey(f"kt_live_{number:08d}".encode()), f"{number:064x}")
    [passed] = redactor.spans([_span(attributes={"a": [f"kt_live_{n:08d}" for n in range(6)]})])
    attributes = dict(passed.attributes or {})
    assert attributes[semconv.REDACTIONS] == 6
    assert attributes[semconv.REDACTED_HASHES] == tuple(f"{n:064x}" for n in range(4))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keytrail.key.hash", K1),
        ("keytrail.key.hash", F1.upper()),
        ("keytrail.key.hash", F1 + "\n"),
        ("keytrail.key.previous_hash", ""),
        ("keytrail.key.other_hashes", (F1, K1)),
        ("keytrail.redacted_hashes", (K1,)),
        ("keytrail.redacted_hashes", F1),
        ("keytrail.key.hash", (F1,)),
    ],
)
def test_what_is_no_fingerprint_is_removed_and_counted(
    redactor: Redactor, name: str, value: object
) -> None:
    """Case A16: a raw key where a hash belongs never passes, and the fault is counted."""
    faults.reraise = False
    before = faults.counts().get("redaction.hash", 0)
    [passed] = redactor.spans([_span(attributes={"a": "b", name: value})])
    assert dict(passed.attributes or {}) == {"a": "b", semconv.REDACTIONS: 1}
    assert faults.counts()["redaction.hash"] == before + 1


def test_fingerprints_are_never_touched() -> None:
    """A key that is spelled like a fingerprint does not redact fingerprints."""
    memory = KeyMemory()
    remember(memory, F1)
    attributes = {
        "keytrail.key.hash": F1,
        "keytrail.key.previous_hash": F1,
        "keytrail.key.other_hashes": (F1, F2),
        "keytrail.redacted_hashes": (F2,),
    }
    span = _span(attributes=attributes)
    assert Redactor(SensitiveNames(), memory).spans([span])[0] is span


def test_overflowed_trace_drops_its_free_text() -> None:
    """Where not all keys of a trace could be kept, only structure passes."""
    memory = KeyMemory(per_trace=1)
    memory.bind(TRACE, remember(memory, K1, K2))
    attributes = {
        "http.request.method": "GET",
        "http.response.status_code": 401,
        "url.path": "/somewhere",
        "keytrail.key.hash": F1,
        "keytrail.direction": "incoming",
        "keytrail.outcome_message": "free",
        "error.type": K1,
    }
    span = _span(
        attributes=attributes,
        events=[Event("free", {"exception.type": "E", "exception.message": "m"})],
        status=Status(StatusCode.ERROR, "free"),
        resource=Resource({"service.name": "shop"}),
    )
    other = _span(context=OTHER, attributes={"url.path": "/somewhere"})
    passed, untouched = Redactor(SensitiveNames(), memory).spans([span, other])
    assert untouched is other
    assert dict(passed.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 401,
        "url.path": "REDACTED",
        "keytrail.key.hash": F1,
        "keytrail.direction": "incoming",
        "keytrail.outcome_message": "REDACTED",
        "error.type": "REDACTED",
        semconv.REDACTIONS: 8,
        semconv.REDACTED_HASHES: (F1,),
    }
    [event] = passed.events
    assert (event.name, dict(event.attributes or {})) == (
        "REDACTED",
        {"exception.type": "E", "exception.message": "REDACTED"},
    )
    assert (passed.name, passed.status.description) == ("REDACTED", "REDACTED")
    assert passed.context is not None
    assert passed.context.trace_state.to_header() == "a=REDACTED"
    assert passed.resource is span.resource


def test_clean_resource_and_scope_are_looked_at_again_when_a_key_comes() -> None:
    """What many batches have in common is searched once for each set of known keys, not once."""
    memory = KeyMemory()
    key = "aQxRtBnMkLpZ"
    redactor = Redactor(SensitiveNames(), memory)
    span = _span(
        resource=Resource({"note": key}),
        instrumentation_scope=InstrumentationScope("shop", "1", attributes={"note": key}),
    )
    for _ in range(2):
        assert redactor.spans([span]) == [span]
    remember(memory, key)
    [passed] = redactor.spans([span])
    assert passed.instrumentation_scope is not None
    assert dict(passed.resource.attributes) == {"note": "REDACTED"}
    assert dict(passed.instrumentation_scope.attributes or {}) == {"note": "REDACTED"}
