"""Unix nanoseconds as RFC 3339 text, always in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND: Final = 1_000_000_000


def rfc3339(moment: int) -> str:
    """Return ``moment`` with all nine digits: ``2026-11-25T17:53:47.000000001Z``."""
    return f"{seconds(moment, 'T')}.{moment % _SECOND:09d}Z"


def seconds(moment: int, between: str = " ") -> str:
    """Return ``moment`` cut to the second: ``2026-11-25 17:53:47``.

    What lies beyond the calendar, which only a forged record can, is shown as a number.
    """
    try:
        whole = _EPOCH + timedelta(seconds=moment // _SECOND)
    except OverflowError:
        return str(moment // _SECOND)
    return whole.strftime(f"%Y-%m-%d{between}%H:%M:%S")
