"""Unix nanoseconds as RFC 3339 text, always in UTC."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400
_SECOND: Final = 1_000_000_000


def rfc3339(moment: int) -> str:
    """Return ``moment`` with all nine digits: ``2026-11-25T17:53:47.000000001Z``."""
    return f"{seconds(moment, 'T')}.{moment % _SECOND:09d}Z"


def seconds(moment: int, between: str = " ") -> str:
    """Return ``moment`` cut to the second: ``2026-11-25 17:53:47``.

    What lies beyond the calendar, which only a forged record can, is shown as a number.
    """
    day, second = divmod(moment // _SECOND, _DAY)
    try:
        begin = _date(day)
    except (OverflowError, ValueError):
        return str(moment // _SECOND)
    minute = second // 60
    return f"{begin}{between}{minute // 60:02d}:{minute % 60:02d}:{second % 60:02d}"


@lru_cache(maxsize=1024)
def _date(day: int) -> str:
    """An answer has many times of few days."""
    return date.fromordinal(_EPOCH + day).isoformat()
