"""The processors that spans, logs and metrics pass, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keytrail.collector import keeping, lifting, picking, private, redacting, suspicion, telling
from keytrail.collector.fragment import Part, together
from keytrail.collector.ottl import transform

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NAMES: Final = "redaction/keytrail_names"
SPAN_NAMES: Final = "attributes/keytrail_span_names"
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

SUSPICION: Final = [keeping.LIMITER, SPAN_NAMES, NAMES]
GLANCE: Final = [SCOPES, REDACT]
THOROUGH: Final = [PICK, FINGERPRINT, PREVIOUS, REDACT_ALL, TELL]
LOGS: Final = [keeping.LIMITER, LIFT, REDACT_ALL, LOWER]
METRICS: Final = [keeping.LIMITER, REDACT, LOWER]


def thorough(headers: Sequence[str]) -> Part:
    """Return what spans under suspicion pass."""
    return Part(
        {
            "processors": {
                PICK: transform(trace_statements=[*picking.pick(headers), *lifting.lift_traces()]),
                FINGERPRINT: telling.hashing("${env:KEYTRAIL_PEPPER}", private.RAW),
                PREVIOUS: telling.hashing(
                    "${env:KEYTRAIL_PREVIOUS_PEPPER:-${env:KEYTRAIL_PEPPER}}",
                    private.PREVIOUS,
                ),
                REDACT_ALL: redacting.thorough(),
                TELL: transform(
                    trace_statements=[
                        *telling.tell(),
                        *lifting.lower_traces(),
                        lifting.count_what_was_no_hash(),
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


def before(signals: Collection[str], headers: Sequence[str]) -> Part:
    """Return what looks at everything, and what logs and metrics need besides."""
    processors: dict[str, Any] = {
        SPAN_NAMES: suspicion.by_span_name(),
        SCOPES: transform(trace_statements=lifting.lift_scopes()),
        REDACT: redacting.at_a_glance(),
        CLEAN: transform(trace_statements=lifting.lower_scopes()),
    }
    if "logs" in signals:
        processors[LIFT] = transform(log_statements=lifting.lift_logs())
    lowering = {
        **({"log_statements": lifting.lower_logs()} if "logs" in signals else {}),
        **({"metric_statements": lifting.lower_metrics()} if "metrics" in signals else {}),
    }
    if lowering:
        processors[LOWER] = transform(**lowering)
    return together(
        keeping.only_audit_filter(),
        named(suspicion.names_of_anything(headers)),
        Part(
            {"processors": processors},
            {
                SPAN_NAMES: "Marks spans whose name may hold a key; it remembers what it searched.",
                REDACT: "What every span is searched for. Every pattern begins with a literal:\n"
                "a group or a flag in front would cost five to ten times as much.",
            },
        ),
    )


def named(names: Sequence[str]) -> Part:
    """Return what marks spans by the names of their attributes."""
    return Part(
        {"processors": {NAMES: suspicion.by_name(names)}},
        {NAMES: "Counts the attributes whose names tell of a key, which marks the span."},
    )
