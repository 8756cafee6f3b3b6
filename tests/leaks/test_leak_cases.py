"""What people suffered, end to end: what a receiver gets is clean, and of use still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from keytrail.leaks import calling, planting
from leaks import rounds
from leaks.conftest import ONCE_EACH, Kind
from leaks.rounds import Round

CLEAN_URL = "https://api.example.com/v1/items?color=blue&api_key=REDACTED&page=2"


@pytest.fixture
def a_round(played: Callable[[Kind], Round]) -> Round:
    """The round of the first service, in the old conventions."""
    return played(ONCE_EACH[0])


@pytest.fixture
def spans(a_round: Round) -> list[Span]:
    """Every span of the round."""
    return [
        span
        for body in a_round.received.bodies["traces"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.fixture
def logs(a_round: Round) -> list[LogRecord]:
    """Every log record of the round."""
    return [
        record
        for body in a_round.received.bodies["logs"]
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def test_query_keys_in_client_urls(spans: list[Span]) -> None:
    """A1: the URL keeps its parameters and their names; the use has the facts."""
    span = _calling(spans, "httpx", "query", "success")
    attributes = _plain(span.attributes)
    assert attributes["http.url"].endswith("/200?color=blue&api_key=REDACTED&page=2")
    assert {name: attributes[f"keytrail.{name}"] for name in ("key.location", "key.field")} == {
        "key.location": "query",
        "key.field": "api_key",
    }
    assert "key_in_url" in attributes["keytrail.findings"]


def test_messages_beside_attributes(spans: list[Span], logs: list[LogRecord]) -> None:
    """A6: the same URL in span name, event name and status says what it said, but for the key."""
    names = {span.name for span in spans}
    events = {event.name for span in spans for event in span.events}
    statuses = {span.status.message for span in spans}
    assert f"GET {CLEAN_URL}" in names
    assert f"asked {CLEAN_URL}" in events
    assert f"401 for {CLEAN_URL}: REDACTED is unknown" in statuses
    assert f"asked for {CLEAN_URL} with REDACTED" in {record.body.string_value for record in logs}


def test_exceptions_stay_readable(spans: list[Span]) -> None:
    """A8: of ``raise_for_status`` the type, the message and the frames are there."""
    server = _called_by(spans, _calling(spans, "requests", "query", "denied"))
    (event,) = [event for event in server.events if event.name == "exception"]
    stack = _plain(event.attributes)["exception.stacktrace"]
    assert "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: " in stack
    assert "/401?color=blue&api_key=REDACTED&page=2" in stack
    assert "in _with_requests" in stack


def test_arrays_keep_order_and_length(spans: list[Span]) -> None:
    """A10: an array has as many elements as before, and a captured header is redacted whole."""
    arrays = [_plain(span.attributes) for span in spans if _has(span, "app.headers")]
    assert {tuple(attributes["app.headers"]) for attributes in arrays} == {
        ("accept: */*", "x-thing: REDACTED", "REDACTED")
    }
    assert all(attributes["http.request.header.x_api_key"] == ["REDACTED"] for attributes in arrays)


def test_every_link_of_a_chain(logs: list[LogRecord]) -> None:
    """A12: causes of causes are there, each with its type, and ``from None`` hides what it hid."""
    stacks = [
        attributes["exception.stacktrace"]
        for attributes in (_plain(record.attributes) for record in logs)
        if "exception.stacktrace" in attributes
    ]
    chained = [stack for stack in stacks if "ClientError: the call failed" in stack]
    assert chained
    for stack in chained:
        assert f"ConnectionError: no answer from {CLEAN_URL}" in stack
        assert "TimeoutError: gave up on REDACTED" in stack


def test_fragments(spans: list[Span], logs: list[LogRecord]) -> None:
    """A14: the token in a fragment goes, the state beside it stays."""
    back = {_plain(span.attributes)["app.back"] for span in spans if _has(span, "app.back")}
    assert back == {"http://h/cb#access_token=REDACTED&state=1"}
    bodies = {record.body.string_value for record in logs}
    assert "back at http://h/cb#access_token=REDACTED&state=1" in bodies


def test_a_key_where_its_hash_belongs(spans: list[Span]) -> None:
    """A16: an application that writes a key as its own hash: there are 64 digits, or nothing."""
    for span in spans:
        attributes = _plain(span.attributes)
        one, many = attributes.get("keytrail.key.hash"), attributes.get("keytrail.key.other_hashes")
        assert one is None or _is_hash(one)
        assert many is None or all(map(_is_hash, many))


def test_a_leak_in_a_log_leads_back_to_its_key(logs: list[LogRecord]) -> None:
    """What was redacted because it was a known key names the key's fingerprint."""
    key = planting.canary("header", "log message", "success")
    told = [_plain(record.attributes).get("keytrail.redacted_hashes") for record in logs]
    assert [rounds.fingerprint(key)] in told


def _calling(spans: list[Span], client: str, carrier: str, outcome: str) -> Span:
    """Return the CLIENT span of a call, by the fingerprint of its canary."""
    key = rounds.fingerprint(calling.canary(client, carrier, outcome))
    (span,) = [
        span
        for span in spans
        if span.kind == Span.SPAN_KIND_CLIENT
        and _plain(span.attributes).get("keytrail.key.hash") == key
    ]
    return span


def _called_by(spans: list[Span], client: Span) -> Span:
    (server,) = [
        span
        for span in spans
        if span.trace_id == client.trace_id and span.kind == Span.SPAN_KIND_SERVER
    ]
    return server


def _has(span: Span, name: str) -> bool:
    return any(attribute.key == name for attribute in span.attributes)


def _plain(attributes: Any) -> dict[str, Any]:
    return dict(_pairs(attributes))


def _pairs(attributes: list[KeyValue]) -> Iterator[tuple[str, Any]]:
    for attribute in attributes:
        yield attribute.key, _value(attribute.value)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
