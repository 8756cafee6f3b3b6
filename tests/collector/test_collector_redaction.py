"""The second line: what a leaky service sends does not arrive."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from keytrail.collector import shapes
from support.cases import K1, K2
from support.otelcol import (
    Receiver,
    any_value,
    collector,
    key_values,
    plain,
    post,
    receiver,
    span,
    traces,
)
from support.waiting import eventually

STANDALONE = Path(__file__).parents[2] / "collector-config" / "standalone.yaml"
LIVE = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
BASIC = base64.b64encode(f"user:{K1}".encode()).decode()
SECRETS = {
    "K1": K1,
    "K1, percent-encoded": quote(K1, safe=""),
    "the secret part of K1": K1.removeprefix("kt_test_"),
    "the secret part of K2": K2.removeprefix("kt_test_"),
    "a part of K1": K1.removeprefix("kt_test_")[4:12],
    "the live key": LIVE,
    "a part of the live key": LIVE[10:24],
    "Basic credentials": BASIC,
}


def leaky_spans() -> list[Any]:
    """Return spans with a key in every place that is not named as open."""
    url = f"https://api.example.com/v1/charge?color=blue&api_key={K1}"
    spans = [
        span(1, {"url.full": url, "url.query": f"api_key={K1}"}),
        span(2, {"http.url": url, "http.target": f"/v1/charge?token={K1}&x=1"}),
        span(3, {"http.request.header.x-api-key": [K1, K2]}),
        span(4, {"http.request.header.authorization": [f"Bearer {LIVE}"]}),
        span(5, {"http.request.header.authorization": [f"Basic {BASIC}"]}),
        span(6, {"http.request.header.cookie": [f"session={K1}"]}),
        span(7, {"http.request.header.x-vendor-api-key": [K1]}),
        span(8, {}, name=f"GET {url}"),
        span(9, {}, name=f"charge {LIVE}"),
        span(10, {"note": f"used {LIVE} twice", "api_key": "whatever it is"}),
        span(11, {"list": ["first", LIVE], "map": {"inner": {"deep": LIVE}}}),
        span(12, {"url.full": f"https://user:{K1}@api.example.com/"}),
        span(13, {"url.query": f"next={quote(url, safe='')}"}),
        span(14, {"url.full": f"https://h/cb#access_token={K1}&state=1"}),
        span(15, {"db.query.text": f"SELECT * FROM t WHERE token='{LIVE}'"}),
        span(16, {"keytrail.key.hash": K1, "keytrail.key.name": LIVE}),
        span(17, {"keytrail.schema_version": "1.0", "user_agent.original": f"bot {LIVE}"}),
        span(18, {}, kind=Span.SPAN_KIND_INTERNAL),
        span(19, {}),
        span(20, {"password": "hunter2-and-more"}),
    ]
    spans[17].status.message = f"401 for {url}"
    spans[17].status.code = Status.STATUS_CODE_ERROR
    spans[17].trace_state = f"vendor={LIVE}"
    event = spans[18].events.add(name=f"retry {LIVE}")
    event.attributes.extend(
        key_values(
            {
                "exception.message": f"HTTPError: 401 for url: {url}",
                "exception.stacktrace": f"File x\n  get('{url}')\nX-API-Key: {K1}\n",
                "exception.type": "HTTPError",
            }
        )
    )
    return spans


def leaky_traces() -> bytes:
    message = ExportTraceServiceRequest.FromString(traces(*leaky_spans()))
    resource = message.resource_spans[0]
    resource.resource.attributes.extend(key_values({"process.command_line": f"app --key={LIVE}"}))
    resource.scope_spans[0].scope.name = f"tracer {LIVE}"
    resource.scope_spans[0].scope.attributes.extend(key_values({"built.with": LIVE}))
    return bytes(message.SerializeToString())


def leaky_logs() -> bytes:
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    resource.resource.attributes.extend(key_values({"process.command_line": f"app {LIVE}"}))
    records = resource.scope_logs.add()
    records.scope.name = f"logger {LIVE}"
    for body in (
        f"calling https://h/p?api_key={K1}",
        f'{{"api_key": "{K1}", "authorization": "Bearer {LIVE}"}}',
        f"X-API-Key: {K1}",
        f"Authorization: Basic {BASIC}",
        {"request": {"headers": {"Authorization": f"Bearer {LIVE}"}, "api_key": K1}},
        [f"token={LIVE}", {"note": LIVE}],
        "an ordinary line",
    ):
        records.log_records.add(
            body=any_value(body),
            severity_text=f"INFO {LIVE}",
            event_name=f"event {LIVE}",
            attributes=key_values({"url": f"/p?api_key={K1}", "x-api-key": K1}),
        )
    return bytes(message.SerializeToString())


def leaky_metrics() -> bytes:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.extend(key_values({"process.command_line": f"app {LIVE}"}))
    metric = resource.scope_metrics.add().metrics.add(name="requests")
    metric.sum.aggregation_temporality = 2
    metric.sum.is_monotonic = True
    point = metric.sum.data_points.add(as_int=3, time_unix_nano=1)
    point.attributes.extend(key_values({"url": f"/p?api_key={K1}", "token": LIVE, "route": "/p"}))
    return bytes(message.SerializeToString())


def records(message: ExportLogsServiceRequest) -> list[Any]:
    return list(message.resource_logs[0].scope_logs[0].log_records)


def found_in(arrived: bytes) -> list[str]:
    return [name for name, secret in SECRETS.items() if secret.encode() in arrived]


@contextmanager
def sent_through(
    tmp_path: Path, *requests: tuple[str, bytes]
) -> Iterator[tuple[Receiver, Receiver]]:
    """Yield the ordinary and the audit destination once something of each request arrived."""
    with (
        receiver() as audit,
        receiver() as ordinary,
        collector(
            tmp_path,
            [STANDALONE],
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
            KEYTRAIL_ORDINARY_ENDPOINT=ordinary.url,
        ) as running,
    ):
        for path, body in requests:
            assert post(running.port, path, body) == 200
        wanted = {path for path, _ in requests}
        eventually(lambda: {path for path, _ in ordinary.requests} >= wanted)
        yield ordinary, audit
        journal = tmp_path / "state" / "journal" / "audit.jsonl"
        assert found_in(journal.read_bytes() if journal.exists() else b"") == []
        assert found_in(running.log().encode()) == []


def test_no_key_of_a_leaky_service_arrives(tmp_path: Path) -> None:
    """Keys in URLs, lists, exceptions, names, states, logs and metrics arrive nowhere."""
    requests = (
        ("/v1/traces", leaky_traces()),
        ("/v1/logs", leaky_logs()),
        ("/v1/metrics", leaky_metrics()),
    )
    assert found_in(b"".join(body for _, body in requests)) == list(SECRETS)
    sent = len(leaky_spans())
    with sent_through(tmp_path, *requests) as (ordinary, audit):
        eventually(lambda: len(ordinary.span_ids()) == sent)
        eventually(lambda: len(audit.span_ids()) > 0)
        assert found_in(ordinary.everything()) == []
        assert found_in(audit.everything()) == []


def test_what_holds_no_key_arrives_as_it_was(tmp_path: Path) -> None:
    """Spans, logs and metrics without a key are the same behind the Collector as before it."""
    ordinary_span = span(
        1,
        {
            "url.full": "https://h/orders/7?page=2&sort=date",
            "url.query": "page=2",
            "user_agent.original": "Mozilla/5.0",
            "http.response.status_code": 200,
            "ratio": 0.5,
            "list": ["a", "b"],
            "map": {"a": 1},
            "bytes": b"\x00\xff",
            "keytrail.findings": ["weak"],
        },
    )
    ordinary_span.events.add(name="retry").attributes.extend(key_values({"attempt": 2}))
    ordinary_span.trace_state = "vendor=value"
    ordinary_span.status.message = "not found"
    sent = traces(ordinary_span, span(2, {"url.query": f"page={'x' * 30}"}))
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
    record.body.CopyFrom(any_value({"user": "jane", "tries": 3}))
    with sent_through(tmp_path, ("/v1/traces", sent), ("/v1/logs", logs.SerializeToString())) as (
        destination,
        _,
    ):
        eventually(lambda: len(destination.spans()) == 2)
        arrived = {one.span_id: one for one in destination.spans()}
        expected = ExportTraceServiceRequest.FromString(sent).resource_spans[0].scope_spans[0].spans
        for one in expected:
            assert plain(arrived[one.span_id].attributes) == plain(one.attributes)
            assert [event.name for event in arrived[one.span_id].events] == [
                event.name for event in one.events
            ]
            assert arrived[one.span_id].trace_state == one.trace_state
            assert arrived[one.span_id].status == one.status
        assert records(destination.messages("/v1/logs")[0]) == records(logs)


def test_a_replaced_value_says_redacted(tmp_path: Path) -> None:
    """What stands where a key was is REDACTED, and the span says how often."""
    sent = traces(
        span(1, {"note": f"used {LIVE}", "api_key": "x"}),
        span(2, {"url.query": f"a=1&api_key={K1}"}),
        span(3, {"http.request.header.x-api-key": ["REDACTED"]}),
    )
    with sent_through(tmp_path, ("/v1/traces", sent)) as (destination, _):
        eventually(lambda: len(destination.spans()) == 3)
        arrived = {one.span_id[-1]: plain(one.attributes) for one in destination.spans()}
        assert arrived[1] == {
            "note": "used skREDACTED",
            "api_key": "REDACTED",
            "keytrail.redactions": 2,
        }
        assert arrived[2]["url.query"] == "a=1&api_key=REDACTED"
        assert arrived[3] == {"http.request.header.x-api-key": ["REDACTED"]}


def test_every_shape_is_redacted_in_logs_and_audit_spans(tmp_path: Path) -> None:
    """A key of every shape that has a literal beginning is gone from logs and from audit spans."""
    dice = random.Random(11)
    examples = {
        shape["id"]: shapes.example(shape, dice)
        for shape in shapes.shapes()
        if shapes.patterns_of(shape)
    }
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add()
    for example in examples.values():
        records.log_records.add(body=any_value(f"token {example} refused"))
    spans = [
        span(number, {"keytrail.schema_version": "1.0", "note": f"was {example} once"})
        for number, example in enumerate(examples.values(), 1)
    ]
    with sent_through(
        tmp_path, ("/v1/logs", logs.SerializeToString()), ("/v1/traces", traces(*spans))
    ) as (destination, _):
        eventually(lambda: len(destination.spans()) == len(spans))
        arrived = destination.everything()
        left = [name for name, example in examples.items() if example[-12:].encode() in arrived]
        assert left == []
