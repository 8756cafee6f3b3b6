from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from journal.journal_kit import lines_of, numbers_of, open_journal, start_python
from keytrail import faults
from keytrail.journal.accounting import Accounting, Snapshot
from keytrail.journal.queue import AuditQueue
from support.waiting import eventually


def make_queue(
    written: list[bytes], *, size: int = 1000, interval: float = 0.02
) -> tuple[AuditQueue[int], Accounting]:
    """Return a queue of numbers that goes to ``written``; number 13 cannot be prepared."""
    accounting = Accounting(delivers=False)

    def prepare(batch: Sequence[int]) -> list[bytes]:
        if 13 in batch:
            raise KeyError(13)
        return [b"%d\n" % number for number in batch]

    def write(lines: list[bytes]) -> list[bytes]:
        written.extend(lines)
        accounting.journaled(len(lines))
        return []

    return AuditQueue(prepare, write, accounting, size=size, interval=interval), accounting


def test_flush_returns_when_everything_put_before_is_written() -> None:
    """A flush does not wait for the interval, and keeps the order."""
    written: list[bytes] = []
    queue, accounting = make_queue(written, interval=60)
    for number in range(1000):
        queue.put(number)
    assert queue.flush(60)
    assert written == [b"%d\n" % number for number in range(1000) if number != 13]
    assert accounting.snapshot() == Snapshot(1000, 999, 0, {"fault": 1})


@pytest.fixture(autouse=True)
def _counted(counted_faults: None) -> None:
    """Number 13 is a fault in most of these tests."""


def test_a_bad_use_does_not_lose_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A use that cannot be prepared is a counted fault; its 511 neighbours are written."""
    before = faults.counts().get("journal.prepare", 0)
    written: list[bytes] = []
    queue, accounting = make_queue(written)
    for number in range(512):
        queue.put(number)
    assert queue.flush(60)
    assert len(written) == 511
    assert accounting.snapshot() == Snapshot(512, 511, 0, {"fault": 1})
    assert faults.counts()["journal.prepare"] == before + 1


def test_a_writer_that_raises_is_a_fault_and_the_thread_lives_on() -> None:
    """An error that nobody foresaw costs its batch, counted, and not the ones behind."""
    accounting = Accounting(delivers=False)
    written: list[bytes] = []

    def write(lines: list[bytes]) -> list[bytes]:
        if lines == [b"1"]:
            raise RuntimeError
        written.extend(lines)
        accounting.journaled(len(lines))
        return []

    queue: AuditQueue[bytes] = AuditQueue(list, write, accounting, size=10, interval=0.01)
    for item in (b"1", b"2"):
        queue.put(item)
        assert queue.flush(60)
    assert written == [b"2"]
    assert accounting.snapshot() == Snapshot(2, 1, 0, {"fault": 1})


def test_a_full_queue_drops_counts_and_warns_once(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case D2 in memory: the equation holds at every look, and there is one warning, not 5000."""
    journal = open_journal(home, queue_size=64, journal_interval=0.5)
    for number in range(5000):
        journal.put((number, False))
        if number % 100 == 0:
            books = journal.accounting.snapshot()
            assert books.seen == books.delivered + books.waiting + sum(books.dropped.values())
            assert 0 <= books.waiting <= 64 + 512
    assert journal.flush(60)
    assert journal.close(60)
    books = journal.accounting.snapshot()
    kept = len(numbers_of(home))
    assert books == Snapshot(5000, kept, 0, {"queue_full": 5000 - kept})
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == [
        "queue_full"
    ]
    gaps = [line["attributes"]["uses"] for line in lines_of(home) if line.get("record") == "gap"]
    assert sum(gaps) == 5000 - kept


def test_a_use_put_after_close_is_written_at_once(home: Path) -> None:
    """What ends while the process ends is not lost."""
    journal = open_journal(home)
    assert journal.close(60)
    journal.put((1, False))
    assert numbers_of(home) == [1]
    assert journal.accounting.snapshot() == Snapshot(1, 1, 0, {})


class Gated:
    """A queue of bytes whose writing stands still until it is let on."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.entered, self.open = threading.Event(), threading.Event()
        accounting = Accounting(delivers=False)
        self.queue: AuditQueue[bytes] = AuditQueue(
            list, self._write, accounting, size=10, interval=60
        )

    def _write(self, lines: list[bytes]) -> list[bytes]:
        if lines:
            self.entered.set()
            assert self.open.wait(60)
        self.written += lines
        return []


def test_a_use_put_while_the_last_round_runs_is_written() -> None:
    """Who is at it when the journal is closed writes what others could not."""
    gated = Gated()
    gated.queue.put(b"1")
    assert not gated.queue.flush(0)
    assert gated.entered.wait(60)
    assert not gated.queue.close(0)
    gated.queue.put(b"2")
    assert gated.written == []
    gated.open.set()
    eventually(lambda: gated.written == [b"1", b"2"])


def test_the_end_waits_for_who_writes() -> None:
    """A use that is put while the journal is closed does not cost the stop record."""
    gated = Gated()
    assert gated.queue.close(0)
    late = threading.Thread(target=gated.queue.put, args=(b"1",))
    late.start()
    assert gated.entered.wait(60)
    assert not gated.queue.alone(lambda: gated.written.append(b"too early"))
    threading.Timer(0.05, gated.open.set).start()
    assert gated.queue.alone(lambda: gated.written.append(b"end"), 60)
    late.join()
    assert gated.written == [b"1", b"end"]


def test_what_is_put_beside_the_end_is_written_behind_it() -> None:
    """A use that comes while the segments are ended is not left in memory."""
    gated = Gated()
    gated.open.set()
    assert gated.queue.close(0)

    def end() -> None:
        gated.queue.put(b"1")
        gated.written.append(b"end")

    assert gated.queue.alone(end)
    assert gated.written == [b"end", b"1"]


def test_a_strict_journal_begins_nothing_when_it_has_ended(home: Path) -> None:
    """Its last segment is the one with the stop record, though it is to have one at any time."""
    journal = open_journal(home, strict="on", journal_interval=0.001)
    journal.put((1, False))
    assert journal.close(60)
    thread = journal._queue._thread
    assert thread is not None
    eventually(lambda: not thread.is_alive())
    assert [line.get("record", "use") for line in lines_of(home)] == [
        *("start", "origin", "use", "stop")
    ]


LATE = """
import atexit, pathlib, sys
from journal.journal_kit import open_journal
journal = open_journal(pathlib.Path(sys.argv[1]))
class Late:
    def __del__(self):
        journal.put((2, False))
keep = [Late()]
sys.modules["late"] = keep  # goes when the interpreter clears its modules
atexit.register(lambda: journal.put((1, False)))
atexit.register(journal.close, 60)
"""


def test_a_use_put_while_the_interpreter_shuts_down_is_written(home: Path) -> None:
    """No thread can be started any more then, so the use is written by who puts it."""
    process = start_python(LATE, home)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert 1 in numbers_of(home)


FIRST_PUT_AT_EXIT = """
import atexit, pathlib, sys
from journal.journal_kit import open_journal
journal = open_journal(pathlib.Path(sys.argv[1]))
atexit.register(lambda: (journal.put((1, False)), journal.close(60)))
"""


def test_the_first_use_may_come_at_exit(home: Path) -> None:
    """Where the thread cannot be started any more, the use is still on disk."""
    process = start_python(FIRST_PUT_AT_EXIT, home)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert numbers_of(home) == [1]


SIGNALLED = """
import os, pathlib, signal, sys
from journal.journal_kit import open_journal
journal = open_journal(pathlib.Path(sys.argv[1]), queue_size=1_000_000, journal_interval=10)
number = 0
def on_term(*_):
    flushed = journal.flush(60)
    print(flushed, number, flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGVTALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
while True:
    journal.put((number, False))
    number += 1
"""


def test_sigterm_in_the_middle_of_put_is_flushed(home: Path) -> None:
    """A handler that interrupts ``put`` flushes everything that was put before it.

    The signal comes after so much work, not time: so many uses are put on a busy machine too.
    """
    for _ in range(2):
        process = start_python(SIGNALLED, home)
        flushed, number = process.communicate(timeout=120)[0].split()
        assert flushed == "True"
        assert len(numbers_of(home)) >= int(number)
        for path in home.glob("live/*/*.ndjson"):
            path.unlink()


def test_many_threads_lose_nothing(home: Path) -> None:
    """Every use of every thread is seen once and written once."""
    journal = open_journal(home)

    def work(first: int) -> None:
        for number in range(first, first + 500):
            journal.put((number, False))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 4000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.close(60)
    assert numbers_of(home) == list(range(4000))
    assert journal.accounting.snapshot() == Snapshot(4000, 4000, 0, {})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_begins_its_own_segment_and_writes_nothing_twice(home: Path) -> None:
    """What waited in the parent's memory is the parent's; the child has its own file and books."""
    journal = open_journal(home, journal_interval=0.3)
    journal.put((0, False))
    assert journal.flush(60)
    journal.put((1, False))
    child = os.fork()
    if child == 0:
        journal.put((2, False))
        right = journal.close(60) and journal.accounting.snapshot() == Snapshot(1, 1, 0, {})
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.put((3, False))
    assert journal.close(60)
    assert numbers_of(home) == [0, 1, 2, 3]
    assert len(list(home.glob("live/*/*.ndjson"))) == 2
    assert journal.accounting.snapshot() == Snapshot(3, 3, 0, {})
