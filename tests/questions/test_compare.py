from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import QuestionError, compare
from keytrail.sources import LocalSource
from questions.question_kit import F1, F2, F3, HOUR, T0, rows, use, write

_SINCE, _UNTIL = "2025-11-25T19:00:00Z", "2025-11-25T19:59:59.999999999Z"


def _compare(home: Path, **options: Any) -> Any:
    return compare(LocalSource(home), since=_SINCE, until=_UNTIL, **options)


def test_new_gone_and_changed_keys(home: Path) -> None:
    """The window before is as long, and ends where the other begins."""
    write(
        home,
        *(use(n, time=T0 - 1 - n, key="0" * 64) for n in range(9)),
        use(10, time=T0),
        use(11, time=T0 + HOUR - 1, outcome="denied"),
        use(12, time=T0 + 1, key="d" * 64),
        use(13, time=T0 + HOUR + 1, key="d" * 64),
        use(14, time=T0 + HOUR, key=F2, owner="acme"),
        use(15, time=T0 + 2, key=F3),
        *(use(20 + n, time=T0 + HOUR + 2 + n, key=F3) for n in range(3)),
    )
    answer = _compare(home)
    shown = ("change", "key", "owner", "uses_before", "uses", "denials_before", "denials")
    assert rows(answer, *shown, "first_use", "last_use") == [
        ("new", F2, "acme", 0, 1, 0, 0, T0 + HOUR, T0 + HOUR),
        ("gone", F1, None, 2, 0, 1, 0, T0, T0 + HOUR - 1),
        ("more", F3, None, 1, 3, 0, 0, T0 + 2, T0 + HOUR + 4),
        ("same", "d" * 64, None, 1, 1, 0, 0, T0 + 1, T0 + HOUR + 1),
    ]
    assert answer.question == {
        "name": "compare",
        "by": "key",
        "since": "2025-11-25T19:00:00.000000000Z",
        "before": "2025-11-25T18:00:00.000000000Z",
        "until": "2025-11-25T19:59:59.999999999Z",
    }


def test_windows_of_different_length_are_compared_by_rate(home: Path) -> None:
    """Four uses in two hours are as many as two in one."""
    write(home, *(use(n, time=T0 - HOUR + n) for n in range(4)), use(9, time=T0 + HOUR), use(8))
    (row,) = rows(_compare(home, before="2025-11-25T17:00:00Z"), "change", "uses_before", "uses")
    assert row == ("less", 5, 1)
    (row,) = rows(_compare(home, before="2025-11-25T17:00:00Z", factor=3.0), "change")
    assert row == ("same",)


def test_any_dimension_can_be_compared(home: Path) -> None:
    """Which clients of a key are new."""
    write(home, use(0), use(1, time=T0 + HOUR, client="203.0.113.9"))
    answer = _compare(home, by=("client",))
    assert rows(answer, "change", "key", "client") == [
        ("new", None, "203.0.113.9"),
        ("gone", None, "192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": None}, "--since: the later window has no beginning\nhint: give --since 7d"),
        ({"before": _UNTIL}, "--before: the earlier window is empty\nhint: give an earlier time"),
        ({"factor": 1}, "--factor: nothing changes by this\nhint: give a number above 1"),
    ],
)
def test_windows_that_mean_nothing_are_named(
    home: Path, options: dict[str, Any], message: str
) -> None:
    """What is wrong with them, and what to give."""
    with pytest.raises(QuestionError) as caught:
        compare(LocalSource(home), **{"since": _SINCE, "until": _UNTIL, **options})
    assert str(caught.value) == message
