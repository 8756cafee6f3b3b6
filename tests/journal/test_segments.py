from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from journal.journal_kit import (
    end_journals,
    lines_of,
    numbers_of,
    open_journal,
    paths_of,
    start_python,
)
from keytrail.journal import lock
from keytrail.journal import segment as segment_module
from keytrail.journal.lock import hold
from keytrail.journal.segment import Segment, UnwrittenError, segments, uses_in
from support.waiting import eventually

DAY = 24 * 3600 * 10**9
NOW = 1_780_000_000_000_000_000


def test_files_are_private_whatever_the_umask(home: Path) -> None:
    """Directories are 0700 and segments 0600: the record holds client addresses."""
    before = os.umask(0)
    try:
        Segment.create(home, NOW).close()
        os.umask(0o777)
        path = Segment.create(home / "other", NOW).path
    finally:
        os.umask(before)
    modes = {found: stat.S_IMODE(found.stat().st_mode) for found in [home, *home.rglob("*"), path]}
    assert {mode for found, mode in modes.items() if found.is_dir()} == {0o700}
    assert {mode for found, mode in modes.items() if found.is_file()} == {0o600}


def test_a_segment_is_open_while_its_writer_lives_and_then_closed(home: Path) -> None:
    """The state is the lock's, so a reader need not trust process ids."""
    script = (
        "import sys, time, pathlib\n"
        "from keytrail.journal.segment import Segment\n"
        f"segment = Segment.create(pathlib.Path({str(home)!r}), {NOW})\n"
        "segment.append([b'{}\\n'])\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = start_python(script)
    assert process.stdout is not None
    process.stdout.readline()
    assert [found.state for found in segments(home)] == ["open"]
    process.kill()
    process.communicate()
    (found,) = segments(home)
    assert (found.state, found.size, found.day, found.start) == ("closed", 3, "2026-05-28", NOW)


def test_a_day_that_goes_while_it_is_listed_is_empty(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process removes a past day when its last segment has gone."""
    segment = Segment.create(home, NOW)
    (home / "live" / "2020-01-01").mkdir()
    days = segment_module.live_days

    def listed(home: Path) -> list[Path]:
        found = days(home)
        (home / "live" / "2020-01-01").rmdir()
        return found

    monkeypatch.setattr(segment_module, "live_days", listed)
    assert [found.path for found in segments(home)] == [segment.path]


def test_a_day_that_goes_while_its_first_segment_is_begun_comes_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At midnight another process may take the new directory for that of a past day."""
    create = segment_module.private_directory
    removed: list[Path] = []

    def created(home: Path, *names: str) -> Path:
        path = create(home, *names)
        if not removed:
            removed.append(path)
            path.rmdir()
        return path

    monkeypatch.setattr(segment_module, "private_directory", created)
    assert Segment.create(home, NOW).path.parent == removed[0]


def test_a_segment_that_cannot_be_begun_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system has no locks, each attempt must not cost a file."""

    def refuses(*_: object) -> None:
        raise OSError(37, "No locks available")

    with monkeypatch.context() as broken:
        broken.setattr("keytrail.journal.segment.fcntl.flock", refuses)
        with pytest.raises(OSError, match="No locks"):
            Segment.create(home, NOW)
    assert list(home.glob("live/*/*")) == []


def test_who_only_looks_does_not_keep_others_from_a_segment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To see whether a segment is closed takes its lock for a moment, which is waited for."""
    segment = Segment.create(home, NOW)
    segment.close()
    looking = os.open(segment.path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    waits = SimpleNamespace(sleep=lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
    monkeypatch.setattr(lock, "native", waits)
    holding = hold(segment.path)
    assert holding is not None
    assert [found.state for found in segments(home)] == ["open"]
    assert hold(segment.path) is None
    os.close(holding)
    os.close(looking)


def test_no_home_has_no_segments(home: Path) -> None:
    """A home that was never written to is an empty journal, not an error."""
    assert segments(home) == []


TORN = """
import errno, json, pathlib, resource, signal, sys
from keytrail.journal.segment import Segment, UnwrittenError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
segment = Segment.create(pathlib.Path(sys.argv[1]), 1)
segment.append([b'"first"\\n'])
resource.setrlimit(resource.RLIMIT_FSIZE, (30, resource.RLIM_INFINITY))
lines = [b'"second"\\n', b'"a third that does not fit"\\n', b'"fourth"\\n']
try:
    segment.append(lines)
except UnwrittenError as error:
    assert error.errno == errno.EFBIG, error
    rest = error.lines
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert rest == lines[1:], rest
segment.append(rest)
assert segment.size == segment.path.stat().st_size
"""


def test_a_half_written_line_is_taken_back(home: Path) -> None:
    """When the disk takes half a batch, its whole lines stay and the rest is kept."""
    subprocess.run([sys.executable, "-c", TORN, str(home)], check=True)
    (path,) = paths_of(home)
    assert path.read_bytes().splitlines() == [
        b'"first"',
        b'"second"',
        b'"a third that does not fit"',
        b'"fourth"',
    ]


def test_a_half_line_that_cannot_be_taken_back_is_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even truncation fails, the next write begins on a fresh line."""
    segment = Segment.create(home, NOW)
    write = os.write
    room = [5]

    def limited(descriptor: int, data: memoryview) -> int:
        if not room:
            failing()
        return write(descriptor, data[: room.pop()])

    def failing(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("keytrail.journal.segment.os.write", limited)
        broken.setattr("keytrail.journal.segment.os.ftruncate", failing)
        with pytest.raises(UnwrittenError) as raised:
            segment.append([b"1\n", b"22222\n"])
    segment.append(raised.value.lines)
    assert segment.path.read_bytes() == b"1\n222\n22222\n"
    assert segment.size == segment.path.stat().st_size


def test_uses_are_counted_without_records_and_torn_tails(home: Path) -> None:
    """Only whole lines that are uses count."""
    segment = Segment.create(home, NOW)
    segment.append([b'{"record":"start","time":1}\n', b'{"time":1}\n', b'{"time":2}\n', b'{"ti'])
    assert uses_in(segment.path) == 2
    assert uses_in(segment.path, 39) == 1


def test_a_segment_tells_its_own_story(home: Path) -> None:
    """Start, origin, uses and stop stand in one segment, in order."""
    journal = open_journal(home)
    journal.put((1, False))
    assert journal.close(60)
    start, origin, use, stop = lines_of(home)
    assert start["record"] == "start"
    assert start["attributes"]["service"] == "orders"
    assert start["attributes"]["pid"] == os.getpid()
    assert set(start["attributes"]) == {"service", "pid", "host", "version", "settings", "number"}
    assert (origin["record"], origin["attributes"]) == ("origin", {"service.name": "orders"})
    assert use["span"]["origin"] == origin["origin"]
    assert stop["record"] == "stop"
    assert stop["attributes"] == {"segment": paths_of(home)[0].name, "uses": 1}


def test_a_new_segment_begins_at_midnight_and_when_one_is_full(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No segment spans two UTC days or outgrows its share, and each can be read alone."""
    clock = [NOW]
    monkeypatch.setattr("keytrail.journal.writer.now", lambda: clock[0])
    journal = open_journal(home, journal_bytes=40_000)
    for number in range(20):
        journal.put((number, False))
        assert journal.flush(60)
        clock[0] += 1
    full = paths_of(home)
    clock[0] += DAY
    journal.put((20, False))
    assert journal.flush(60)
    assert len(full) > 1
    assert max(path.stat().st_size for path in full) <= 5_000 + 100
    assert [path.parent.name for path in paths_of(home)] == ["2026-05-28"] * len(full) + [
        "2026-05-29"
    ]
    assert numbers_of(home) == list(range(21))
    for path in paths_of(home):
        records = [line.split(b'"')[3] for line in path.read_bytes().splitlines()[:2]]
        assert records == [b"start", b"origin"]


def test_a_deleted_segment_is_replaced(home: Path) -> None:
    """When somebody removes the home, what follows goes to a new segment."""
    journal = open_journal(home)
    journal.put((1, False))
    assert journal.flush(60)
    paths_of(home)[0].unlink()
    journal.put((2, False))
    assert journal.flush(60)
    assert numbers_of(home) == [2]


def test_an_unwritable_home_costs_uses_but_never_raises(
    home: Path,
    counted_faults: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Uses are dropped with the reason and one warning, and the journal recovers by itself."""
    monkeypatch.setattr("keytrail.journal.writer.KEEP_SECONDS", 0.05)
    home.parent.mkdir(parents=True)
    home.write_text("a file where the directory should be")
    journal = open_journal(home)
    for number in range(3):
        journal.put((number, False))
        eventually(lambda: journal.accounting.snapshot().waiting == 0)
    assert journal.accounting.drops() == {"home_unwritable": 3}
    home.unlink()
    journal.put((3, False))
    eventually(lambda: numbers_of(home) == [3])
    assert len(caplog.records) == 1
    assert "home_unwritable" in caplog.text
    assert "hint: make KEYTRAIL_HOME a directory" in caplog.text
    (gap,) = (line for line in lines_of(home) if line.get("record") == "gap")
    assert (gap["reason"], gap["attributes"]) == ("home_unwritable", {"uses": 3})


def test_what_cannot_be_written_at_the_end_is_told(
    home: Path, counted_faults: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A short process does not live to try again: its uses are dropped with the one warning."""
    home.parent.mkdir(parents=True)
    home.write_text("a file where the directory should be")
    journal = open_journal(home, journal_interval=60)
    for number in range(1500):
        journal.put((number, False))
    journal.close(5)
    assert journal.accounting.drops() == {"home_unwritable": 1500}
    assert journal.accounting.snapshot().waiting == 0
    (warning,) = caplog.records
    assert "home_unwritable" in warning.getMessage()


def test_a_full_disk_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full file system uses wait, then drop as ``disk_full``; freed space is used again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted without privileges")
    try:
        monkeypatch.setattr("keytrail.journal.writer.KEEP_SECONDS", 0.05)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1000 * 1024))
        journal = open_journal(disk / "home")
        journal.put((1, False))
        eventually(lambda: journal.accounting.drops() == {"disk_full": 1})
        ballast.unlink()
        journal.put((2, False))
        eventually(lambda: numbers_of(disk / "home") == [2])
    finally:
        journal.close(60)
        end_journals()
        subprocess.run(["umount", str(disk)], check=True)
