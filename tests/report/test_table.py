from __future__ import annotations

import io
from typing import Any

import pytest

from keytrail.questions import Answer
from keytrail.questions.keys import KEY_COLUMNS
from keytrail.report import write
from keytrail.sources import Completeness
from store.segment_kit import SECOND, T0
from support.cases import F1, F2

_EXACT = Completeness(worth="exact", begins=T0, ends=T0 + SECOND)
_KEYS = [
    (F1, None, "ci", "acme", "self", "incoming", T0, T0 + SECOND, 1234, 0, 56, 7, 1, 3),
    (F2, None, None, None, "stripe", "outgoing", T0, T0, 2, 1, 0, 0, 1, 0),
    (None, None, None, None, None, "incoming", T0, T0, 9, 0, 9, 1, 1, 1),
]


def _table(*rows: tuple[Any, ...], columns: tuple[str, ...], worth: Completeness = _EXACT) -> str:
    data = io.StringIO()
    write(Answer({"name": "uses"}, columns, iter(rows), worth), "table", data, io.StringIO())
    return "\n".join(line.rstrip() for line in data.getvalue().splitlines())


def test_the_keys_at_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short fingerprints, the columns that matter most, and what the answer is worth."""
    monkeypatch.setenv("COLUMNS", "80")
    assert _table(*_KEYS, columns=KEY_COLUMNS) == (
        "key           key name  owner  direction  last use              uses  denials\n"
        "─────────────────────────────────────────────────────────────────────────────\n"
        "547402dd407e  ci        acme   incoming   2025-11-25 18:00:01  1,234       56\n"
        "ca8a8e4ea63b                   outgoing   2025-11-25 18:00:00      2        0\n"
        "(no key)                       incoming   2025-11-25 18:00:00      9        9\n"
        "\n"
        "2 keys, 1,245 uses (6 more columns in a wider terminal or with --format json)\n"
        "exact: 2025-11-25 18:00:00 to 2025-11-25 18:00:01 UTC"
    )


@pytest.mark.parametrize("columns", range(20, 200, 12))
def test_no_line_of_a_table_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Whatever the width, columns are left out or cut, rows are never folded."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = _table(*_KEYS, columns=KEY_COLUMNS).split("\n\n")[0].splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= columns


def test_a_pipe_gets_every_column_with_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out or cut where no terminal limits the width."""
    monkeypatch.delenv("COLUMNS", raising=False)
    path = "/" + "x" * 200
    shown = _table((T0, F1, path, None), columns=("time", "key", "path", "host"))
    assert shown.splitlines()[0].split() == ["time", "key", "path"]
    assert "1 use\n" in shown


def test_recorded_values_are_shown_and_not_obeyed() -> None:
    """Markup, escape sequences and bidirectional controls stand there as text."""
    values = ("[bold]x[/]", "\x1b[31mred", "\u202eevil", ":smile:", "a\nb", "ключ\N{SNOWMAN}")
    shown = _table(*((T0, value) for value in values), columns=("time", "path"))
    rows = [line.split("  ")[1] for line in shown.splitlines()[2 : 2 + len(values)]]
    assert rows == [
        *("[bold]x[/]", r"\x1b[31mred", r"\u202eevil", ":smile:", r"a\nb", "ключ\N{SNOWMAN}"),
    ]


def test_reasons_are_told_under_the_answer() -> None:
    """One line a reason, after the worth."""
    worth = Completeness(worth="bounded", begins=T0, ends=T0, reasons=("one", "t\x1bwo"))
    assert _table((T0, F1), columns=("time", "key"), worth=worth).endswith(
        "\n1 use\nbounded: 2025-11-25 18:00:00 to 2025-11-25 18:00:00 UTC\n  one\n  t\\x1bwo"
    )


def test_no_uses_are_not_seen_since_and_never_never_used() -> None:
    """Nobody can tell what was before the record began."""
    assert _table(columns=("time", "key")) == (
        "no uses: none seen since 2025-11-25 18:00:00 UTC\n"
        "exact: 2025-11-25 18:00:00 to 2025-11-25 18:00:01 UTC"
    )


def test_no_uses_of_a_time_that_is_over_are_not_seen_in_it() -> None:
    """Nothing is said of what came after, nor of what was not read."""
    cut = Completeness(worth="truncated", begins=T0, ends=T0, reasons=("stopped after 5 uses",))
    until = {"name": "uses", "until": "2025-11-25T18:00:01.000000000Z"}
    for question, worth, told in (
        (until, _EXACT, "no uses: none seen from 2025-11-25 18:00:00 to 2025-11-25 18:00:01 UTC"),
        ({"name": "uses"}, cut, "no uses found, and not all were read"),
    ):
        data = io.StringIO()
        write(Answer(question, ("time",), iter(()), worth), "table", data, io.StringIO())
        assert data.getvalue().splitlines()[0] == told


def test_an_empty_record_says_why() -> None:
    """Without a beginning there is no time to name."""
    worth = Completeness(worth="bounded", begins=None, ends=T0, reasons=("it is empty",))
    assert _table(columns=("key",), worth=worth) == "no uses\nbounded\n  it is empty"


def test_a_key_that_nobody_used_gets_a_hint() -> None:
    """Whoever gave a raw key, or a wrong fingerprint, learns what to do."""
    talk = io.StringIO()
    question = {"name": "uses", "key": "REDACTED"}
    write(Answer(question, ("time",), iter(()), _EXACT), "table", io.StringIO(), talk)
    assert talk.getvalue() == (
        "no use has this fingerprint or public key id\n"
        "hint: `keytrail fingerprint` reads a key and prints its fingerprint\n"
    )
