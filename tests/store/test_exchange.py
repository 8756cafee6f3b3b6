from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
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

from journal.journal_kit import make_span, open_journal
from keytrail.journal.codec import Columns, encode, normalise
from keytrail.journal.records import Origin, encode_record, origin_content
from keytrail.store import exporting, otlp_json
from keytrail.store.errors import StoreError
from keytrail.store.importing import Imported, import_files
from keytrail.store.sealing import seal
from keytrail.store.store import Store
from store.sealing_kit import SIGNER, rows_of
from store.segment_kit import use, write
from support.cases import K1

HOSTILE: dict[str, Any] = {
    "keytrail.schema_version": "1.0",
    "keytrail.key.hash": "f" * 64,
    "keytrail.findings": ("weak", "key_in_url"),
    "text": "\x00\x1b[31m\u202e'\"\\ \udc80",
    "formula": '=HYPERLINK("http://evil")',
    "long": "x" * 300_000,
    "whole": 2**63 - 1,
    "huge": 2**80,
    "part": 0.1,
    "none": float("nan"),
    "bytes": b"\xff",
    "many": (1, -(2**63)),
    "mixed": ("a", "b"),
    "flag": True,
    "empty": "",
    "nested": {"a": [1]},
}


def _span(number: int = 7, **parts: Any) -> ReadableSpan:
    """A span that has everything."""
    context = SpanContext(number, number, False, TraceFlags(1), TraceState([("a", "b")]))
    defaults: dict[str, Any] = {
        "context": context,
        "parent": SpanContext(number, 9, True),
        "attributes": HOSTILE,
        "kind": SpanKind.CLIENT,
        "status": Status(StatusCode.ERROR, "\u2066went wrong"),
        "events": [
            Event("exception", {"exception.type": "E", "end": 3}, 1_780_000_000_000_000_001)
        ],
        "links": [Link(SpanContext(1, 2, True, TraceFlags(1)), {"a": 1})],
        "instrumentation_scope": InstrumentationScope("scope", "1", "https://s", {"x": 1}),
        "resource": Resource({"service.name": "orders", "host": "\u202eh"}, "https://r"),
    }
    return make_span(number, **(defaults | parts))


def _journal(home: Path, *spans: ReadableSpan, columns: Any = None) -> None:
    lines = []
    for span in spans:
        content = origin_content(Origin(span.resource, span.instrumentation_scope))
        lines.append(encode_record("origin", 1, **content))
        lines.append(encode(span, columns or {}, content["origin"]))
    write(home, *lines)


def _exported(home: Path) -> list[ReadableSpan | None]:
    with closing(Store(home)) as store:
        return list(exporting.spans(store, "true", []))


def _told(span: ReadableSpan | None) -> Any:
    """Everything of a span, to be compared: flags of links are no part of OTLP here."""
    assert span is not None
    return {
        **json.loads(span.to_json()),
        "links": [(link.context.trace_id, dict(link.attributes or {})) for link in span.links],
        "attributes": dict(span.attributes or {}),
        "times": (span.start_time, span.end_time, span.dropped_attributes),
        "parent": span.parent,
        "context": (span.context, dict(span.context.trace_state)),
        "resource": span.resource,
        "scope": span.instrumentation_scope,
    }


def test_a_sealed_span_is_the_span_that_was(home: Path) -> None:
    """Span, line, Parquet, line, span: equal in everything, hostile values too."""
    columns: Columns = {"key": "f" * 64, "findings": ("weak", "key_in_url")}
    spans = [_span(), _span(8, parent=None, links=[], events=[], status=Status(), attributes={})]
    _journal(home, *spans, columns=columns)
    seal(home, SIGNER)
    assert [_told(span) for span in _exported(home)] == [
        _told(normalise(span, columns)) for span in spans
    ]


def test_a_span_with_counts_of_what_was_dropped(home: Path) -> None:
    """The SDK's limits are told after sealing, too."""
    line = json.loads(encode(_span(), {}, "x"))
    line["span"]["dropped"] = [4, 5, 6]
    write(home, line)
    seal(home, SIGNER)
    (span,) = _exported(home)
    assert span is not None
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (4, 5, 6)


def test_otlp_json_is_what_the_protocol_says() -> None:
    """Hex ids, integers as texts, numbers for kinds; and protobuf's own reader takes it."""
    message = json.loads(otlp_json.to_json([normalise(_span())]))
    ((span,),) = [scope["spans"] for one in message["resourceSpans"] for scope in one["scopeSpans"]]
    assert (span["traceId"], span["spanId"]) == (f"{7:032x}", f"{7:016x}")
    assert (span["parentSpanId"], span["kind"]) == (f"{9:016x}", 3)
    assert span["links"][0]["traceId"] == f"{1:032x}"
    attributes = {one["key"]: one["value"] for one in span["attributes"]}
    assert attributes["whole"] == {"intValue": str(2**63 - 1)}
    json_format.ParseDict(message, TracesData())


def test_what_is_exported_can_be_imported(home: Path, tmp_path: Path) -> None:
    """Into another store, where it is equal but for the sampled flag, which OTLP does not carry."""
    _journal(home, _span(), columns={"key": "f" * 64})
    file = tmp_path / "uses.jsonl"
    file.write_text(otlp_json.to_json([span for span in _exported(home) if span]) + "\n")
    other = tmp_path / "other"
    assert import_files(other, SIGNER, [file]) == Imported(spans=1, uses=1)
    (before,), (after,) = _exported(home), _exported(other)
    assert before is not None
    assert after is not None
    assert dict(after.attributes or {}) == dict(before.attributes or {})
    assert (after.resource, after.instrumentation_scope) == (
        before.resource,
        before.instrumentation_scope,
    )
    assert (after.name, after.kind, after.parent) == (before.name, before.kind, before.parent)
    assert (after.status.status_code, after.status.description, after.events[0].name) == (
        before.status.status_code,
        before.status.description,
        before.events[0].name,
    )
    columns = "key, findings, service, trace_id, span_id, parent_span_id"
    assert rows_of(other, columns) == [
        ("f" * 64, ["weak", "key_in_url"], "orders", f"{7:032x}", f"{7:016x}", f"{9:016x}")
    ]


def _line(*spans: dict[str, Any]) -> str:
    scope = {"scope": {"name": "s"}, "spans": list(spans)}
    name = {"key": "service.name", "value": {"stringValue": "shop"}}
    return json.dumps(
        {"resourceSpans": [{"resource": {"attributes": [name]}, "scopeSpans": [scope]}]}
    )


def _foreign(number: int, **attributes: Any) -> dict[str, Any]:
    return {
        "traceId": f"{number:032X}",
        "spanId": f"{number:016X}",
        "name": "GET",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": "1780000000000000000",
        "endTimeUnixNano": 1780000000500000000,
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }


def _use(number: int) -> dict[str, Any]:
    return _foreign(
        number,
        **{
            "keytrail.schema_version": {"stringValue": "1.0"},
            "keytrail.key.hash": {"stringValue": "a" * 64},
            "keytrail.outcome": {"stringValue": "denied"},
            "http.method": {"stringValue": "GET"},
            "http.status_code": {"intValue": "401"},
            "http.target": {"stringValue": "/a?page=2"},
        },
    )


def test_files_of_others_are_read_and_what_is_no_use_is_counted(home: Path, tmp_path: Path) -> None:
    """Spans of others, lines of others, duplicates, a blank line and half a line at the end."""
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(
        f"{_line(_use(1), _use(2), _foreign(3))}\n\n{_line(_use(1))}\nnonsense\n"
        '{"resourceMetrics":[]}\n' + _line(_use(4))[:-9]
    )
    second.write_text(_line(_use(2), _use(5)))
    assert import_files(home, SIGNER, [first, second]) == Imported(
        spans=6, uses=3, duplicates=2, foreign=1, bad=2, torn=1
    )
    assert (
        rows_of(home, "key, outcome, method, status, path, service, duration")
        == [("a" * 64, "denied", "GET", 401, "/a", "shop", 0.5)] * 3
    )


def test_a_file_that_is_imported_again_changes_nothing(home: Path, tmp_path: Path) -> None:
    """Every use stays once."""
    file = tmp_path / "a.jsonl"
    file.write_text(_line(_use(1), _use(2)) + "\n")
    import_files(home, SIGNER, [file])
    before = rows_of(home)
    assert import_files(home, SIGNER, [file]) == Imported(spans=2, duplicates=2)
    assert rows_of(home) == before


def test_a_use_that_has_ended_is_not_made_to_run_again(home: Path, tmp_path: Path) -> None:
    """Whatever the order of files, and however often they are imported, its end is what stays."""
    running, ended = _use(1), _use(1)
    told = {one["key"]: one["value"] for one in running["attributes"]}
    told["keytrail.outcome"]["stringValue"] = "unknown"
    early, late = tmp_path / "early.jsonl", tmp_path / "late.jsonl"
    early.write_text(_line(running, _use(2)) + "\n")
    late.write_text(_line(ended, _use(3)) + "\n")
    found = []
    for files in ([early], [late], [early], [late, early], [early, late]):
        import_files(home, SIGNER, files)
        found.append(rows_of(home, "outcome"))
    assert found == [
        [("unknown",), ("denied",)],
        *([[("denied",)] * 3] * 4),
    ]


def test_what_is_no_span_costs_itself_alone(home: Path, tmp_path: Path) -> None:
    """A batch holds the spans of everybody: those that cannot be read take no other with them."""
    odd: list[Any] = [
        _use(2) | {"kind": 99},
        _use(3) | {"attributes": [{"key": "a", "value": {"intValue": "many"}}]},
        _use(4) | {"traceId": None},
        "no span",
    ]
    timeless = {name: told for name, told in _foreign(5).items() if "Time" not in name}
    file = tmp_path / "uses.jsonl"
    deep = '{"resourceSpans":' + "[" * 100_000 + "]" * 100_000 + "}"
    file.write_text(_line(_use(1), *odd, timeless) + f"\n{deep}\n" + _line(_use(6)) + "\n")
    assert import_files(home, SIGNER, [file]) == Imported(spans=3, uses=2, foreign=1, bad=5)


@pytest.mark.parametrize("begin", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
def test_a_file_that_is_compressed_is_told(home: Path, tmp_path: Path, begin: bytes) -> None:
    """Rather than that its bytes are counted as bad lines."""
    file = tmp_path / "uses.jsonl.gz"
    file.write_bytes(begin + b"\0\n" * 10)
    with pytest.raises(StoreError, match=r"uses\.jsonl\.gz is compressed\nhint: give files"):
        import_files(home, SIGNER, [file])


def test_a_file_that_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    """What, where, and the next step."""
    with pytest.raises(StoreError, match=r"missing\.jsonl: No such file or directory\nhint: "):
        import_files(home, SIGNER, [tmp_path / "missing.jsonl"])


def test_parquet_has_every_column(home: Path, tmp_path: Path) -> None:
    """Live and sealed uses in one file that anything reads."""
    write(home, use(0))
    seal(home, SIGNER)
    write(home, use(1), name="b.ndjson")
    with closing(Store(home)) as store:
        assert exporting.to_parquet(store, "time > ?", [0], tmp_path / "it's.parquet") == 2
    read = duckdb.connect().execute(
        "SELECT path FROM read_parquet(?)", [str(tmp_path / "*.parquet")]
    )
    assert read.fetchall() == [("/orders/0",), ("/orders/1",)]


def test_what_is_no_span_is_left_out_of_spans_only(home: Path) -> None:
    """Lines that another program wrote are uses, but cannot be made spans."""
    write(home, use(0))
    assert _exported(home) == [None]
    with closing(Store(home)) as store:
        (line,) = exporting.lines(store, "true", [])
    assert line == use(0)


def test_a_segment_that_goes_away_ends_an_export(home: Path) -> None:
    """Rather than that spans lose what they came from."""
    path = write(home, use(0))
    with closing(Store(home)) as store:
        path.unlink()
        with pytest.raises(duckdb.IOException, match="has been delivered or sealed meanwhile"):
            list(exporting.spans(store, "true", []))


def test_a_journal_that_is_written_by_a_service_is_exported(home: Path) -> None:
    """Its origins come from its own records."""
    journal = open_journal(home)
    journal.put((3, False))
    assert journal.flush(60)
    (span,) = _exported(home)
    journal.close(60)
    assert span is not None
    assert span.resource.attributes["service.name"] == "orders"


def test_what_is_no_fingerprint_is_left_out_and_counted(home: Path, tmp_path: Path) -> None:
    """A foreign span has the key where its hash belongs: it may not be kept anywhere."""
    raw = {
        "keytrail.key.hash": K1,
        "keytrail.key.previous_hash": K1,
        "keytrail.key.other_hashes": (K1,),
        "keytrail.redacted_hashes": ("f" * 64, K1),
    }
    file = tmp_path / "foreign.jsonl"
    span = _span(attributes={"keytrail.schema_version": "1.0", "user.name": "ann", **raw})
    file.write_text(otlp_json.to_json([span]) + "\n")
    assert import_files(home, SIGNER, [file]) == Imported(spans=1, uses=1, raw=4)
    with closing(Store(home)) as store:
        (line,) = exporting.lines(store, "true", [])
    assert "key" not in line
    assert line["attributes"] == {"user.name": "ann", "keytrail.schema_version": "1.0"}
