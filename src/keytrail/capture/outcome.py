"""How a call ended, in five words, and why it was refused, in seven."""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["success", "denied", "rate_limited", "error", "unknown"]
Reason = Literal[
    "missing", "malformed", "unknown_key", "expired", "revoked", "insufficient_scope", "quota"
]

_DENIED = frozenset({401, 403, 407})
_RATE_LIMITED = 429
_FIRST_ERROR = 400
_FIRST_HTTP = 100

GRPC_NAMES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The status codes of gRPC, by their number."""
_GRPC_OUTCOMES: dict[str, Outcome] = {
    "OK": "success",
    "UNAUTHENTICATED": "denied",
    "PERMISSION_DENIED": "denied",
    "RESOURCE_EXHAUSTED": "rate_limited",
}


def outcome(status: int | None, *, failed: bool) -> Outcome:
    """Tell the outcome from an HTTP status or a gRPC status code, which are always smaller.

    Where there is none, whether the call ``failed`` tells it; a server that raised without saying
    so in its gRPC status has failed, too.
    """
    if status is None:
        return "error" if failed else "unknown"
    if is_grpc(status):
        return "error" if failed and status == 0 else _of_grpc(status)
    if status in _DENIED:
        return "denied"
    if status == _RATE_LIMITED:
        return "rate_limited"
    return "error" if status >= _FIRST_ERROR else "success"


def is_grpc(status: int) -> bool:
    """Tell whether ``status`` is a code of gRPC, not one of HTTP."""
    return status < _FIRST_HTTP


def grpc_name(status: int) -> str:
    """Return the name of a gRPC status code."""
    return GRPC_NAMES[status] if 0 <= status < len(GRPC_NAMES) else str(status)


def _of_grpc(status: int) -> Outcome:
    return _GRPC_OUTCOMES.get(grpc_name(status), "error")
