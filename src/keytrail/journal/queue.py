"""The audit queue: request threads put uses in, one daemon thread writes them.

Nothing here waits for a lock that an interrupted thread may hold, so that ``put`` and ``flush`` can
be called from a signal handler: a ``SimpleQueue`` is reentrant, the writer's lock is only ever
tried, and ``flush`` watches plain integers.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from keytrail import faults, native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keytrail.journal.accounting import Accounting, Trouble

Item = TypeVar("Item")

BATCH: Final = 512
_GLANCE: Final = 0.005
"""Seconds between two looks of a waiting ``flush``."""
STALLED_SECONDS: Final = 5.0
"""A round that takes longer is taken for one that waits for a disk."""


class AuditQueue(Generic[Item]):
    """Bounded memory between the requests and the journal."""

    def __init__(
        self,
        prepare: Callable[[Sequence[Item]], list[bytes]],
        write: Callable[[list[bytes]], list[bytes]],
        accounting: Accounting,
        *,
        size: int,
        interval: float,
        running: Callable[[], Sequence[Item]] = tuple,
    ) -> None:
        """``prepare`` returns one line for each item; ``write`` the lines to try again.

        ``write`` is also called with nothing, every ``interval`` seconds, to do what time asks for.
        ``running`` returns items to write ahead of those that were put, so that what is put about
        the same thing afterwards stands behind it.
        """
        self._prepare = prepare
        self._write = write
        self._running = running
        self._accounting = accounting
        self._size = size
        self._interval = interval
        self._begin()

    def _begin(self) -> None:
        self._items: native.SimpleQueue[Item] = native.SimpleQueue()
        self._wake: native.SimpleQueue[None] = native.SimpleQueue()
        self._kept: list[bytes] = []
        self._starting = native.Lock()
        self._writing = native.Lock()
        self._thread: native.Thread | None = None
        self._closed = False
        self._rounds_begun = 0
        self._rounds_ended = 0
        self._round_since = 0.0

    def after_fork(self) -> None:
        """Begin empty in a forked child: what waited in memory is the parent's to write."""
        self._begin()

    def put(self, item: Item) -> None:
        """Hand a use over; never blocks. A full queue counts it as dropped.

        After :meth:`close`, and when the interpreter shuts down, it is written at once.
        """
        self._accounting.saw()
        waiting = self._items.qsize()
        if waiting >= self._size:
            self._accounting.dropped("queue_full")
            return
        self._items.put(item)
        if self._closed or (self._thread is None and not self._start()):
            self._drain()
        elif waiting == BATCH - 1:
            self._wake.put(None)

    def attend(self) -> None:
        """Begin the rounds, before anything was put."""
        if self._thread is None and not self._closed:
            self._start()

    @property
    def trouble(self) -> Trouble | None:
        """Why uses do not get to the disk from here; ``None`` where they do."""
        if self._items.qsize() >= self._size:
            return "queue_full"
        writes = self._rounds_ended != self._rounds_begun
        late = time.monotonic() - self._round_since > STALLED_SECONDS
        return "stalled" if writes and late else None

    def _start(self) -> bool:
        if sys.is_finalizing():
            return False
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return True
        try:
            self._thread = native.Thread(self._run, "keytrail-audit")
            self._thread.start()
        except RuntimeError:  # the interpreter shuts down
            self._thread = None
            return False
        finally:
            self._starting.release()
        return True

    def flush(self, timeout: float) -> bool:
        """Write what was put before; return whether it is on disk within ``timeout`` seconds.

        May be called from a signal handler.
        """
        if self._thread is None or not self._thread.is_alive():
            self._drain()
            return self._is_empty()
        round_to_await = self._rounds_begun + 1
        self._wake.put(None)
        deadline = time.monotonic() + timeout
        while self._rounds_ended < round_to_await:
            if not self._thread.is_alive():  # somebody closes meanwhile
                return self.flush(0)
            if time.monotonic() >= deadline:
                return False
            native.sleep(_GLANCE)
        return not self._kept

    @property
    def is_open(self) -> bool:
        """Whether :meth:`close` was not called yet, or had no time for all that waited."""
        return not self._closed or not self._is_empty() or self._writing.locked()

    def close(self, timeout: float) -> bool:
        """Flush and end the thread; later uses are written by whoever puts them."""
        written = self.flush(timeout)
        self._closed = True
        self._wake.put(None)
        return written

    def alone(self, action: Callable[[], None], timeout: float = 0) -> bool:
        """Run ``action`` while nobody writes; return whether that was possible in time."""
        deadline = time.monotonic() + timeout
        while not self._writing.acquire(blocking=False):
            if time.monotonic() >= deadline:
                return False
            native.sleep(_GLANCE)
        try:
            action()
        finally:
            self._writing.release()
        self._write_late()
        return True

    def _is_empty(self) -> bool:
        return self._items.empty() and not self._kept

    def _run(self) -> None:
        while not self._closed:
            with suppress(Empty):
                self._wake.get(timeout=self._interval)
            self._round_since = time.monotonic()
            round_begun = self._rounds_begun = self._rounds_begun + 1
            self._round()
            self._rounds_ended = round_begun
        self._write_late()

    def _write_late(self) -> None:
        """Write what somebody put after the end while another was at it, and left to that one."""
        if self._closed and not self._is_empty():
            self._drain()

    def _drain(self) -> None:
        """Write all that waits; where another thread is at it, that one sees ours too."""
        while self._round() and not self._is_empty() and not self._kept:
            pass

    def _round(self) -> bool:
        """Write what waits now, so that a round ends however fast new uses come."""
        if not self._writing.acquire(blocking=False):
            return False
        try:
            if self._closed and self._is_empty():
                return True  # nothing begins a segment when they have been ended
            self._kept = self._written(self._kept)
            self._write_running()
            for _ in range(0, self._items.qsize(), BATCH):
                if self._kept:
                    break
                self._kept = self._written(self._lines(self._take()))
        finally:
            self._writing.release()
        return True

    def _write_running(self) -> None:
        running = self._running()
        self._accounting.saw(len(running))
        for start in range(0, len(running), BATCH):
            self._kept += self._written(self._lines(running[start : start + BATCH]))

    def _written(self, lines: list[bytes]) -> list[bytes]:
        try:
            return self._write(lines)
        except Exception as error:  # noqa: BLE001 - the thread must live on
            self._accounting.dropped("fault", len(lines))
            faults.report("journal.write", error)
            return []

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        with suppress(Empty):
            while len(batch) < BATCH:
                batch.append(self._items.get_nowait())
        return batch

    def _lines(self, batch: Sequence[Item]) -> list[bytes]:
        """One bad use must not lose the others: where a batch fails, each is tried alone."""
        if not batch:
            return []
        try:
            return _checked(self._prepare(batch), len(batch))
        except Exception as error:  # noqa: BLE001 - the caller's redaction fails closed
            if len(batch) == 1:
                self._accounting.dropped("fault")
                faults.report("journal.prepare", error)
                return []
        return [line for item in batch for line in self._lines([item])]


def _checked(lines: list[bytes], items: int) -> list[bytes]:
    if len(lines) != items:
        raise ValueError(f"{len(lines)} lines for {items} uses")
    return lines
