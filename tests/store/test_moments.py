from __future__ import annotations

import pytest

from keytrail.store.moments import rfc3339, seconds
from store.segment_kit import T0


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (T0 + 1, "2025-11-25T18:00:00.000000001Z"),
        (T0 + 999_999_999, "2025-11-25T18:00:00.999999999Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_moment_keeps_its_nanoseconds(moment: int, text: str) -> None:
    """Nine digits, UTC, nothing rounded."""
    assert rfc3339(moment) == text


def test_people_get_seconds() -> None:
    """A table's time is cut, not rounded."""
    assert seconds(T0 + 999_999_999) == "2025-11-25 18:00:00"


def test_a_moment_beyond_the_calendar_is_a_number() -> None:
    """A forged time cannot break the answer."""
    assert seconds(2**63 - 1) == "2262-04-11 23:47:16"
    assert seconds(10**30) == str(10**21)
