from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
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

from journal.journal_kit import RESOURCE, columns_of, make_span
from keytrail.journal.codec import (
    MAX_LINE_BYTES,
    Columns,
    decode,
    encode,
    normalise,
)
from keytrail.journal.columns import COLUMNS, OF_ATTRIBUTE
from keytrail.journal.records import Origin, encode_record, origin_content, read_origin

TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
"""Any code point: NUL, newlines, lone surrogates, non-characters."""
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400])
    | st.floats()
    | TEXT
    | st.binary(max_size=8)
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(TEXT | st.sampled_from(list(OF_ATTRIBUTE)), VALUE, max_size=6)
COLUMN_VALUES = st.fixed_dictionaries(
    {},
    optional={"method": VALUE, "host": VALUE, "error": VALUE, "reason": VALUE, "provider": VALUE}
    | {"key": TEXT, "path": TEXT, "findings": st.lists(TEXT, max_size=2).map(tuple)}
    | {"sampled": st.booleans() | VALUE, "duration": st.floats() | VALUE}
    | {"status": st.integers() | VALUE, "owner": VALUE},
)
TIME = st.integers(0, 2**63 - 1)
COUNT = st.sampled_from([0, 0, 3])
TRACE_STATE = st.sampled_from([[], [("vendor", "a b c"), ("t@v", "!~")]]).map(TraceState)
CONTEXT = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    TRACE_STATE,
)


def counted(attributes: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    bounded = BoundedAttributes(attributes=attributes)
    bounded.dropped = dropped
    return bounded


def listed(items: Sequence[Any], dropped: int) -> Sequence[Any]:
    bounded = BoundedList.from_seq(None, items)
    bounded.dropped = dropped
    return bounded


BOUNDED = st.builds(counted, ATTRIBUTES, COUNT)
SPAN = st.builds(
    ReadableSpan,
    name=TEXT,
    context=CONTEXT,
    parent=st.none() | CONTEXT,
    resource=st.just(RESOURCE),
    attributes=ATTRIBUTES | BOUNDED,
    events=st.builds(
        listed, st.lists(st.builds(Event, TEXT, ATTRIBUTES | BOUNDED, TIME), max_size=2), COUNT
    ),
    links=st.builds(
        listed, st.lists(st.builds(Link, CONTEXT, ATTRIBUTES | BOUNDED), max_size=2), COUNT
    ),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK)])
    | st.builds(Status, st.just(StatusCode.ERROR), st.none() | TEXT),
    start_time=TIME,
    end_time=st.none() | TIME,
    instrumentation_scope=st.none()
    | st.builds(InstrumentationScope, TEXT, st.none() | TEXT, st.none() | TEXT, ATTRIBUTES),
)


ORIGIN = Origin(RESOURCE, None)


def origin_of(span: ReadableSpan) -> Origin:
    """What the segment's origin record gives back for ``span``."""
    origin = Origin(span.resource, span.instrumentation_scope)
    return read_origin(json.loads(encode_record("origin", 1, **origin_content(origin))))


def otlp(span: ReadableSpan) -> bytes:
    """What the official encoder sends for ``span``."""
    return bytes(encode_spans([span]).SerializeToString(deterministic=True))


@given(SPAN, COLUMN_VALUES)
@settings(max_examples=200, deadline=None)
def test_a_hostile_span_comes_back_equal(span: ReadableSpan, columns: Columns) -> None:
    """Whatever an application puts into a span, line and back gives the same OTLP bytes."""
    line = encode(span, columns, "o")
    assert line.count(b"\n") == 1
    assert otlp(decode(json.loads(line), origin_of(span))) == otlp(normalise(span, columns))


@given(st.lists(st.tuples(SPAN, COLUMN_VALUES), min_size=1, max_size=20))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_hostile_spans_come_back_equal_through_duckdb(
    tmp_path: Path, spans: list[tuple[ReadableSpan, Columns]]
) -> None:
    """DuckDB reads every line with typed columns, and what it reads is still the same span."""
    segment = tmp_path / "hostile.ndjson"
    segment.write_bytes(b"".join(encode(span, columns, "r") for span, columns in spans))
    lines = lines_through_duckdb(segment)
    read = [decode(line, origin_of(span)) for line, (span, _) in zip(lines, spans, strict=True)]
    assert [otlp(span) for span in read] == [otlp(normalise(*pair)) for pair in spans]


def lines_through_duckdb(segment: Path) -> list[dict[str, Any]]:
    types = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
    columns = {
        name: {"texts": "VARCHAR[]", "json": "JSON"}.get(kind) or types[kind]
        for name, kind in COLUMNS.items()
    }
    query = "SELECT * FROM read_json(?, format='newline_delimited', columns=$columns)".replace(
        "$columns", str(columns)
    )
    rows = duckdb.connect().execute(query, [str(segment)]).fetchall()
    return [
        {
            name: json.loads(value) if kind == "json" else value
            for (name, kind), value in zip(COLUMNS.items(), row, strict=True)
            if value is not None
        }
        for row in rows
    ]


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        ("plain\n\x00é\u2028", "plain\n\x00é\u2028"),
        ("half \ud83d", "half \\ud83d"),
        (2**63, "keytrail:int:0x8000000000000000"),
        (float("nan"), "keytrail:float:nan"),
        (float("-inf"), "keytrail:float:-inf"),
        (-0.0, -0.0),
        (b"\x00\xff", "keytrail:bytes:AP8="),
        (None, "keytrail:none"),
        ([], ()),
        (["a", None, 1], ("a", "keytrail:none", 1)),
        ({"a": [1]}, 'keytrail:json:{"a":[1]}'),
        ([[1, b"x"]], ('keytrail:json:[1,"keytrail:bytes:eA=="]',)),
        (object(), "keytrail:object:object"),
    ],
)
def test_what_cannot_be_carried_stands_as_marked_text(value: Any, carried: object) -> None:
    """The journal says what a value was that JSON, DuckDB or OTLP has no form for."""
    span = make_span(1, attributes={"it": value})
    line = json.loads(encode(span, {}, "r"))
    attributes = decode(line, ORIGIN).attributes
    assert attributes == {"keytrail.use.time": span.start_time, "it": carried}


def test_an_ordinary_span_is_not_changed() -> None:
    """Normalising a span of plain values changes not a byte of what is sent."""
    span = make_span(
        1,
        attributes={"keytrail.use.time": make_span(1).start_time, "a": "b", "n": 1, "l": (1, 2)},
        parent=SpanContext(2, 3, True, TraceFlags(1)),
        events=[Event("e", {"x": 1.5}, 7)],
        links=[Link(SpanContext(4, 5, True), {"y": True})],
        status=Status(StatusCode.ERROR, "why"),
        instrumentation_scope=InstrumentationScope("scope", "1", "https://schema", {"s": "t"}),
    )
    assert otlp(normalise(span)) == otlp(span)


def test_a_line_reads_as_documented() -> None:
    """The fields of a line are those that its readers were promised."""
    line = json.loads(encode(make_span(6), {**columns_of(), "time": 0}, "r"))
    assert line == {
        "key": "f" * 64,
        "direction": "incoming",
        "outcome": "success",
        "sampled": False,
        "time": 1_780_000_000_000_000_006,
        "trace_id": "00000000000000000000000000000007",
        "span_id": "0000000000000007",
        "attributes": {"keytrail.schema_version": "1.0", "number": 6},
        "span": {
            "name": "GET /v1/orders",
            "kind": "SERVER",
            "end": 1_780_000_000_000_001_006,
            "flags": 0,
            "origin": "r",
        },
    }


def test_a_column_wins_over_its_attribute() -> None:
    """An attribute that the SDK's limits cut, or a caller forged, is not what is delivered."""
    span = make_span(1, attributes={"keytrail.key.hash": "ff", "keytrail.outcome": "kept"})
    line = json.loads(encode(span, {"key": "f" * 64}, "r"))
    assert line["attributes"] == {"keytrail.outcome": "kept"}
    assert decode(line, ORIGIN).attributes == {
        "keytrail.key.hash": "f" * 64,
        "keytrail.outcome": "kept",
        "keytrail.use.time": span.start_time,
    }


def test_a_column_of_the_wrong_type_stays_an_attribute() -> None:
    """What an application sets to another type does not spoil the column for its readers."""
    span = make_span(1, attributes={"http.response.status_code": "200", "url.path": b"/p"})
    line = json.loads(encode(span, {"status": "200", "path": b"/p", "findings": [1]}, "r"))  # type: ignore[dict-item]
    assert {"status", "path", "findings"}.isdisjoint(line)
    assert line["attributes"] == {
        "http.response.status_code": "200",
        "url.path": "keytrail:bytes:L3A=",
    }


def test_a_huge_span_is_shortened_and_says_so() -> None:
    """A span beyond the longest line keeps columns and short attributes and counts the rest."""
    span = make_span(
        1,
        attributes={"short": "kept", "long": "x" * 2 * MAX_LINE_BYTES},
        events=[Event("e", {}, 1)] * 3,
    )
    line = encode(span, {"key": "f" * 64}, "r")
    back = decode(json.loads(line), ORIGIN)
    assert len(line) < MAX_LINE_BYTES
    assert dict(back.attributes or {}) == {
        "keytrail.key.hash": "f" * 64,
        "keytrail.use.time": span.start_time,
        "short": "kept",
    }
    assert (back.dropped_attributes, back.dropped_events, back.dropped_links) == (1, 3, 0)


def test_a_span_without_a_context_is_refused() -> None:
    """A span that cannot be found again is an error of the caller."""
    with pytest.raises(ValueError, match="without a context"):
        encode(make_span(1, context=None), {}, "r")


def test_an_origin_comes_back_equal() -> None:
    """The origin record says all that resource and scope said, under an id of its content."""
    scope = InstrumentationScope("flask", None, "https://scope", {"a": (1, 2)})
    resource = Resource({"service.name": "x", "ports": [1, 2]}, "https://schema")
    line = json.loads(encode_record("origin", 5, **origin_content(Origin(resource, scope))))
    assert read_origin(line) == Origin(resource, scope)
    same = Resource({"service.name": "x", "ports": (1, 2)}, "https://schema")
    assert line["origin"] == origin_content(Origin(same, scope))["origin"]
    assert line["origin"] != origin_content(Origin(resource, None))["origin"]


def test_what_a_column_says_is_not_said_twice() -> None:
    """Attributes of the older convention that echo a column cost a bit, and come back."""
    attributes = {
        "http.method": "GET",
        "http.status_code": 200,
        "http.user_agent": "curl",
        "http.target": "/a?page=2",
    }
    span = make_span(1, attributes=attributes)
    columns: Columns = {"method": "GET", "status": 200, "user_agent": "curl", "path": "/a"}
    line = json.loads(encode(span, columns, "o"))
    assert line["attributes"] == {"http.target": "/a?page=2"}
    back = dict(decode(line, ORIGIN).attributes or {})
    assert {name: back[name] for name in attributes} == attributes
