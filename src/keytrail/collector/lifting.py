"""What is no attribute, lifted into one before the redaction processor and lowered back behind it.

That processor reads attributes and log bodies only: names, status messages and the like would pass.
What it says of its work is taken away again, and becomes the count of redactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.collector.ottl import Group, attribute, delete, text
from keytrail.collector.private import NOT_A_HASH
from keytrail.collector.suspicion import MASKED, NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIFTED: Final = "keytrail.lifted."
_COUNTS: Final = (MASKED, NAMED, "redaction.allowed.count")
_STARS: Final = r"[*]{4}"


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
