"""The columns of a journal line: names, types and the attributes they stand for, in one place.

A use is one line. The same names appear in tables, JSON, CSV, Parquet and every source.

The audit's own records are lines too, with ``record`` and ``time`` first: ``start``
(``attributes``: host, pid, version, the settings that matter, the segment's number in its process),
``stop`` (``attributes``: the segment and how many uses it holds), ``settings`` (what changed since
the service's last start), ``gap`` (``reason``, and ``uses`` in ``attributes``) and ``origin``
(``origin``, the id that uses name in ``span``, with the ``attributes`` and ``schema_url`` of the
resource and the instrumentation ``scope``).
"""

from __future__ import annotations

from typing import Final, Literal

from keytrail import semconv

ColumnType = Literal["text", "integer", "number", "boolean", "texts", "json"]

COLUMNS: Final[dict[str, ColumnType]] = {
    "record": "text",  # absent for a use; else "start", "stop", "settings", "gap", "origin"
    "time": "integer",  # Unix nanoseconds
    "key": "text",
    "key_id": "text",
    "key_name": "text",
    "owner": "text",
    "environment": "text",
    "provider": "text",
    "direction": "text",
    "method": "text",
    "route": "text",
    "path": "text",
    "host": "text",
    "status": "integer",
    "outcome": "text",
    "reason": "text",
    "error": "text",
    "client": "text",
    "user_agent": "text",
    "service": "text",
    "location": "text",
    "field": "text",
    "scheme": "text",
    "findings": "texts",
    "duration": "number",  # seconds
    "trace_id": "text",
    "span_id": "text",
    "parent_span_id": "text",
    "sampled": "boolean",
    "pepper_id": "text",
    "attributes": "json",  # the span's attributes that have no column
    "span": "json",  # the rest of the span: name, kind, status, events, links, origin, …
}
"""Every column of a line, in order."""

OF_ATTRIBUTE: Final[dict[str, str]] = {
    semconv.KEY_HASH: "key",
    semconv.KEY_ID: "key_id",
    semconv.KEY_NAME: "key_name",
    semconv.KEY_OWNER: "owner",
    semconv.KEY_ENVIRONMENT: "environment",
    semconv.KEY_PROVIDER: "provider",
    semconv.DIRECTION: "direction",
    semconv.OUTCOME: "outcome",
    semconv.OUTCOME_REASON: "reason",
    semconv.KEY_LOCATION: "location",
    semconv.KEY_FIELD: "field",
    semconv.KEY_SCHEME: "scheme",
    semconv.FINDINGS: "findings",
    semconv.SAMPLED: "sampled",
    semconv.KEY_PEPPER_ID: "pepper_id",
    semconv.USE_TIME: "time",
    "http.request.method": "method",
    "http.route": "route",
    "url.path": "path",
    "server.address": "host",
    "http.response.status_code": "status",
    "error.type": "error",
    "client.address": "client",
    "user_agent.original": "user_agent",
}
"""The column that holds an attribute exactly, so that a line need not say it twice."""

ECHOES: Final = (
    ("http.method", "method"),
    ("http.status_code", "status"),
    ("http.user_agent", "user_agent"),
    ("http.target", "path"),
    ("net.peer.ip", "client"),
)
"""Attributes of the older convention that nearly always say what a column says already. A line only
notes, as bits in this order, which of them do."""
