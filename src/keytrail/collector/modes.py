"""The pipelines: alone, beside the pipelines of a team, or in front of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from keytrail.collector import keeping, measuring, steps, suspicion
from keytrail.collector.fragment import Part, together

if TYPE_CHECKING:
    from collections.abc import Sequence

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")

PARTING: Final = "routing/keytrail"
GLANCED: Final = "routing/keytrail_glanced"
ORDINARY: Final = "otlp_http/keytrail_ordinary"
OTLP: Final = "otlp/keytrail"
_NOTES: Final = {
    PARTING: "Parts what may hold a key from the rest, before any sampling.",
    GLANCED: "In what the glance found something, all is searched for.",
}


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
        steps.before(SIGNALS, headers),
        _traces([OTLP], "", [ORDINARY]),
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
    receivers: Sequence[str] | str,
    exporters: Sequence[str],
    headers: Sequence[str],
    *,
    own_receiver: bool = False,
) -> Part:
    """Return the audit alone, on the receivers of a team whose own pipelines stay as they are.

    With a receiver of its own, to which services under keytrail deliver all of their audit spans,
    those that the team's receivers get besides are left to the team.
    """
    untold = [keeping.NOT_TOLD] if own_receiver else []
    tapped = [keeping.LIMITER, *untold, steps.NAMES]
    return together(
        _common(exporters, headers, ["traces"]),
        steps.named(suspicion.names_of_audit(headers)),
        _parted(PARTING, suspicion.of_audit(), "traces/keytrail_suspect", []),
        _pipeline("traces/keytrail_in", receivers, tapped, [PARTING]),
        _pipeline("traces/keytrail_suspect", [PARTING], steps.THOROUGH, [keeping.TO_KEPT]),
        *([_own_way_in()] if own_receiver else []),
    )


def _own_way_in() -> Part:
    processors = [keeping.LIMITER, steps.NAMES]
    return together(
        _receivers(grpc=4319, http=4320),
        keeping.not_told_filter(),
        _pipeline("traces/keytrail_own", [OTLP], processors, [PARTING]),
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
            entries.append(_way_in(way, number, to))
    return together(_common(exporters, headers, signals), steps.before(signals, headers), *entries)


def to_pipeline(pipeline: str) -> str:
    """Return the connector that hands a pipeline of the team's what its receivers did."""
    return f"forward/keytrail_to_{pipeline.replace('/', '_')}"


def _way_in(way: Way, number: str, to: Sequence[str]) -> Part:
    ways_in = {"traces": _traces, "logs": _logs, "metrics": _metrics}
    return ways_in[way.signal](way.receivers, number, to)


def _traces(receivers: Sequence[str] | str, number: str, to: Sequence[str]) -> Part:
    """Return the pipelines from receivers to the audit and to ``to``, the suspected spans apart."""
    parting, glanced = PARTING + number, GLANCED + number
    suspect, ordinary = f"traces/keytrail_suspect{number}", f"forward/keytrail_ordinary{number}"
    glance, clean = f"traces/keytrail_glance{number}", f"traces/keytrail_clean{number}"
    return together(
        _parted(parting, suspicion.of_anything(), suspect, [glance]),
        _parted(glanced, suspicion.of_the_glance(), suspect, [clean]),
        Part({"connectors": {ordinary: None}}),
        _pipeline(f"traces/keytrail_in{number}", receivers, steps.SUSPICION, [parting]),
        _pipeline(glance, [parting], steps.GLANCE, [glanced]),
        _pipeline(clean, [glanced], [steps.CLEAN], to),
        _pipeline(suspect, [parting, glanced], steps.THOROUGH, [keeping.TO_KEPT, ordinary]),
        _pipeline(f"traces/keytrail_ordinary{number}", [ordinary], [keeping.ONLY_AUDIT], to),
    )


def _parted(name: str, suspected: str, suspect: str, otherwise: Sequence[str]) -> Part:
    """Return the connector that parts the spans; an error sends a request back to its sender."""
    route = {"context": "span", "condition": suspected, "pipelines": [suspect]}
    config = {"error_mode": "propagate", "default_pipelines": list(otherwise), "table": [route]}
    return Part({"connectors": {name: config}}, {name: _NOTES.get(name, "")})


def _logs(receivers: Sequence[str] | str, number: str, to: Sequence[str]) -> Part:
    return _pipeline(f"logs/keytrail_in{number}", receivers, steps.LOGS, [*to, measuring.RAW_KEYS])


def _metrics(receivers: Sequence[str] | str, number: str, to: Sequence[str]) -> Part:
    return _pipeline(f"metrics/keytrail_in{number}", receivers, steps.METRICS, to)


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
        steps.thorough(headers),
        keeping.audit_path(list(exporters)),
        measuring.metrics(logs="logs" in signals),
    )


def _receivers(grpc: int = 4317, http: int = 4318) -> Part:
    listen = "${env:KEYTRAIL_LISTEN:-127.0.0.1}"
    return Part(
        {
            "receivers": {
                OTLP: {
                    "protocols": {
                        "grpc": {"endpoint": f"{listen}:${{env:KEYTRAIL_GRPC_PORT:-{grpc}}}"},
                        "http": {"endpoint": f"{listen}:${{env:KEYTRAIL_HTTP_PORT:-{http}}}"},
                    }
                }
            }
        }
    )
