"""How a call ended, in five words, and why it was refused, in seven."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["success", "denied", "rate_limited", "error", "unknown"]
Reason = Literal[
    "missing", "malformed", "unknown_key", "expired", "revoked", "insufficient_scope", "quota"
]

_DENIED = frozenset({401, 403, 407})
_RATE_LIMITED = 429
_FIRST_ERROR = 400
_GRPC: dict[int | str, Outcome] = {
    0: "success",
    "OK": "success",
    7: "denied",
    "PERMISSION_DENIED": "denied",
    8: "rate_limited",
    "RESOURCE_EXHAUSTED": "rate_limited",
    16: "denied",
    "UNAUTHENTICATED": "denied",
}


def outcome(status: int | None, *, failed: bool) -> Outcome:
    """Tell the outcome from an HTTP status, or where there is none from whether the call failed."""
    if status is None:
        return "error" if failed else "unknown"
    if status in _DENIED:
        return "denied"
    if status == _RATE_LIMITED:
        return "rate_limited"
    return "error" if status >= _FIRST_ERROR else "success"


def grpc_outcome(code: int | str) -> Outcome:
    """Tell the outcome from a gRPC status code, by number or by name."""
    return _GRPC.get(code.upper() if isinstance(code, str) else code, "error")
