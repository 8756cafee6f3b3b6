"""The values of a row as programs get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.store.moments import rfc3339, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytrail.sources.source import Completeness

MOMENTS: Final = frozenset({"time", "first_use", "last_use", "not_seen_since"})
"""The columns whose values are Unix nanoseconds."""


def record(columns: Sequence[str], row: Sequence[object]) -> dict[str, object]:
    """Return a row by column, its times in RFC 3339."""
    return {
        column: rfc3339(value) if column in MOMENTS and isinstance(value, int) else value
        for column, value in zip(columns, row, strict=True)
    }


def span_of_time(completeness: Completeness) -> str:
    """Return from when to when an answer is, as it follows its worth; nothing where it is empty."""
    begins, ends = completeness.begins, completeness.ends
    return "" if begins is None else f": {seconds(begins)} to {seconds(ends)} UTC"


def worth(completeness: Completeness) -> dict[str, object]:
    """Return the completeness as JSON has it."""
    begins = completeness.begins
    return {
        "worth": completeness.worth,
        "from": None if begins is None else rfc3339(begins),
        "to": rfc3339(completeness.ends),
        "reasons": list(completeness.reasons),
    }
