from __future__ import annotations

from pathlib import Path

from keytrail.questions import keys
from keytrail.sources import LocalSource
from store.segment_kit import SECOND, T0, use, write
from support.cases import F1, F2


def test_every_key_is_one_row_per_direction(home: Path) -> None:
    """Counts, first and last use, distinct clients, services and routes, the last used first."""
    write(
        home,
        use(0, client="192.0.2.1"),
        use(1, client="192.0.2.2", status=401, outcome="denied", service="billing"),
        use(2, status=500, outcome="error", route="/health"),
        use(3, direction="outgoing", client=None, provider="stripe"),
        use(4, key=F2, key_id="AKIA1", key_name="ci", owner="acme", provider="self"),
    )
    answer = keys(LocalSource(home))
    assert list(answer.rows) == [
        (F2, "AKIA1", "ci", "acme", "self", "incoming", *([T0 + 4 * SECOND] * 2), 1, 0, 0, 1, 1, 1),
        (F1, None, None, None, "stripe", "outgoing", *([T0 + 3 * SECOND] * 2), 1, 0, 0, 0, 1, 1),
        (F1, None, None, None, None, "incoming", T0, T0 + 2 * SECOND, 3, 1, 1, 2, 2, 2),
    ]


def test_the_newest_name_of_a_key_counts(home: Path) -> None:
    """An inventory that changed gives one row, under what the key is called now."""
    write(home, use(0, owner="old", key_name="n"), use(1, owner="new"), use(2, owner=None))
    (row,) = keys(LocalSource(home)).rows
    assert row[2:4] == ("n", "new")


def test_uses_without_a_key_are_one_row(home: Path) -> None:
    """Their fingerprint is empty, so that they cannot be taken for a key."""
    write(home, use(0, key=None, outcome="denied"), use(1, key=None, outcome="denied"))
    (row,) = keys(LocalSource(home)).rows
    assert (row[0], row[8], row[10]) == (None, 2, 2)


def test_keys_of_a_network(home: Path) -> None:
    """The filters of uses choose which uses a key is counted by."""
    write(home, use(0, client="192.0.2.7"), use(1, client="198.51.100.1"), use(2, key=F2))
    rows = list(keys(LocalSource(home), client="192.0.2.4/30").rows)
    assert [(row[0], row[8]) for row in rows] == [(F1, 1)]
