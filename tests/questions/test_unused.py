from __future__ import annotations

import time
from pathlib import Path

import pytest

from keytrail.capture.entry import Entry
from keytrail.questions import QuestionError, unused
from keytrail.sources import LocalSource
from questions.question_kit import F1, F2, F3, SECOND, use, write

_DAY = 86_400 * SECOND


def test_keys_not_in_use_and_keys_not_in_the_inventory(home: Path) -> None:
    """Seen long ago, not seen since the record begins, and in use without being listed."""
    now = time.time_ns()
    begins = now - 50 * _DAY
    write(
        home,
        use(0, time=begins, key_id="AKIA1"),
        use(1, time=begins + 1, key_id="AKIA1"),
        use(2, time=now, key=F2),
        use(3, time=now, key=F3, provider="stripe"),
        use(4, time=now, key=None),
    )
    inventory = (
        Entry(fingerprint=F1, id="AKIA1", name="old", owner="acme"),
        Entry(fingerprint=F2),
        Entry(id="AKIA2", environment="production"),
    )
    answer = unused(LocalSource(home), inventory, days=30)
    assert list(answer.rows) == [
        ("idle", F1, "AKIA1", "old", "acme", None, None, begins + 1, begins + 1, 2),
        ("not_seen", None, "AKIA2", None, None, "production", None, None, begins, 0),
        ("unlisted", F3, None, None, None, None, "stripe", now, None, 1),
    ]


def test_a_record_that_is_shorter_than_the_days_cannot_tell(home: Path) -> None:
    """Not seen for 90 days in a record of 40 is not seen in the record; that is said."""
    now = time.time_ns()
    write(home, use(0, time=now - 40 * _DAY), use(1, time=now))
    source, inventory = LocalSource(home), (Entry(fingerprint=F2),)
    assert unused(source, inventory, days=30).completeness.worth == "exact"
    told = unused(source, inventory, days=90).completeness
    assert (told.worth, told.reasons) == (
        "bounded",
        (
            "the record does not reach back so many days: a key that is not in it may have been "
            "used before",
        ),
    )


def test_a_key_is_found_under_the_pepper_before(home: Path) -> None:
    """An inventory that still has the earlier fingerprint calls it neither idle nor unlisted."""
    rotated = {"attributes": {"keytrail.key.previous_hash": F1}}
    write(home, use(0, time=time.time_ns(), key=F2, **rotated))
    assert list(unused(LocalSource(home), (Entry(fingerprint=F1),)).rows) == []


def test_without_an_inventory_there_is_nothing_to_compare(home: Path) -> None:
    """What to give is said."""
    with pytest.raises(QuestionError) as caught:
        unused(LocalSource(home), ())
    assert str(caught.value) == (
        "there is no inventory to compare with\n"
        "hint: name a file by KEYTRAIL_INVENTORY or --inventory; docs/settings.md says which"
    )
