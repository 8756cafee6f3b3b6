from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from journal.journal_kit import lines_of, numbers_of, open_journal, paths_of
from keytrail.journal.accounting import Accounting, Snapshot
from keytrail.journal.bounds import Bounds
from keytrail.journal.cursor import Cursor
from keytrail.journal.segment import Segment, hold, segments, uses_in
from keytrail.journal.strangers import Strangers

DAY = 24 * 3600
NOW = 1_780_000_000_000_000_000
USE = b'{"time":1}\n'


def write_segment(home: Path, start: int, uses: int, *, days_old: int = 0) -> Segment:
    """Write a segment that is still open."""
    segment = Segment.create(home, start)
    segment.append([b'{"record":"start","time":1}\n', *[USE] * uses])
    changed = time.time() - days_old * DAY
    os.utime(segment.path, (changed, changed))
    return segment


def test_old_closed_segments_expire(home: Path) -> None:
    """What was last written before the bound of days goes, counted; the rest stays."""
    now = time.time_ns()
    old = write_segment(home, now - 40 * DAY * 10**9, 3, days_old=31)
    lasting = write_segment(home, now - 40 * DAY * 10**9 + 1, 5, days_old=29)
    young = write_segment(home, now - DAY * 10**9, 7, days_old=1)
    for segment in (old, lasting, young):
        segment.close()
    accounting = Accounting(delivers=False)
    assert Bounds(home, 10**9, 30, accounting, Strangers(home)).refusal(1, now) is None
    assert paths_of(home) == [lasting.path, young.path]
    assert accounting.snapshot() == Snapshot(3, 0, 0, {"expired": 3})


def test_the_oldest_closed_segments_make_room(home: Path) -> None:
    """Only as many go as are needed, the oldest first, and never one that is being written."""
    now = time.time_ns()
    open_one = write_segment(home, now - 4, 10)
    closed = [write_segment(home, now - 3 + number, 10) for number in range(3)]
    for segment in closed:
        segment.close()
    accounting = Accounting(delivers=False)
    bounds = Bounds(home, 3 * open_one.size + 5, 30, accounting, Strangers(home))
    assert bounds.refusal(10, now) == None  # noqa: E711 - reads as the others
    assert paths_of(home) == [open_one.path, closed[2].path]
    assert accounting.snapshot() == Snapshot(20, 0, 0, {"journal_full": 20})


def test_what_somebody_seals_makes_no_room(home: Path) -> None:
    """A segment that is being sealed is no loss, though nobody writes to it any more."""
    segment = write_segment(home, time.time_ns(), 10)
    segment.close()
    accounting = Accounting(delivers=False)
    bounds = Bounds(home, segment.size, 30, accounting, Strangers(home))
    (before,) = segments(home)
    holding = hold(segment.path)
    assert holding is not None
    with pytest.MonkeyPatch.context() as listed_before:
        listed_before.setattr("keytrail.journal.bounds.segments", lambda _: [before])
        assert bounds.refusal(1, time.time_ns()) == "journal_full"
    os.close(holding)
    assert segment.path.exists()
    assert accounting.snapshot() == Snapshot(0, 0, 0, {})


def test_what_makes_room_is_taken_over_by_nobody_meanwhile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a delivery and a bound that want the same segment, one books it."""
    segment = write_segment(home, time.time_ns(), 10)
    Cursor.create(segment.path).close()
    segment.close()
    taken: list[Cursor | None] = []

    def counted(path: Path, offset: int) -> int:
        taken.append(Cursor.take(path))
        return uses_in(path, offset)

    monkeypatch.setattr("keytrail.journal.bounds.uses_in", counted)
    accounting = Accounting(delivers=True)
    assert Bounds(home, segment.size, 30, accounting, Strangers(home)).refusal(1, NOW) is None
    assert taken == [None]
    assert accounting.snapshot() == Snapshot(10, 0, 0, {"journal_full": 10})
    assert list(home.glob("live/*/*")) == []


def test_two_that_make_room_at_once_book_it_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services that share a home reach its bound together."""
    segment = write_segment(home, time.time_ns(), 10)
    segment.close()
    accounting = Accounting(delivers=False)
    first, second = (Bounds(home, segment.size, 30, accounting, Strangers(home)) for _ in range(2))
    refused: list[str | None] = []

    def counted(path: Path, offset: int) -> int:
        refused.append(second.refusal(1, NOW))
        return uses_in(path, offset)

    monkeypatch.setattr("keytrail.journal.bounds.uses_in", counted)
    assert first.refusal(1, NOW) is None
    assert refused == ["journal_full"]
    assert accounting.snapshot() == Snapshot(10, 0, 0, {"journal_full": 10})


def test_a_journal_full_of_living_segments_refuses(home: Path) -> None:
    """Where nothing may be deleted, nothing more is written."""
    segment = write_segment(home, time.time_ns(), 10)
    bounds = Bounds(home, segment.size, 30, Accounting(delivers=False), Strangers(home))
    assert bounds.refusal(1, time.time_ns()) == "journal_full"
    assert segment.path.exists()


def test_the_last_tenth_of_a_disk_is_left_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service must not fill its host, whatever the bytes allow."""
    disk = list(os.statvfs(home.parents[-1]))
    disk[4] = disk[2] // 10 - 1
    monkeypatch.setattr("keytrail.journal.bounds.os.statvfs", lambda _: os.statvfs_result(disk))
    bounds = Bounds(home, 10**9, 30, Accounting(delivers=False), Strangers(home))
    assert bounds.refusal(1, time.time_ns()) == "disk_full"


def test_leftovers_of_a_crash_are_tidied_away(home: Path) -> None:
    """A sidecar whose segment has gone, and a past day without segments, do not stay."""
    orphan = write_segment(home, time.time_ns(), 1)
    Cursor.create(orphan.path).close()
    orphan.path.unlink()
    held = write_segment(home, time.time_ns(), 1)
    cursor = Cursor.create(held.path)
    past = home / "live" / "2020-01-01"
    past.mkdir()
    Bounds(home, 10**9, 30, Accounting(delivers=False), Strangers(home)).refusal(1, time.time_ns())
    assert sorted(home.glob("live/*/*")) == sorted([held.path, cursor.path])
    assert not past.exists()


def test_a_small_journal_keeps_the_newest_uses_and_tells_of_the_gap(home: Path) -> None:
    """Under a bound of bytes a store rolls on; what went is in the gap records and the books."""
    journal = open_journal(home, journal_bytes=60_000)
    for number in range(500):
        journal.put((number, False))
        if number % 10 == 9:
            assert journal.flush(60)
    assert journal.close(60)
    kept = numbers_of(home)
    lost = 500 - len(kept)
    assert kept == list(range(lost, 500))
    assert lost > 0
    assert sum(path.stat().st_size for path in paths_of(home)) < 60_000 + 2_000
    assert journal.accounting.snapshot() == Snapshot(500 + lost, 500, 0, {"journal_full": lost})
    gaps = [line for line in lines_of(home) if line.get("record") == "gap"]
    assert {line["reason"] for line in gaps} == {"journal_full"}
