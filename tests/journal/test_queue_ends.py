"""The end of the audit queue: nothing stays in memory, and nobody writes any more."""

from __future__ import annotations

import threading
from typing import Any

from keytrail.journal.accounting import Accounting
from keytrail.journal.queue import AuditQueue


class Disk:
    """Takes what it is given, unless it is held up."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.answers = threading.Event()
        self.answers.set()
        self.is_asked = threading.Event()

    def write(self, lines: list[int]) -> list[int]:
        """Take ``lines``; they are numbers here."""
        if lines:
            self.is_asked.set()
            assert self.answers.wait(60)
        self.held += lines
        return []


def make_queue(disk: Disk) -> AuditQueue[int]:
    """Return a queue of numbers whose thread looks at it when it is woken, and not before."""
    write: Any = disk.write
    return AuditQueue(list, write, Accounting(delivers=False), size=1000, interval=60)  # type: ignore[arg-type]


def test_what_there_was_no_time_for_is_still_at_work_and_is_written() -> None:
    """A use that comes while the thread writes its last is written; a second close sees it."""
    disk = Disk()
    queue = make_queue(disk)
    disk.answers.clear()
    queue.put(1)
    assert not queue.close(0.05)
    assert disk.is_asked.wait(60)
    queue.put(2)
    assert queue.is_open
    disk.answers.set()
    assert queue.close(60)
    assert disk.held == [1, 2]
    assert not queue.is_open
