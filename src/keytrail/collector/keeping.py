"""The audit path: what is routed to it, and why nothing on it is lost."""

from __future__ import annotations

from typing import Any, Final

from keytrail import semconv
from keytrail.collector import cutting, measuring
from keytrail.collector.fragment import Part
from keytrail.collector.ottl import attribute

AUDIT: Final = "traces/keytrail_audit"
KEPT: Final = "traces/keytrail_kept"
TO_KEPT: Final = "forward/keytrail_kept"
TO_AUDIT: Final = "forward/keytrail_audit"
STORAGE: Final = "file_storage/keytrail"
JOURNAL: Final = "file/keytrail_journal"
ONLY_AUDIT: Final = "filter/keytrail_only_audit"
NOT_TOLD: Final = "filter/keytrail_not_told"
CUT: Final = "transform/keytrail_cut"
LIMITER: Final = "memory_limiter/keytrail"
_DIRECTORY: Final = "${env:KEYTRAIL_DIR:-/var/lib/keytrail}"

RETRY: Final = {
    "enabled": True,
    "initial_interval": "1s",
    "max_interval": "30s",
    "max_elapsed_time": 0,
}
QUEUE: Final = {
    "storage": STORAGE,
    "sizer": "items",
    "queue_size": "${env:KEYTRAIL_QUEUE_SPANS:-1000000}",
    "block_on_overflow": False,
    "batch": {"flush_timeout": "200ms", "sizer": "bytes", "min_size": 500_000, "max_size": 900_000},
}
"""Destinations refuse for good what is too long: Kafka and many proxies 1 MB, gRPC 4 MiB."""


def audit_path(exporters: list[str]) -> Part:
    """Return what takes the audit spans out of ``forward/keytrail_kept`` and keeps them.

    ``exporters`` deliver them, the journal stands beside them.
    """
    schema, redactions = attribute(semconv.SCHEMA_VERSION), attribute(semconv.REDACTIONS)
    return Part(
        {
            "extensions": {STORAGE: _storage()},
            "processors": {
                "filter/keytrail_kept": {
                    "error_mode": "propagate",
                    "traces": {"span": [f"{schema} == nil and {redactions} == nil"]},
                },
                "filter/keytrail_audit": {
                    "error_mode": "propagate",
                    "traces": {"span": [f"{schema} == nil"]},
                },
                CUT: cutting.cut(),
            },
            "connectors": {TO_KEPT: None, TO_AUDIT: None},
            "exporters": {JOURNAL: _journal()},
            "service": {
                "pipelines": {
                    KEPT: {
                        "receivers": [TO_KEPT],
                        "processors": ["filter/keytrail_kept"],
                        "exporters": [TO_AUDIT, measuring.RAW_KEYS],
                    },
                    AUDIT: {
                        "receivers": [TO_AUDIT],
                        "processors": ["filter/keytrail_audit", CUT],
                        "exporters": [*exporters, JOURNAL, measuring.TO_METRICS],
                    },
                }
            },
        },
        {
            STORAGE: "The queues on disk. fsync: what was acknowledged survives a power cut.",
            "filter/keytrail_kept": "Keeps audit spans, and those in which a key was redacted.\n"
            "An error is not passed over: the sender tries again.",
            CUT: "A span that is longer than a batch would be dropped, and others with it.",
            JOURNAL: "Beside every queue, since 400, 401, 403, 404, 413 and 500 of a destination\n"
            "empty its queue. Only with rotation it survives kill -9 and restarts.\n"
            "max_days and max_megabytes x max_backups bound it: the oldest is deleted.",
            AUDIT: "No batch processor here: it would lose what it holds at a kill.",
        },
    )


def only_audit_filter() -> Part:
    """Return the filter that keeps spans out of ordinary pipelines that only the audit has."""
    return Part(
        {
            "processors": {
                ONLY_AUDIT: {
                    "error_mode": "propagate",
                    "traces": {"span": [f"{attribute(semconv.SAMPLED)} == false"]},
                }
            }
        },
        {ONLY_AUDIT: "Unsampled calls: recorded for the audit, never meant for ordinary tracing."},
    )


def not_told_filter() -> Part:
    """Return the filter that leaves what a service under keytrail delivers elsewhere."""
    told = f"{attribute(semconv.SCHEMA_VERSION)} != nil"
    return Part(
        {"processors": {NOT_TOLD: {"error_mode": "propagate", "traces": {"span": [told]}}}},
        {NOT_TOLD: "Audit spans come by the receiver of their own: here they would come twice."},
    )


def memory_limiter() -> Part:
    """Return the limiter that every way in begins with: refusing is better than being killed."""
    return Part(
        {
            "processors": {
                LIMITER: {
                    "check_interval": "1s",
                    "limit_percentage": 75,
                    "spike_limit_percentage": 20,
                }
            }
        },
        {LIMITER: "Refused data is sent again; what a process that was killed held is not."},
    )


def _storage() -> dict[str, Any]:
    queue = f"{_DIRECTORY}/queue"
    return {
        "directory": queue,
        "create_directory": True,
        "directory_permissions": "0700",
        "fsync": True,
        "compaction": {
            "on_start": True,
            "on_rebound": True,
            "cleanup_on_start": True,
            "directory": queue,
        },
    }


def _journal() -> dict[str, Any]:
    return {
        "path": f"{_DIRECTORY}/journal/audit.jsonl",
        "create_directory": True,
        "directory_permissions": "0700",
        "rotation": {
            "max_megabytes": 64,
            "max_days": "${env:KEYTRAIL_JOURNAL_DAYS:-90}",
            "max_backups": "${env:KEYTRAIL_JOURNAL_FILES:-1000}",
        },
    }
