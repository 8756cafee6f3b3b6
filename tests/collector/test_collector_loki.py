"""Each use as a log event, as Loki takes it."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from support.cases import F1, K1
from support.otelcol import Receiver, collector, key_values, plain, post, receiver, span, traces
from support.waiting import eventually

SHIPPED = Path(__file__).parents[2] / "collector-config"
FILES = [SHIPPED / "standalone.yaml", SHIPPED / "backends" / "loki.yaml"]


def records(loki: Receiver) -> list[LogRecord]:
    """Return the log events that arrived."""
    return [
        record
        for message in loki.messages("/v1/logs")
        for resource in message.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def test_every_use_is_a_log_event(tmp_path: Path) -> None:
    """Loki's endpoint gets one log record for each use, with its attributes and ids."""
    keyed = {"http.request.header.x-api-key": [K1], "http.response.status_code": 403}
    with (
        receiver() as audit,
        receiver() as loki,
        collector(
            tmp_path, FILES, KEYTRAIL_AUDIT_ENDPOINT=audit.url, KEYTRAIL_LOKI_ENDPOINT=loki.url
        ) as running,
    ):
        for start in (1, 11):
            spans = [span(number, keyed) for number in range(start, start + 10)]
            assert post(running.port, "/v1/traces", traces(*spans, span(99))) == 200

        eventually(lambda: len(records(loki)) >= 20)
        arrived = sorted(records(loki), key=lambda one: one.time_unix_nano)
        assert [one.span_id.hex() for one in arrived] == [f"{n:016x}" for n in range(1, 21)]
        first = arrived[0]
        expected = span(1)
        assert (first.trace_id, first.time_unix_nano) == (
            expected.trace_id,
            expected.start_time_unix_nano,
        )
        told = plain(first.attributes)
        assert first.body.string_value == "GET /orders"
        wanted = {
            "service.name": "shop",
            "keytrail.schema_version": "1.0",
            "keytrail.direction": "incoming",
            "keytrail.key.hash": F1,
            "keytrail.outcome": "denied",
            "http.response.status_code": 403,
        }
        assert {name: told.get(name) for name in wanted} == wanted
        assert len({one.span_id for one in arrived}) == len(records(loki))


def test_no_use_is_passed_over_when_the_journal_goes_on_in_another_file(tmp_path: Path) -> None:
    """Every use is an event over rotations, though all files begin with the same long resource."""
    small = tmp_path / "small.yaml"
    small.write_text("exporters: {file/keytrail_journal: {rotation: {max_megabytes: 1}}}\n")
    audited = {"keytrail.schema_version": "1.0", "note": "n" * 1000}
    with (
        receiver() as audit,
        receiver() as loki,
        collector(
            tmp_path,
            [*FILES, small],
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
            KEYTRAIL_LOKI_ENDPOINT=loki.url,
        ) as running,
    ):
        for start in range(1, 2001, 50):
            message = ExportTraceServiceRequest.FromString(
                traces(*(span(number, audited) for number in range(start, start + 50)))
            )
            command = key_values({"process.command_line": "java " + "-Dx=y " * 700})
            message.resource_spans[0].resource.attributes.insert(0, command[0])
            assert post(running.port, "/v1/traces", message.SerializeToString()) == 200
        assert len(list((tmp_path / "state" / "journal").iterdir())) > 2
        eventually(lambda: len(records(loki)) >= 2000)
        arrived = sorted(one.span_id.hex() for one in records(loki))
        assert arrived == [f"{number:016x}" for number in range(1, 2001)]
