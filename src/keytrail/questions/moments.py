"""The times that people type, as Unix nanoseconds."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO: Final = re.compile(r"(\d{1,9})([smhdw])")
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?"
)
_MOST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_moment(text: str, now: int) -> int:
    """Return the moment that ``text`` names: RFC 3339, ``2h`` ago, ``today`` or ``yesterday``.

    A day begins at midnight UTC; a time without an offset is UTC; what is beyond the nanoseconds
    of 64 bits is their first or last.

    Raises:
        ValueError: the text names no moment.
    """
    return max(-_MOST, min(_read(text, now), _MOST))


def _read(text: str, now: int) -> int:
    if found := _AGO.fullmatch(text):
        return now - int(found[1]) * _SECONDS[found[2]] * 10**9
    if text in ("today", "yesterday"):
        day = now // 10**9 // _SECONDS["d"] - (text == "yesterday")
        return day * _SECONDS["d"] * 10**9
    if found := _RFC3339.fullmatch(text):
        return _of_parts(*found.groups(default=""))
    raise ValueError


def _of_parts(day: str, minute: str, second: str, fraction: str, offset: str) -> int:
    zone = "+00:00" if offset in ("", "Z", "z") else offset
    whole = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}{zone}")
    since_epoch = whole - _EPOCH
    seconds = since_epoch.days * _SECONDS["d"] + since_epoch.seconds
    return seconds * 10**9 + int(fraction.ljust(9, "0"))
