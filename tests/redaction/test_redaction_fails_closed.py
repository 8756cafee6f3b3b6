"""A fault inside redaction drops the value, never the redaction, and never the span."""

from __future__ import annotations

from typing import Any, cast

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from keytrail import faults, semconv
from keytrail.redaction import editor, rebuild, rules, tally, values
from keytrail.redaction.batch import Batch
from keytrail.redaction.editor import Redacting
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.named import NamedValues
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.rules import Secrets
from keytrail.redaction.sample import Sample
from keytrail.redaction.shapes import ShapedValues
from keytrail.redaction.tally import Tally
from keytrail.redaction.values import Index, KnownValues, Moment, Wanted
from redaction.redaction_kit import TRACE
from support.cases import F1, K1

CONTEXT = SpanContext(TRACE, 7, False, trace_state=TraceState([("vendor", K1)]))


class _BrokenError(Exception):
    """What the tests make a step of redaction raise."""


def _broken(*_args: Any, **_options: Any) -> Any:
    raise _BrokenError(K1)


STEPS: dict[str, tuple[object, str]] = {
    "memory": (KeyMemory, "recent"),
    "bound keys": (KeyMemory, "bound"),
    "overflow": (KeyMemory, "overflowed"),
    "index": (KnownValues, "now"),
    "moment": (Moment, "wanted"),
    "sample": (Sample, "add"),
    "join": (Sample, "joined"),
    "pattern": (Pattern, "search"),
    "anchored pattern": (Pattern, "end_at"),
    "batch": (Batch, "_edited"),
    "hint": (Secrets, "hinted"),
    "regions": (Secrets, "regions"),
    "values' hint": (Index, "hinted"),
    "values' regions": (Wanted, "regions"),
    "spellings": (values, "_end"),
    "names' regions": (NamedValues, "regions"),
    "shapes' regions": (ShapedValues, "regions"),
    "merging": (rules, "merged"),
    "replacing": (editor, "replaced"),
    "tally": (Tally, "add_regions"),
    "text": (Redacting, "text"),
    "value": (Redacting, "value"),
    "attributes": (Redacting, "attributes"),
}


@pytest.fixture(params=STEPS)
def broken_step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Break one step of redaction; its faults are counted, as in production."""
    owner, name = STEPS[request.param]
    monkeypatch.setattr(owner, name, _broken)
    faults.reraise = False
    return str(request.param)


def _span() -> ReadableSpan:
    return ReadableSpan(
        name=f"GET {K1}",
        context=CONTEXT,
        parent=CONTEXT,
        resource=Resource({"service.name": K1}),
        attributes={
            "note": f"?api_key={K1}",
            "count": 7,
            "http.request.header.x": (K1,),
            "nested": {"a": K1},
            "bytes": K1.encode(),
            "keytrail.key.hash": F1,
            "keytrail.direction": "incoming",
        },
        events=[Event(K1, {"exception.message": K1}, 5)],
        links=[Link(CONTEXT, {"note": K1})],
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, K1),
        start_time=1,
        end_time=9,
        instrumentation_scope=InstrumentationScope(f"lib {K1}"),
    )


def _shown(span: ReadableSpan) -> str:
    return "\n".join(
        [span.to_json(), repr(span.parent), repr(span.instrumentation_scope), repr(span.links)]
    )


def test_span_survives_without_its_texts(redactor: Redactor, broken_step: str) -> None:
    """Whatever step fails: ids, times, names and numbers pass, no text does, and it is counted."""
    before = sum(faults.counts().values())
    [passed] = redactor.spans([_span()])
    assert K1 not in _shown(passed)
    assert dict(passed.attributes or {}) == {
        "note": "REDACTED",
        "count": 7,
        "http.request.header.x": "REDACTED",
        "nested": "REDACTED",
        "bytes": "REDACTED",
        "keytrail.key.hash": F1,
        "keytrail.direction": "incoming",
        semconv.REDACTIONS: 14,
    }
    assert (passed.name, passed.kind, passed.start_time, passed.end_time) == (
        "REDACTED",
        SpanKind.SERVER,
        1,
        9,
    )
    assert passed.context is not None
    assert (passed.context.trace_id, passed.context.span_id) == (TRACE, 7)
    assert sum(faults.counts().values()) == before + 1


def test_log_survives_without_its_texts(redactor: Redactor, broken_step: str) -> None:
    """A record keeps its place in time and trace, and loses its texts."""
    before = sum(faults.counts().values())
    record = LogRecord(
        timestamp=5, body={"a": [f"?api_key={K1}"]}, attributes={"x": K1, "n": 7}, event_name=K1
    )
    record.trace_id = TRACE
    [passed] = redactor.logs([ReadableLogRecord(record, Resource({"service.name": K1}))])
    assert K1 not in passed.to_json()
    assert (passed.log_record.body, passed.log_record.event_name) == ("REDACTED", "REDACTED")
    assert (passed.log_record.timestamp, passed.log_record.trace_id) == (5, TRACE)
    assert sum(faults.counts().values()) == before + 1


def test_text_and_attributes_fail_closed(redactor: Redactor, broken_step: str) -> None:
    """Text becomes ``REDACTED``; attributes keep their names and numbers."""
    if broken_step not in ("value", "attributes"):
        assert redactor.text(f"?api_key={K1}", TRACE) == "REDACTED"
    assert redactor.attributes({"a": f"?api_key={K1}", "n": 7}, TRACE) == {"a": "REDACTED", "n": 7}


@pytest.mark.parametrize("part", ["span", "event", "context", "attributes", "resource", "scope"])
def test_broken_rebuilding_leaves_a_bare_span(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Where not even a withheld copy can be made, ids, kind, times and status code pass."""
    faults.reraise = False
    monkeypatch.setattr(rebuild, part, _broken)
    [passed] = redactor.spans([_span()])
    assert K1 not in _shown(passed)
    assert (passed.name, passed.kind, passed.status.status_code) == (
        "REDACTED",
        SpanKind.SERVER,
        StatusCode.ERROR,
    )
    assert passed.context is not None
    assert passed.context.trace_id == TRACE


def test_broken_rebuilding_leaves_a_bare_log_record(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even a withheld copy can be made, the record's time, severity and ids pass."""
    faults.reraise = False
    monkeypatch.setattr(rebuild, "log", _broken)
    record = LogRecord(timestamp=5, body=K1, severity_text="ERROR")
    record.trace_id = TRACE
    [passed] = redactor.logs([ReadableLogRecord(record, Resource({"service.name": K1}))])
    assert K1 not in passed.to_json()
    assert (passed.log_record.timestamp, passed.log_record.trace_id) == (5, TRACE)


def test_body_too_deep_to_walk_is_withheld(redactor: Redactor) -> None:
    """A body that is nested without end is dropped as a whole."""
    faults.reraise = False
    body: Any = K1
    for _ in range(100_000):
        body = [body]
    [passed] = redactor.logs([ReadableLogRecord(LogRecord(body=body), Resource({}))])
    assert passed.log_record.body == "REDACTED"


def test_fault_in_one_span_spares_the_others(redactor: Redactor) -> None:
    """Only the span that could not be redacted loses its texts."""
    faults.reraise = False

    class Hostile:
        def __str__(self) -> str:
            raise _BrokenError(K1)

    clean = ReadableSpan("clean", SpanContext(TRACE, 8, False))
    hostile = ReadableSpan(
        "hostile", SpanContext(TRACE, 9, False), attributes={"x": cast("str", Hostile())}
    )
    passed = redactor.spans([clean, hostile, clean])
    assert [span.name for span in passed] == ["clean", "REDACTED", "clean"]
    assert passed[0] is clean


def test_broken_metric_spares_the_redacted_span(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter that raises is counted as a fault; the span is redacted as ever."""
    faults.reraise = False
    monkeypatch.setattr(tally, "_counter", None)
    before = faults.counts().get("redaction.metric", 0)
    assert redactor.text(f"see {K1}") == "see REDACTED"
    assert faults.counts()["redaction.metric"] == before + 1


def test_redactions_are_counted_on_a_metric(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metric tells how many values were redacted, by place and rule, and nothing else."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("keytrail")
    monkeypatch.setattr(tally, "_counter", meter.create_counter(semconv.METRIC_REDACTIONS))
    redactor.spans([_span()])
    redactor.text("?api_key=unknown-to-memory")
    data = reader.get_metrics_data()
    assert data is not None
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    counted: dict[tuple[Any, ...], Any] = {
        (point.attributes["place"], point.attributes["rule"]): point.value  # type: ignore[index, union-attr]
        for point in points
    }
    assert counted == {
        ("name", "value"): 1,
        ("attribute", "value"): 4,
        ("event", "value"): 2,
        ("status", "value"): 1,
        ("link", "value"): 1,
        ("trace_state", "value"): 3,
        ("resource", "value"): 1,
        ("scope", "value"): 1,
        ("text", "name"): 1,
    }
