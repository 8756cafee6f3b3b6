"""The pipelines: alone, beside the pipelines of a team, or in front of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from keytrail.collector import fingerprinting, keeping, measuring, redacting
from keytrail.collector.fragment import Part, together
from keytrail.collector.ottl import transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")

PICK: Final = "transform/keytrail_pick"
FINGERPRINT: Final = "redaction/keytrail_fingerprint"
PREVIOUS: Final = "redaction/keytrail_previous_fingerprint"
REDACT: Final = "redaction/keytrail"
TELL: Final = "transform/keytrail_tell"
LIFT: Final = "transform/keytrail_lift"
REDACT_ALL: Final = "redaction/keytrail_all_shapes"
LOWER: Final = "transform/keytrail_lower"
ORDINARY: Final = "otlp_http/keytrail_ordinary"
OTLP: Final = "otlp/keytrail"

_PROCESSORS: Final[dict[Signal, list[str]]] = {
    "traces": [keeping.LIMITER, PICK, FINGERPRINT, PREVIOUS, REDACT, TELL],
    "logs": [keeping.LIMITER, LIFT, REDACT_ALL, LOWER],
    "metrics": [keeping.LIMITER, REDACT, LOWER],
}


@dataclass(frozen=True, slots=True)
class Way:
    """Receivers whose data goes to the same pipelines; a text stands for a list not yet known."""

    signal: Signal
    receivers: Sequence[str] | str
    pipelines: Sequence[str] = ()


def standalone(exporters: Sequence[str], headers: Sequence[str]) -> Part:
    """Return a whole configuration: OTLP in, audit and ordinary telemetry out."""
    pipelines = {
        f"{signal}/keytrail_in": {
            "receivers": [OTLP],
            "processors": _PROCESSORS[signal],
            "exporters": {
                "traces": [keeping.TO_KEPT, "forward/keytrail_ordinary"],
                "logs": [ORDINARY, measuring.RAW_KEYS],
                "metrics": [ORDINARY],
            }[signal],
        }
        for signal in SIGNALS
    }
    pipelines["traces/keytrail_ordinary"] = {
        "receivers": ["forward/keytrail_ordinary"],
        "processors": [keeping.ONLY_AUDIT],
        "exporters": [ORDINARY],
    }
    return together(
        _receivers(),
        _common(exporters, headers, SIGNALS),
        keeping.only_audit_filter(),
        Part(
            {
                "connectors": {"forward/keytrail_ordinary": None},
                "exporters": {
                    ORDINARY: {
                        "endpoint": "${env:KEYTRAIL_ORDINARY_ENDPOINT:-http://127.0.0.1:4338}",
                        "sending_queue": {"batch": {"flush_timeout": "200ms", "min_size": 8192}},
                    }
                },
                "service": {
                    "extensions": "${env:KEYTRAIL_EXTENSIONS:-[file_storage/keytrail]}",
                    "pipelines": pipelines,
                },
            },
            {ORDINARY: "What is not only for the audit, redacted, to where it went before."},
        ),
    )


def beside(
    receivers: Sequence[str] | str, exporters: Sequence[str], headers: Sequence[str]
) -> Part:
    """Return the audit alone, on the receivers of a team whose own pipelines stay as they are."""
    return together(
        _common(exporters, headers, ["traces"]),
        _pipeline("traces/keytrail_in", receivers, _PROCESSORS["traces"], [keeping.TO_KEPT]),
    )


def in_front(ways: Sequence[Way], exporters: Sequence[str], headers: Sequence[str]) -> Part:
    """Return audit and redaction before the pipelines of a team, which keep all but receivers."""
    signals = [signal for signal in SIGNALS if any(way.signal == signal for way in ways)]
    counted = {signal: [way for way in ways if way.signal == signal] for signal in signals}
    entries = [
        _entry(way, "" if len(ways) == 1 else f"_{number}")
        for ways in counted.values()
        for number, way in enumerate(ways, 1)
    ]
    return together(
        _common(exporters, headers, signals), keeping.only_audit_filter(), *entries
    )


def to_pipeline(pipeline: str) -> str:
    """Return the connector that hands a pipeline of the team's what its receivers did."""
    return f"forward/keytrail_to_{pipeline.replace('/', '_')}"


def _entry(way: Way, number: str) -> Part:
    """Return the pipelines of one way in; spans pass a filter on their way to the team's."""
    to = [to_pipeline(pipeline) for pipeline in way.pipelines]
    came_in = f"{way.signal}/keytrail_in{number}"
    connectors = Part({"connectors": dict.fromkeys(to)})
    processors = _PROCESSORS[way.signal]
    if way.signal != "traces":
        counted = [measuring.RAW_KEYS] if way.signal == "logs" else []
        return together(connectors, _pipeline(came_in, way.receivers, processors, [*to, *counted]))
    ordinary = f"forward/keytrail_ordinary{number}"
    return together(
        connectors,
        Part({"connectors": {ordinary: None}}),
        _pipeline(came_in, way.receivers, processors, [keeping.TO_KEPT, ordinary]),
        _pipeline(f"traces/keytrail_ordinary{number}", [ordinary], [keeping.ONLY_AUDIT], to),
    )


def _pipeline(
    name: str, receivers: Sequence[str] | str, processors: Sequence[str], exporters: Sequence[str]
) -> Part:
    came_from = receivers if isinstance(receivers, str) else list(receivers)
    config = {
        "receivers": came_from,
        "processors": list(processors),
        "exporters": list(exporters),
    }
    return Part({"service": {"pipelines": {name: config}}})


def _common(
    exporters: Sequence[str], headers: Sequence[str], signals: Sequence[Signal]
) -> Part:
    """Return what every mode has: processors, the audit path and its metrics."""
    return together(
        keeping.memory_limiter(),
        _trace_processors(headers),
        _all_shapes(signals),
        keeping.audit_path(list(exporters), [LIFT, REDACT_ALL, TELL]),
        measuring.metrics(logs="logs" in signals),
    )


def _trace_processors(headers: Sequence[str]) -> Part:
    return Part(
        {
            "processors": {
                PICK: transform(
                    trace_statements=[*fingerprinting.pick(headers), *redacting.lift_traces()]
                ),
                FINGERPRINT: fingerprinting.hashing(
                    "${env:KEYTRAIL_PEPPER}", fingerprinting.RAW
                ),
                PREVIOUS: fingerprinting.hashing(
                    "${env:KEYTRAIL_PREVIOUS_PEPPER:-${env:KEYTRAIL_PEPPER}}",
                    fingerprinting.PREVIOUS,
                ),
                REDACT: redacting.for_spans(),
                TELL: transform(
                    trace_statements=[
                        *fingerprinting.tell(),
                        *redacting.lower_traces(),
                        redacting.count_what_was_no_hash(),
                    ]
                ),
            }
        },
        {
            PICK: "Picks the key that a service in another language captured, takes it away where\n"
            "it stood, and lifts names and status messages to where they can be searched.",
            FINGERPRINT: "Replaces the picked key by HMAC-SHA256(pepper, key). At least 32 bytes,\n"
            "the same text as the services have, no $ in it.",
            PREVIOUS: "The same under the pepper before, while peppers are exchanged.",
            REDACT: "Second line: what every string is searched for. Every pattern begins with a\n"
            "literal: an alternation or (?i) in front would cost five to ten times as much.",
            TELL: "Makes an audit span of what was fingerprinted, and puts the lifted back.",
        },
    )


def _all_shapes(signals: Sequence[Signal]) -> Part:
    """Return what searches for every shape, for audit spans and logs."""
    lowering: Mapping[str, Any] = {
        **({"log_statements": redacting.lower_logs()} if "logs" in signals else {}),
        **({"metric_statements": redacting.lower_metrics()} if "metrics" in signals else {}),
    }
    lifting: Mapping[str, Any] = {
        "trace_statements": redacting.lift_traces(),
        **({"log_statements": redacting.lift_logs()} if "logs" in signals else {}),
    }
    lower = {LOWER: transform(**lowering)} if lowering else {}
    return Part(
        {
            "processors": {
                LIFT: transform(**lifting),
                REDACT_ALL: redacting.for_audit_and_logs(),
                **lower,
            }
        },
        {REDACT_ALL: "Every shape of the catalogue, where there is less to search."},
    )


def _receivers() -> Part:
    listen = "${env:KEYTRAIL_LISTEN:-127.0.0.1}"
    return Part(
        {
            "receivers": {
                OTLP: {
                    "protocols": {
                        "grpc": {"endpoint": f"{listen}:${{env:KEYTRAIL_GRPC_PORT:-4317}}"},
                        "http": {"endpoint": f"{listen}:${{env:KEYTRAIL_HTTP_PORT:-4318}}"},
                    }
                }
            }
        }
    )
