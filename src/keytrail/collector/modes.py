"""The pipelines: alone, beside the pipelines of a team, or in front of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from keytrail.collector import fingerprinting, keeping, measuring, redacting, suspicion
from keytrail.collector.fragment import Part, together
from keytrail.collector.ottl import transform

if TYPE_CHECKING:
    from collections.abc import Sequence

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")

PICK: Final = "transform/keytrail_pick"
FINGERPRINT: Final = "redaction/keytrail_fingerprint"
PREVIOUS: Final = "redaction/keytrail_previous_fingerprint"
REDACT: Final = "redaction/keytrail"
TELL: Final = "transform/keytrail_tell"
REDACT_ALL: Final = "redaction/keytrail_all_shapes"
SCOPES: Final = "transform/keytrail_scopes"
CLEAN: Final = "transform/keytrail_clean"
LIFT: Final = "transform/keytrail_lift"
LOWER: Final = "transform/keytrail_lower"
ORDINARY: Final = "otlp_http/keytrail_ordinary"
OTLP: Final = "otlp/keytrail"

_GLANCE: Final = [keeping.LIMITER, SCOPES, REDACT]
_THOROUGH: Final = [PICK, FINGERPRINT, PREVIOUS, REDACT_ALL, TELL]
_LOGS: Final = [keeping.LIMITER, LIFT, REDACT_ALL, LOWER]
_METRICS: Final = [keeping.LIMITER, REDACT, LOWER]


@dataclass(frozen=True, slots=True)
class Way:
    """Receivers whose data goes to the same pipelines; a text stands for a list not yet known."""

    signal: Signal
    receivers: Sequence[str] | str
    pipelines: Sequence[str] = ()


def standalone(exporters: Sequence[str], headers: Sequence[str]) -> Part:
    """Return a whole configuration: OTLP in, audit and ordinary telemetry out."""
    return together(
        _receivers(),
        _common(exporters, headers, SIGNALS),
        _before(SIGNALS, headers),
        _traces([OTLP], "", [ORDINARY], headers),
        _logs([OTLP], "", [ORDINARY]),
        _metrics([OTLP], "", [ORDINARY]),
        Part(
            {
                "exporters": {
                    ORDINARY: {
                        "endpoint": "${env:KEYTRAIL_ORDINARY_ENDPOINT:-http://127.0.0.1:4338}",
                        "sending_queue": {"batch": {"flush_timeout": "200ms", "min_size": 8192}},
                    }
                },
                "service": {"extensions": "${env:KEYTRAIL_EXTENSIONS:-[file_storage/keytrail]}"},
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
        _parted("", suspicion.of_audit(headers), []),
        _pipeline("traces/keytrail_in", receivers, [keeping.LIMITER], ["routing/keytrail"]),
        _pipeline("traces/keytrail_suspect", ["routing/keytrail"], _THOROUGH, [keeping.TO_KEPT]),
    )


def in_front(ways: Sequence[Way], exporters: Sequence[str], headers: Sequence[str]) -> Part:
    """Return audit and redaction before the pipelines of a team, which keep all but receivers."""
    signals = [signal for signal in SIGNALS if any(way.signal == signal for way in ways)]
    entries = []
    for signal in signals:
        of_signal = [way for way in ways if way.signal == signal]
        for index, way in enumerate(of_signal, 1):
            number = "" if len(of_signal) == 1 else f"_{index}"
            to = [to_pipeline(pipeline) for pipeline in way.pipelines]
            entries.append(Part({"connectors": dict.fromkeys(to)}))
            entries.append(_way_in(way, number, to, headers))
    return together(_common(exporters, headers, signals), _before(signals, headers), *entries)


def to_pipeline(pipeline: str) -> str:
    """Return the connector that hands a pipeline of the team's what its receivers did."""
    return f"forward/keytrail_to_{pipeline.replace('/', '_')}"


def _way_in(way: Way, number: str, to: Sequence[str], headers: Sequence[str]) -> Part:
    if way.signal == "traces":
        return _traces(way.receivers, number, to, headers)
    return (_logs if way.signal == "logs" else _metrics)(way.receivers, number, to)


def _traces(
    receivers: Sequence[str] | str, number: str, to: Sequence[str], headers: Sequence[str]
) -> Part:
    """Return the pipelines from receivers to the audit and to ``to``, the suspected spans apart."""
    routing, ordinary = f"routing/keytrail{number}", f"forward/keytrail_ordinary{number}"
    return together(
        _parted(number, suspicion.of_anything(headers), [f"traces/keytrail_clean{number}"]),
        Part({"connectors": {ordinary: None}}),
        _pipeline(f"traces/keytrail_in{number}", receivers, _GLANCE, [routing]),
        _pipeline(f"traces/keytrail_clean{number}", [routing], [CLEAN], to),
        _pipeline(
            f"traces/keytrail_suspect{number}", [routing], _THOROUGH, [keeping.TO_KEPT, ordinary]
        ),
        _pipeline(f"traces/keytrail_ordinary{number}", [ordinary], [keeping.ONLY_AUDIT], to),
    )


def _parted(number: str, suspected: str, otherwise: Sequence[str]) -> Part:
    """Return the connector that parts the spans; an error sends a request back to its sender."""
    name = f"routing/keytrail{number}"
    route = {
        "context": "span",
        "condition": suspected,
        "pipelines": [f"traces/keytrail_suspect{number}"],
    }
    config = {"error_mode": "propagate", "default_pipelines": list(otherwise), "table": [route]}
    return Part(
        {"connectors": {name: config}},
        {name: "Parts audit spans and all that may hold a key from the rest, before any sampling."},
    )


def _logs(receivers: Sequence[str] | str, number: str, to: Sequence[str]) -> Part:
    return _pipeline(f"logs/keytrail_in{number}", receivers, _LOGS, [*to, measuring.RAW_KEYS])


def _metrics(receivers: Sequence[str] | str, number: str, to: Sequence[str]) -> Part:
    return _pipeline(f"metrics/keytrail_in{number}", receivers, _METRICS, to)


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


def _common(exporters: Sequence[str], headers: Sequence[str], signals: Sequence[Signal]) -> Part:
    """Return what every mode has: the thorough processors, the audit path and its metrics."""
    return together(
        keeping.memory_limiter(),
        _thorough(headers),
        keeping.audit_path(list(exporters)),
        measuring.metrics(logs="logs" in signals),
    )


def _thorough(headers: Sequence[str]) -> Part:
    return Part(
        {
            "processors": {
                PICK: transform(
                    trace_statements=[*fingerprinting.pick(headers), *redacting.lift_traces()]
                ),
                FINGERPRINT: fingerprinting.hashing("${env:KEYTRAIL_PEPPER}", fingerprinting.RAW),
                PREVIOUS: fingerprinting.hashing(
                    "${env:KEYTRAIL_PREVIOUS_PEPPER:-${env:KEYTRAIL_PEPPER}}",
                    fingerprinting.PREVIOUS,
                ),
                REDACT_ALL: redacting.thorough(),
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
            REDACT_ALL: "Every shape of the catalogue, for what is suspected and for logs.",
            TELL: "Makes an audit span of what was fingerprinted, and puts the lifted back.",
        },
    )


def _before(signals: Sequence[Signal], headers: Sequence[str]) -> Part:
    """Return what looks at everything, and what logs and metrics need besides."""
    processors: dict[str, Any] = {
        SCOPES: transform(trace_statements=redacting.lift_scopes()),
        REDACT: redacting.at_a_glance(headers),
        CLEAN: transform(trace_statements=redacting.lower_scopes()),
    }
    if "logs" in signals:
        processors[LIFT] = transform(log_statements=redacting.lift_logs())
    lowering = {
        **({"log_statements": redacting.lower_logs()} if "logs" in signals else {}),
        **({"metric_statements": redacting.lower_metrics()} if "metrics" in signals else {}),
    }
    if lowering:
        processors[LOWER] = transform(**lowering)
    return together(
        keeping.only_audit_filter(),
        Part(
            {"processors": processors},
            {
                REDACT: "What all is searched for. Every pattern begins with a literal:\n"
                "a group or a flag in front would cost five to ten times as much."
            },
        ),
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
