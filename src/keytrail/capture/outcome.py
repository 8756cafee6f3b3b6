"""How a call ended, in five words."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["success", "denied", "rate_limited", "error", "unknown"]

_DENIED = frozenset({401, 403, 407})
_RATE_LIMITED = 429
_FIRST_ERROR = 400


def outcome(status: int | None, *, failed: bool) -> Outcome:
    """Tell the outcome from an HTTP status, or where there is none from whether the call failed."""
    if status is None:
        return "error" if failed else "unknown"
    if status in _DENIED:
        return "denied"
    if status == _RATE_LIMITED:
        return "rate_limited"
    return "error" if status >= _FIRST_ERROR else "success"
