from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import QuestionError, keys, uses
from keytrail.semconv import REDACTED
from keytrail.sources import LocalSource
from questions.question_kit import F1, F2, F3, T0, rows, use, write

_ROTATED = {"attributes": {"keytrail.key.previous_hash": F1}}


def _times(home: Path, key: Any, **filters: Any) -> list[int]:
    answer = uses(LocalSource(home), key=key, **filters)
    return [(time - T0) // 10**9 for (time,) in rows(answer, "time")]


@pytest.fixture
def rotated(home: Path) -> Path:
    """One key before, during and after a rotation of the pepper, and another key."""
    write(
        home,
        use(0),
        use(1, key=F2, pepper_id="aaaaaaaa", **_ROTATED),
        use(2, key=F2, pepper_id="aaaaaaaa"),
        use(3, key=F3),
    )
    return home


@pytest.mark.parametrize("key", [F1, F1[:8], F1.upper(), F2, F2[:12], (F2, F1), [F1]])
@pytest.mark.parametrize("since", [None, "2025-11-25"])
def test_every_way_to_name_a_key_gives_the_same_uses(
    rotated: Path, key: Any, since: str | None
) -> None:
    """A whole fingerprint, its first digits, that under the pepper before, or all of them."""
    assert _times(rotated, key, since=since) == [2, 1, 0]


def test_a_time_range_does_not_hide_that_two_fingerprints_are_one_key(rotated: Path) -> None:
    """The use that says so may lie outside of it."""
    assert _times(rotated, F1, since="2025-11-25T18:00:02Z") == [2]


@pytest.mark.parametrize("key", [F1, F1[:8], F2, F2[:8], F3, F3[:8]])
def test_a_pepper_that_was_rotated_twice_is_followed(home: Path, key: str) -> None:
    """Back and on: each rotation leaves uses that name the fingerprint before."""
    write(
        home,
        use(0),
        use(1, key=F2, **_ROTATED),
        use(2, key=F3, attributes={"keytrail.key.previous_hash": F2}),
    )
    assert _times(home, key) == [2, 1, 0]


def test_of_fingerprints_that_a_key_may_have_those_that_were_seen_are_meant(home: Path) -> None:
    """And shown; where none was seen, none can be told from the others."""
    write(home, use(0))
    assert uses(LocalSource(home), key=[F2, F1]).question["key"] == F1
    assert uses(LocalSource(home), key=[F2, F3]).question["key"] == REDACTED


def test_digits_that_begin_two_fingerprints_are_told_apart(home: Path) -> None:
    """The candidates are listed with what they go by."""
    other = F1[:10] + "f" * 54
    write(home, use(0, owner="acme"), use(1, key=other, key_name="ci"))
    with pytest.raises(QuestionError) as caught:
        keys(LocalSource(home), key=F1[:9])
    assert str(caught.value) == (
        "--key: 2 keys have fingerprints that begin with these digits\n"
        f"  {other[:16]} ci last used 2025-11-25 18:00:01 UTC\n"
        f"  {F1[:16]} acme last used 2025-11-25 18:00:00 UTC\n"
        "hint: give more digits"
    )
    assert _times(home, F1[:11]) == [0]


def test_a_public_id_may_have_several_fingerprints(home: Path) -> None:
    """An id stays when its secret is replaced; one that looks like digits is an id all the same."""
    sid = "AC0123456789abcdef0123456789abcdef"
    write(home, use(0, key_id=sid), use(1, key=F2, key_id=sid), use(2, key=F3, key_id=sid.lower()))
    assert _times(home, sid) == [1, 0]


@pytest.mark.parametrize("nothing", ["", " ", "\n"])
def test_an_empty_key_is_no_key(home: Path, nothing: str) -> None:
    """A variable of a shell that is not set must not look like a key that was not seen."""
    with pytest.raises(QuestionError) as caught:
        uses(LocalSource(home), key=nothing)
    assert str(caught.value) == "--key: this is empty\nhint: give a fingerprint or a public id"
