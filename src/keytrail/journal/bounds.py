"""How much the journal may take: bytes, days, and never the last tenth of the disk."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from keytrail.journal.cursor import Cursor, confirmed, is_taken, say_why, sidecar
from keytrail.journal.lock import hold, release
from keytrail.journal.segment import (
    Found,
    holds_strangers,
    live_days,
    live_files,
    segments,
    uses_in,
    utc_day,
)

if TYPE_CHECKING:
    from pathlib import Path

    from keytrail.journal.accounting import Accounting, Reason, Refusal
    from keytrail.journal.strangers import Strangers

_DAY: Final = 24 * 3600 * 10**9
_SECONDS_BETWEEN_LOOKS: Final = 60.0
_SECONDS_WHILE_FULL: Final = 1.0
_LOOKS_PER_BOUND: Final = 16


class Bounds:
    """Deletes closed segments, strangers' first, and says when nothing more may be written."""

    def __init__(
        self,
        home: Path,
        most_bytes: int,
        most_days: int,
        accounting: Accounting,
        strangers: Strangers,
    ) -> None:
        """``most_bytes`` and ``most_days`` are the settings of the journal.

        ``strangers`` hears what is deleted of their segments, which go first.
        """
        self._strangers = strangers
        self._home = home
        self._most_bytes = most_bytes
        self._most_days = most_days
        self._accounting = accounting
        self._bytes = 0
        self._written = 0
        self._next_look = 0.0

    @property
    def is_near(self) -> bool:
        """Whether three quarters of the bytes are taken."""
        return self._bytes * 4 > self._most_bytes * 3

    def refusal(self, size: int, now: int) -> Refusal | None:
        """Return why ``size`` more bytes may not be written; ``None`` where they may.

        Makes room first. Looks at the directory every minute, and when this process has written a
        good part of the bound since: others write there too.
        """
        full = self._full(size)
        if self._is_due(full):
            self._make_room(size, now)
            full = self._full(size)
            pause = _SECONDS_WHILE_FULL if full else _SECONDS_BETWEEN_LOOKS
            self._next_look = time.monotonic() + pause
            self._written = 0
        if full is None:
            self._bytes += size
            self._written += size
        return full

    def _is_due(self, full: Refusal | None) -> bool:
        left = self._next_look - time.monotonic()
        if left <= 0 or self._written * _LOOKS_PER_BOUND > self._most_bytes:
            return True
        return full is not None and left > _SECONDS_WHILE_FULL

    def _full(self, size: int) -> Refusal | None:
        if self._bytes + size > self._most_bytes:
            return "journal_full"
        return "disk_full" if _last_tenth(self._home) else None

    def _make_room(self, size: int, now: int) -> None:
        _tidy(self._home, utc_day(now))
        found = sorted(segments(self._home), key=lambda one: not holds_strangers(one.path))
        self._bytes = sum(segment.size for segment in found)
        oldest = now - self._most_days * _DAY
        for segment in found:
            if segment.state == "open":
                continue
            if segment.start < oldest and segment.changed < oldest:
                self._delete(segment, "expired")
            elif (full := self._full(size)) is not None:
                self._delete(segment, "folded" if holds_strangers(segment.path) else full)

    def _delete(self, segment: Found, reason: Reason) -> None:
        """Delete a segment that nobody else holds, and book what goes with it, once."""
        descriptor = hold(segment.path)
        if descriptor is None:
            return
        try:
            self._take_out(segment, reason)
        finally:
            release(descriptor)

    def _take_out(self, segment: Found, reason: Reason) -> None:
        """Who answers for a segment's delivery sees it go and books it; else that falls to us."""
        cursor = Cursor.take(segment.path)
        booked = cursor is None and sidecar(segment.path).exists()
        try:
            offset = confirmed(segment.path)
            uses = 0 if booked else uses_in(segment.path, offset)
            if reason == "folded":
                self._strangers.fold_segment(segment.path, offset)
            if booked:
                say_why(segment.path, reason)
            segment.path.unlink()
            sidecar(segment.path).unlink(missing_ok=True)
        except OSError:
            return
        finally:
            if cursor is not None:
                cursor.close()
        self._bytes -= segment.size
        if uses:
            self._accounting.saw(uses)
            self._accounting.dropped(reason, uses)


def _tidy(home: Path, today: str) -> None:
    """Remove what a crash or a deletion left behind: sidecars without segment, empty days."""
    for path in live_files(home, ".cursor"):
        segment = path.with_suffix("")
        if not segment.exists() and not is_taken(segment):
            path.unlink(missing_ok=True)
    for day in live_days(home):
        if day.name < today:
            with contextlib.suppress(OSError):
                day.rmdir()


def _last_tenth(home: Path) -> bool:
    nearest = next(path for path in (home, *home.parents) if path.exists())
    disk = os.statvfs(nearest)
    return disk.f_bavail * 10 < disk.f_blocks
