"""The fragment for Loki: each use one log event, read from the journal on disk.

No standard connector makes logs of spans, so the journal's lines, which are the requests as JSON,
are read as logs and taken apart: resources, scopes, spans.
"""

from __future__ import annotations

from typing import Any, Final

from keytrail import semconv
from keytrail.collector.fragment import Part
from keytrail.collector.ottl import Group, attribute, text, transform

_RECEIVER: Final = "filelog/keytrail_journal"
_EXPORTER: Final = "otlp_http/keytrail_loki"
_TEXTS: Final = (
    semconv.SCHEMA_VERSION,
    semconv.DIRECTION,
    semconv.KEY_HASH,
    semconv.KEY_PEPPER_ID,
    semconv.KEY_ID,
    semconv.KEY_NAME,
    semconv.KEY_OWNER,
    semconv.KEY_PROVIDER,
    semconv.KEY_TYPE,
    semconv.KEY_LOCATION,
    semconv.KEY_FIELD,
    semconv.OUTCOME,
    semconv.OUTCOME_REASON,
    semconv.FINDING,
    "client.address",
    "http.request.method",
    "http.route",
    "server.address",
    "url.path",
)
_NUMBERS: Final = ("http.response.status_code", "http.status_code", semconv.USE_TIME)
_MOST_BYTES: Final = "64MiB"
_TOLD_APART_BY: Final = "16KiB"
"""Files that begin alike are one to the receiver, and a resource with a command line is long."""


def part() -> Part:
    """Return the pipeline from the journal to Loki's own OTLP endpoint."""
    return Part(
        {
            "receivers": {_RECEIVER: _receiver()},
            "processors": {
                "transform/keytrail_loki_requests": _taken_apart("resourceSpans"),
                "unroll/keytrail_loki_resources": {},
                "transform/keytrail_loki_resources": _resources(),
                "unroll/keytrail_loki_scopes": {},
                "transform/keytrail_loki_scopes": _taken_apart("spans"),
                "unroll/keytrail_loki_spans": {},
                "transform/keytrail_loki_spans": _spans(),
            },
            "exporters": {_EXPORTER: _exporter()},
            "service": {
                "pipelines": {
                    "logs/keytrail_loki": {
                        "receivers": [_RECEIVER],
                        "processors": [
                            "transform/keytrail_loki_requests",
                            "unroll/keytrail_loki_resources",
                            "transform/keytrail_loki_resources",
                            "unroll/keytrail_loki_scopes",
                            "transform/keytrail_loki_scopes",
                            "unroll/keytrail_loki_spans",
                            "transform/keytrail_loki_spans",
                        ],
                        "exporters": [_EXPORTER],
                    }
                }
            },
        },
        {
            _RECEIVER: "Where it has read to is kept beside the queue.",
            _EXPORTER: "X-Scope-OrgID is the tenant. Loki's OTLP endpoint needs Loki 3.",
        },
    )


def _receiver() -> dict[str, Any]:
    return {
        "include": ["${env:KEYTRAIL_DIR:-/var/lib/keytrail}/journal/audit*.jsonl"],
        "start_at": "beginning",
        "max_log_size": _MOST_BYTES,
        "fingerprint_size": _TOLD_APART_BY,
        "poll_interval": "1s",
        "retry_on_failure": {"enabled": True, "max_elapsed_time": 0},
        "storage": "file_storage/keytrail",
        "operators": [{"type": "json_parser", "parse_to": "body"}],
    }


def _exporter() -> dict[str, Any]:
    from keytrail.collector.keeping import QUEUE, RETRY

    return {
        "endpoint": "${env:KEYTRAIL_LOKI_ENDPOINT:-http://127.0.0.1:3100/otlp}",
        "headers": {"x-scope-orgid": "${env:KEYTRAIL_LOKI_TENANT:-keytrail-audit}"},
        "retry_on_failure": RETRY,
        "sending_queue": QUEUE,
    }


def _taken_apart(name: str) -> dict[str, Any]:
    return transform(log_statements=[Group("log", [f"set(log.body, log.body[{text(name)}])"])])


def _resources() -> dict[str, Any]:
    service = attribute("service.name", "log")
    named = 'log.cache["resource"]["service.name"]["stringValue"]'
    return transform(
        log_statements=[
            Group(
                "log",
                [
                    'set(log.cache["resource"], '
                    'SliceToMap(log.body["resource"]["attributes"], ["key"], ["value"]))',
                    f"set({service}, {named}) where {named} != nil",
                    'set(log.body, log.body["scopeSpans"])',
                ],
            )
        ]
    )


def _spans() -> dict[str, Any]:
    told = 'log.cache["told"]'
    return transform(
        log_statements=[
            Group(
                "log",
                [
                    f'set({told}, SliceToMap(log.body["attributes"], ["key"], ["value"]))',
                    *(
                        f'set({attribute(name, "log")}, {told}[{text(name)}]["stringValue"]) '
                        f'where {told}[{text(name)}]["stringValue"] != nil'
                        for name in _TEXTS
                    ),
                    *(
                        f'set({attribute(name, "log")}, Int({told}[{text(name)}]["intValue"])) '
                        f'where {told}[{text(name)}]["intValue"] != nil'
                        for name in _NUMBERS
                    ),
                    'set(log.trace_id.string, log.body["traceId"])',
                    'set(log.span_id.string, log.body["spanId"])',
                    'set(log.time_unix_nano, Int(log.body["startTimeUnixNano"]))',
                    'delete_key(log.attributes, "log.file.name")',
                    'set(log.body, log.body["name"])',
                ],
            )
        ]
    )
