"""The second line of redaction: whatever a service let through, found by its shape or its name."""

from __future__ import annotations

from typing import Any, Final

from keytrail import semconv
from keytrail.collector import shapes
from keytrail.collector.ottl import dollars
from keytrail.collector.private import (
    HASHES,
    PEPPER_ID,
    PREVIOUS,
    PUBLIC_ID,
    SLOTS,
)
from keytrail.collector.urls import URLS

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
