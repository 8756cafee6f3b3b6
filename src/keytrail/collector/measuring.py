"""Metrics of the audit spans, in as many series as there are keys with a name, and no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.collector.fragment import Part
from keytrail.collector.ottl import Group, attribute, pattern, text, transform

if TYPE_CHECKING:
    from collections.abc import Iterable

USES: Final = "span_metrics/keytrail"
RAW_KEYS: Final = "count/keytrail_raw_keys"
TO_METRICS: Final = "forward/keytrail_metrics"
CAP: Final = "transform/keytrail_names"
PIPELINE: Final = "metrics/keytrail"
CAPPED: Final = "traces/keytrail_metrics"
PROMETHEUS: Final = "prometheus/keytrail"
IN_TURN: Final = "batch/keytrail_metrics"
DELTA: Final = "delta_to_cumulative/keytrail"
RENAME: Final = "transform/keytrail_metrics"
RESOURCE: Final = ("service.name", "collector.instance.id")
"""Attributes of a resource that are labels; the second tells the series of several Collectors."""
_BUCKETS: Final = (
    "5ms 10ms 25ms 50ms 100ms 250ms 500ms 1s 2500ms 5s 10s".split()  # noqa: SIM905 - one line
)


def metrics(*, logs: bool) -> Part:
    """Return connectors and pipelines from audit spans to Prometheus.

    ``logs``: raw keys in log records are counted too.
    """
    return Part(
        {
            "processors": {
                CAP: _cap(()),
                IN_TURN: {"timeout": "200ms"},
                DELTA: {"max_stale": "24h"},
                RENAME: transform(metric_statements=_renamed()),
            },
            "connectors": {TO_METRICS: None, USES: _uses(), RAW_KEYS: _raw_keys(logs=logs)},
            "exporters": {
                PROMETHEUS: {
                    "endpoint": "${env:KEYTRAIL_METRICS_ENDPOINT:-127.0.0.1:9464}",
                    "resource_to_telemetry_conversion": {"enabled": True},
                }
            },
            "service": {
                "pipelines": {
                    CAPPED: {
                        "receivers": [TO_METRICS],
                        "processors": [CAP],
                        "exporters": [USES],
                    },
                    PIPELINE: {
                        "receivers": [USES, RAW_KEYS],
                        "processors": [IN_TURN, RENAME, DELTA],
                        "exporters": [PROMETHEUS],
                    },
                }
            },
        },
        {
            CAP: "Before the connector, since merging series behind it loses points. The names\n"
            "that may be series: KEYTRAIL_KEY_NAMES, a regular expression such as shop|erp.\n"
            "Without it all names are one series.",
            USES: "Uses and latency by service, provider, outcome, direction and name of the key.\n"
            "They restart with the Collector and count what clients send again: for rates and\n"
            "alerts, never for audit totals.",
            RAW_KEYS: "Spans and log records in which a raw key was found: somebody must mend a\n"
            "service. Per request, so a processor behind it adds it up.",
            IN_TURN: "One after the other: what adds up the counts drops one that is older than\n"
            "the one before, so they get the time at which they are added.",
            RENAME: "Of a resource only the service is a label: a command line or a process id\n"
            "would be a series more for every process.",
        },
    )


def series_for(names: Iterable[str]) -> Part:
    """Return what lets these names of keys be series where the environment says nothing else."""
    return Part({"processors": {CAP: _cap(names)}})


def _cap(names: Iterable[str]) -> dict[str, Any]:
    """Return the transform that leaves only known names, each of 64 characters at most."""
    name, other = attribute(semconv.KEY_NAME), text(semconv.OTHER)
    known = f"${{env:KEYTRAIL_KEY_NAMES:-{'|'.join(map(_as_pattern, names))}}}"
    unknown = f'not IsMatch({name}, "^(?:{known})$$") or IsMatch({name}, "^.{{65}}")'
    return transform(
        trace_statements=[
            Group("span", [f"set({name}, {other}) where {name} != nil and ({unknown})"])
        ]
    )


def _as_pattern(name: str) -> str:
    """Put a point for whatever may mean something to the pattern or to the Collector's reader."""
    return re.sub(r"[^\w -]", ".", name)


def _renamed() -> list[Group]:
    kept = ", ".join(map(text, RESOURCE))
    renamed = 'set(metric.name, "keytrail.uses") where metric.name == "keytrail.calls"'
    return [
        Group("resource", [f"keep_keys(resource.attributes, [{kept}])"]),
        Group("metric", [renamed]),
        Group(
            "datapoint",
            ["set(datapoint.start_time, Now())", "set(datapoint.time, Now())"],
            [f"IsMatch(metric.name, {pattern('^keytrail[.]raw_keys')})"],
        ),
    ]


def _uses() -> dict[str, Any]:
    defaults = {
        semconv.KEY_PROVIDER: semconv.OTHER,
        semconv.OUTCOME: "unknown",
        semconv.DIRECTION: "unknown",
        semconv.KEY_NAME: "_unknown",
    }
    return {
        "namespace": "keytrail",
        "histogram": {"unit": "s", "explicit": {"buckets": _BUCKETS}},
        "exclude_dimensions": ["span.name", "span.kind", "status.code"],
        "dimensions": [{"name": name, "default": default} for name, default in defaults.items()],
        "resource_metrics_key_attributes": ["service.name"],
        "aggregation_cardinality_limit": "${env:KEYTRAIL_METRICS_SERIES:-2000}",
        "metrics_flush_interval": "5s",
    }


def _raw_keys(*, logs: bool) -> dict[str, Any]:
    """Only what is counted here has a value: otherwise the connector would count everything."""
    counted = {
        "spans": "span",
        **({"logs": "log"} if logs else {}),
    }
    return {
        signal: {
            f"keytrail.raw_keys.{signal}": {
                "description": f"{signal} in which a raw key was redacted",
                "conditions": [f'attributes["{semconv.REDACTIONS}"] != nil'],
            }
        }
        for signal in counted
    }
