from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import keys, uses
from keytrail.settings import Settings
from keytrail.sources import CannotAnswer, Completeness, Limits, LocalSource, connect, local
from keytrail.store import segments
from keytrail.store.store import Store
from store.segment_kit import SECOND, T0, delivered, record, use, write


def _worth(home: Path, **filters: Any) -> Completeness:
    return keys(LocalSource(home), until="2025-11-26", **filters).completeness


def _completeness(worth: Any, *reasons: str, begins: int | None = T0) -> Completeness:
    midnight = T0 + 6 * 3600 * SECOND
    return Completeness(worth=worth, begins=begins, ends=midnight, reasons=reasons)


def test_a_whole_journal_is_exact(home: Path) -> None:
    """From the first record to the time asked for."""
    write(home, record("start"), use(1))
    assert _worth(home) == _completeness("exact")


def test_an_answer_up_to_now_ends_when_it_was_asked(home: Path) -> None:
    """What is written later cannot be in it."""
    write(home, use(0))
    before = time.time_ns()
    assert before <= keys(LocalSource(home)).completeness.ends <= time.time_ns()


def test_an_empty_journal_is_told(home: Path) -> None:
    """No uses in a journal that nobody wrote to is not the same as no uses."""
    assert _worth(home) == _completeness("bounded", f"the journal in {home} is empty", begins=None)


def test_time_before_the_journal_is_told(home: Path) -> None:
    """A key that was not seen since the journal began may have been used before."""
    write(home, use(0))
    assert _worth(home, since="2025-11-25") == _completeness(
        "bounded", "the journal begins at 2025-11-25 18:00:00 UTC"
    )


def test_a_time_before_the_journal_is_not_in_it(home: Path) -> None:
    """It holds nothing of it: no uses are not the same as none seen."""
    write(home, use(0))
    found = keys(LocalSource(home), until="2025-11-20").completeness
    assert (found.worth, found.begins) == ("bounded", None)
    assert found.reasons == ("the journal begins at 2025-11-25 18:00:00 UTC",)


def test_a_later_beginning_that_was_asked_for_is_exact(home: Path) -> None:
    """The answer begins where the question does."""
    write(home, use(0), use(9))
    assert _worth(home, since="2025-11-25T18:00:05Z") == _completeness(
        "exact", begins=T0 + 5 * SECOND
    )


def test_what_was_delivered_is_told(home: Path) -> None:
    """How many, from when to when, and where to ask."""
    write(home, use(0))
    delivered(home, uses=1200, first=T0 - SECOND, last=T0)
    delivered(home, endpoint="vendor:443")
    assert _worth(home) == _completeness(
        "bounded",
        "1,200 uses from 2025-11-25 17:59:59 UTC to 2025-11-25 18:00:00 UTC, "
        "delivered to collector:4318: ask there",
        "1 use from 2025-11-25 18:00:00 UTC to 2025-11-25 18:00:00 UTC, "
        "delivered to vendor:443: ask there",
    )


def test_lost_uses_are_told_by_reason(home: Path) -> None:
    """Notes of the same reason are added up; an unknown reason is told as it is."""
    write(
        home,
        use(0),
        record("gap", 1, reason="expired", attributes={"uses": 40}),
        record("gap", 2, reason="expired", attributes={"uses": 2}),
        record("gap", 3, reason="meteor", attributes={"uses": 1}),
    )
    assert _worth(home) == _completeness(
        "bounded",
        "42 uses lost: they were older than the journal keeps (last noted 2025-11-25 18:00:02 UTC)",
        "1 use lost: meteor (last noted 2025-11-25 18:00:03 UTC)",
    )


def test_losses_before_the_time_asked_for_do_not_matter(home: Path) -> None:
    """A gap that was noted before the question's beginning is none in the answer."""
    write(home, use(0), record("gap", 1, reason="queue_full", attributes={"uses": 4}), use(9))
    assert _worth(home, since="2025-11-25T18:00:05Z").worth == "exact"


def test_holes_in_the_journal_are_told(home: Path) -> None:
    """Bad lines, half lines and several peppers each are a reason."""
    write(home, use(0), b"nonsense\n", b"nonsense\n", use(1, pepper_id="aaaaaaaa"), b'{"ti')
    assert _worth(home) == _completeness(
        "bounded",
        "2 lines of the journal cannot be parsed",
        "half a line at the end of 1 segment, left by a writer that died",
        "keys were fingerprinted under 2 peppers (8805e1a2, aaaaaaaa): "
        "one key may appear as several",
    )


def _deliver_after_listing(monkeypatch: pytest.MonkeyPatch, home: Path, times: int) -> None:
    """Let a segment go away between the reader's look at the directory and its first read."""
    listed = segments.find
    left = [use(1)] * times

    def find(where: Path) -> segments.Segments:
        if not left:
            return listed(where)
        path = write(home, left.pop(), name="goes.ndjson")
        found = listed(where)
        path.unlink()
        return found

    monkeypatch.setattr(segments, "find", find)


def test_a_segment_that_is_delivered_meanwhile_is_no_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is read again, and what is left of it is the answer."""
    write(home, use(0), name="stays.ndjson")
    _deliver_after_listing(monkeypatch, home, times=3)
    assert [row[0] for row in uses(LocalSource(home)).rows] == [T0]


def test_a_journal_that_never_holds_still_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some readings the source gives up, and says where."""
    _deliver_after_listing(monkeypatch, home, times=100)
    with pytest.raises(CannotAnswer) as caught:
        uses(LocalSource(home))
    what, hint = str(caught.value).split("\n")
    assert what.startswith(f"the journal in {home} cannot be read: IO Error: ")
    assert hint == "hint: ask again"


def test_a_line_without_an_end_is_told(home: Path) -> None:
    """What a power cut left as megabytes of nothing costs itself alone."""
    write(home, use(0), b"\0" * 40_000_000)
    assert _worth(home) == _completeness(
        "bounded", "half a line at the end of 1 segment, left by a writer that died"
    )


def test_a_line_that_is_too_long_to_read_is_told(home: Path) -> None:
    """It is passed over, and the uses behind it are counted."""
    write(home, use(0), b"\0" * 20_000_000 + b"\n", use(1))
    answer = keys(LocalSource(home), until="2025-11-26")
    assert [row[8] for row in answer.rows] == [2]
    assert answer.completeness == _completeness("bounded", "1 line of the journal cannot be parsed")


def test_a_home_that_is_no_directory_is_told(tmp_path: Path) -> None:
    """What, where, and a hint."""
    (tmp_path / "live").write_text("")
    with pytest.raises(CannotAnswer) as caught:
        keys(LocalSource(tmp_path))
    assert str(caught.value) == (
        f"the journal in {tmp_path} cannot be read: Not a directory\n"
        "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME"
    )


class _Endless(Store):
    """A store in which a query ends when it is interrupted, and not before."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> None:
        if "condition" in vars(self):  # it has been opened
            super().execute("SELECT sum(a.range) FROM range(10000000) a, range(10000000) b")
        super().execute(sql, values)


def test_a_question_that_takes_too_long_is_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a part of an answer: the journal counts whole or not at all."""
    write(home, use())
    monkeypatch.setattr(local, "Store", _Endless)
    with pytest.raises(CannotAnswer) as caught:
        list(uses(LocalSource(home, Limits(seconds=0.0))).rows)
    assert str(caught.value) == (
        "the journal was not read within the time that was given\n"
        "hint: ask for less time, or give it more by --timeout"
    )


def test_an_answer_whose_time_is_over_while_it_is_read_is_ended(home: Path) -> None:
    """Rows that came do not make it whole."""
    write(home, *map(use, range(5000)))
    limits = Limits()
    rows = iter(uses(LocalSource(home, limits)).rows)
    next(rows)
    limits.interrupt()
    with pytest.raises(CannotAnswer, match=r"^the journal was not read within the time"):
        list(rows)


def test_an_unknown_source_is_told() -> None:
    """Only the kind of address is named: the rest may hold a password."""
    with pytest.raises(CannotAnswer) as caught:
        connect(Settings(), "gopher://user:secret@host/")
    assert str(caught.value) == (
        "no source can read 'gopher' addresses\nhint: give an address such as "
        "clickhouse://host:8123/database, jaeger+http://host:16686 or tempo+https://host, or the "
        "name of a profile; docs/sources.md shows both"
    )
