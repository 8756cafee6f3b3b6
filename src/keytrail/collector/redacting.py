"""The second line of redaction: whatever a service let through, found by its shape or its name.

The redaction processor reads attributes and log bodies only, so names, status messages and the like
are lifted into attributes before it and lowered back behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.collector import shapes
from keytrail.collector.ottl import Group, attribute, delete, dollars, text
from keytrail.collector.private import (
    HASHES,
    NOT_A_HASH,
    PEPPER_ID,
    PREVIOUS,
    PUBLIC_ID,
    SLOTS,
)
from keytrail.collector.suspicion import MASKED, NAMED
from keytrail.collector.urls import URLS

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIFTED: Final = "keytrail.lifted."
_COUNTS: Final = (MASKED, NAMED, "redaction.allowed.count")
_STARS: Final = r"[*]{4}"

SECRET_NAMES: Final = (
    "api[-_]?key",
    "api[kK]ey",
    "API[-_]?KEY",
    "Api[-_]?Key",
    "uthorization",
    "[-_]token$$",
    "^token$$",
    "secret$$",
    "secret[-_]key",
    "cookie",
    "passw",
    "private[-_]key",
    "subscription-key",
    "header[.][a-z_-]*key$$",
)
"""Parts of attribute names whose whole value is secret."""

FIXED: Final = (
    semconv.SCHEMA_VERSION,
    semconv.DIRECTION,
    semconv.KEY_PRESENT,
    semconv.KEY_TYPE,
    semconv.KEY_LOCATION,
    semconv.OUTCOME,
    semconv.USE_TIME,
    semconv.SAMPLED,
    "client.port",
    "code.function.name",
    "db.system",
    "db.system.name",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "http.status_code",
    "messaging.system",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.name",
    "network.protocol.version",
    "network.transport",
    "rpc.method",
    "rpc.service",
    "rpc.system",
    "server.address",
    "server.port",
    "telemetry.sdk.language",
    "telemetry.sdk.name",
    "telemetry.sdk.version",
    "thread.id",
    "thread.name",
    "url.scheme",
)
"""What code, not a caller, has chosen, and numbers: searching these would cost more than all."""

NOT_SEARCHED: Final = ("client.address", "user_agent.original")
"""Searched only in spans under suspicion: long, always there, hardly ever the place of a key."""


def at_a_glance() -> dict[str, Any]:
    """Return the redaction processor for every unsuspected span, and for metrics.

    Not searched is what has a fixed vocabulary, what is searched by other means (URLs) and what is
    long and hardly ever holds a key.
    """
    return {
        "allow_all_keys": True,
        "redact_all_types": True,
        "summary": "info",
        "ignored_keys": [*FIXED, *NOT_SEARCHED, *URLS],
        "blocked_values": [dollars(expression) for expression in shapes.for_spans()],
    }


def thorough() -> dict[str, Any]:
    """Return the redaction processor that knows every shape, for spans under suspicion and logs."""
    return {
        "allow_all_keys": True,
        "redact_all_types": True,
        "summary": "info",
        "ignored_keys": [*HASHES, *SLOTS, PREVIOUS, PEPPER_ID, PUBLIC_ID],
        "allowed_values": [dollars(r'^(?:\["REDACTED"(?:,"REDACTED")*\]|REDACTED)$')],
        "blocked_key_patterns": list(SECRET_NAMES),
        "blocked_values": [dollars(expression) for expression in shapes.for_audit_and_logs()],
    }


def lift_scopes() -> list[Group]:
    """Return the group that puts the names of instrumentation libraries where they are searched."""
    return [Group("scope", [_lift("name", "scope", "scope.name")])]


def lower_scopes() -> list[Group]:
    """Return the groups that take away what the redaction processor says of unsuspected spans."""
    return [
        Group("resource", _counted("resource"), [_touched("resource")]),
        Group("scope", _scope(), [_touched("scope"), f"{_lifted('name', 'scope')} != nil"]),
        Group("span", [delete(NAMED)]),
    ]


def lift_traces() -> list[Group]:
    """Return the groups that put what is no attribute of a span into one."""
    return [
        *lift_scopes(),
        Group(
            "span",
            [
                f"set({_lifted('name')}, span.name)",
                _lift("status", "span", "span.status.message"),
                _lift("state", "span", "span.trace_state"),
            ],
        ),
        Group("spanevent", [f"set({_lifted('name', 'spanevent')}, spanevent.name)"]),
    ]


def lower_traces() -> list[Group]:
    """Return the groups that put it back where it was, if it changed."""
    status, state = _lifted("status"), _lifted("state")
    return [
        Group("resource", _counted("resource"), [_touched("resource")]),
        Group("scope", _scope(), [_touched("scope"), f"{_lifted('name', 'scope')} != nil"]),
        Group(
            "span",
            [
                *_stars("span"),
                f"set(span.name, {_lifted('name')})",
                f"set(span.status.message, {status}) where {status} != nil",
                f'set(span.trace_state, "") where {state} != nil and {state} != span.trace_state',
                *_add_redactions("span", attribute(MASKED)),
            ],
            [f"{attribute(MASKED)} != nil"],
        ),
        Group(
            "span",
            [delete(_LIFTED + "status"), delete(_LIFTED + "state")],
            [f"{status} != nil", f"{state} != nil"],
        ),
        Group(
            "span",
            [delete(_LIFTED + "name"), *(delete(name) for name in _COUNTS)],
        ),
        Group(
            "spanevent",
            [
                *_stars("spanevent"),
                f"set(spanevent.name, {_lifted('name', 'spanevent')})",
                *_add_redactions("span", attribute(MASKED, "spanevent")),
                delete(_LIFTED + "name", "spanevent"),
                *(delete(name, "spanevent") for name in _COUNTS),
            ],
        ),
    ]


def lift_logs() -> list[Group]:
    """Return the groups that put what is no attribute of a log record into one."""
    return [
        *lift_scopes(),
        Group(
            "log",
            [
                _lift("severity", "log", "log.severity_text"),
                _lift("event", "log", "log.event_name"),
            ],
        ),
    ]


def lower_logs() -> list[Group]:
    """Return the groups that put it back."""
    severity, event = _lifted("severity", "log"), _lifted("event", "log")
    body = "redaction.body.masked.count"
    return [
        Group("resource", _counted("resource"), [_touched("resource")]),
        Group("scope", _scope(), [_touched("scope"), f"{_lifted('name', 'scope')} != nil"]),
        Group(
            "log",
            [
                *_stars("log"),
                f"set(log.severity_text, {severity}) where {severity} != nil",
                f"set(log.event_name, {event}) where {event} != nil",
                *_add_redactions("log", attribute(body, "log")),
                *_add_redactions("log", attribute(MASKED, "log")),
                f'replace_pattern(log.body, "{_STARS}", "{semconv.REDACTED}") '
                f"where {attribute(body, 'log')} != nil and IsString(log.body)",
                *(delete(_LIFTED + name, "log") for name in ("severity", "event")),
                *(delete(name, "log") for name in _COUNTS),
                *(
                    delete(f"redaction.body.{what}.count", "log")
                    for what in ("masked", "ignored", "allowed")
                ),
            ],
        ),
    ]


def lower_metrics() -> list[Group]:
    """Return the groups that take away what the redaction processor says of its work."""
    return [
        Group("resource", _counted("resource"), [_touched("resource")]),
        Group("scope", _counted("scope"), [_touched("scope")]),
        Group("datapoint", _counted("datapoint"), [_touched("datapoint")]),
    ]


def count_what_was_no_hash() -> Group:
    """A span that came with a false fingerprint counts as one that held a raw key."""
    return Group(
        "span",
        [*_add_redactions("span", attribute(NOT_A_HASH)), delete(NOT_A_HASH)],
        [f"{attribute(NOT_A_HASH)} != nil"],
    )


def _lifted(what: str, of: str = "span") -> str:
    return attribute(_LIFTED + what, of)


def _lift(what: str, of: str, path: str) -> str:
    return f'set({_lifted(what, of)}, {path}) where {path} != ""'


def _add_redactions(of: str, more: str) -> list[str]:
    there = attribute(semconv.REDACTIONS, of)
    return [
        f"set({there}, 0) where {there} == nil and {more} != nil",
        f"set({there}, {there} + {more}) where {more} != nil",
    ]


def _touched(of: str) -> str:
    return " or ".join(f"{attribute(name, of)} != nil" for name in _COUNTS)


def _stars(of: str) -> Sequence[str]:
    return [
        f'replace_all_patterns({of}.attributes, "value", {text(_STARS)}, "{semconv.REDACTED}") '
        f"where {attribute(MASKED, of)} != nil"
    ]


def _counted(of: str) -> list[str]:
    return [*_stars(of), *(delete(name, of) for name in _COUNTS)]


def _scope() -> list[str]:
    name = _lifted("name", "scope")
    return [
        *_stars("scope"),
        f"set(scope.name, {name}) where {name} != nil",
        delete(_LIFTED + "name", "scope"),
        *(delete(counted, "scope") for counted in _COUNTS),
    ]
