from __future__ import annotations

from pathlib import Path

from keytrail.store.delivered import Delivered, read
from store.segment_kit import T0, delivered


def test_deliveries_are_added_up_by_endpoint(home: Path) -> None:
    """One line an endpoint, with the oldest and the newest use."""
    delivered(home, uses=3, first=T0, last=T0 + 5)
    delivered(home, uses=4, first=T0 - 9, last=T0 + 1)
    delivered(home, endpoint="vendor", uses=1, first=T0 + 7, last=T0 + 7)
    assert read(home, None, None) == [
        Delivered("collector:4318", 7, T0 - 9, T0 + 5),
        Delivered("vendor", 1, T0 + 7, T0 + 7),
    ]


def test_deliveries_outside_of_the_time_asked_for_do_not_matter(home: Path) -> None:
    """Only what overlaps the time counts."""
    delivered(home, uses=3, first=10, last=20)
    delivered(home, uses=4, first=30, last=40)
    assert read(home, 21, None) == [Delivered("collector:4318", 4, 30, 40)]
    assert read(home, None, 29) == [Delivered("collector:4318", 3, 10, 20)]
    assert read(home, 21, 29) == []


def test_broken_lines_are_passed_over(home: Path) -> None:
    """A line that was cut, or says something else, costs itself alone."""
    delivered(home, uses=3)
    with (home / "delivered.ndjson").open("ab") as file:
        file.write(
            b'[]\n{"endpoint": "x"}\n{"endpoint": "x", "uses": null, "first": 1, "last": 1}\n'
        )
        file.write(b'{"endpoint": "x", "us')
    assert read(home, None, None) == [Delivered("collector:4318", 3, T0, T0)]


def test_nothing_delivered_is_nothing(home: Path) -> None:
    """Without the file nothing was delivered."""
    assert read(home, None, None) == []
