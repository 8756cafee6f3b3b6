"""Writes lines to this process's segments: begins, rotates and ends them, and tells of gaps."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from keytrail import faults
from keytrail.journal.accounting import HINTS, Reason, Refusal
from keytrail.journal.records import encode_record
from keytrail.journal.segment import (
    RECORD_START,
    Segment,
    UnwrittenError,
    host_name,
    now,
    utc_day,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keytrail.journal.accounting import Accounting
    from keytrail.journal.bounds import Bounds
    from keytrail.journal.history import History
    from keytrail.journal.strangers import Strangers

MAX_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_SEGMENTS_WITHIN_BOUND: Final = 8
"""A small journal is cut finer, so that retention takes an eighth at most."""
KEEP_SECONDS: Final = 5.0
"""How long a batch that the disk refuses is tried again before its uses are counted as dropped."""

Origins = Mapping[str, bytes]
"""The ``record: "origin"`` lines of the origins in a batch, by id."""


class Writer:
    """The one writer of a process. Its methods are called by one thread at a time."""

    def __init__(
        self,
        home: Path,
        start: Mapping[str, Any],
        bounds: Bounds,
        accounting: Accounting,
        *,
        most_bytes: int,
        on_begin: Callable[[Path], None] | None = None,
        strangers: Strangers | None = None,
        history: History | None = None,
        sync: bool = False,
        strict: bool = False,
    ) -> None:
        """``start`` goes into every segment's start record; ``on_begin`` hears of new segments.

        The writer that has ``strangers`` tells of what was folded, and of every other gap; the one
        without writes the strangers' own segments. ``history`` goes into a process's first segment.
        ``sync``: a batch is on the medium before the next. ``strict``: there is a segment before
        there are uses, so that :attr:`trouble` is known.
        """
        self._sync = sync
        self._strict = strict
        self.trouble: Refusal | None = None
        """Why the last attempt to write failed; ``None`` where it did not."""
        self._strangers = strangers
        self._history = history
        self._home = home
        self._start = {**start, "host": host_name(), "version": _version()}
        self._bounds = bounds
        self._accounting = accounting
        self._on_begin = on_begin
        self._segment_bytes = min(MAX_SEGMENT_BYTES, most_bytes // _SEGMENTS_WITHIN_BOUND)
        self._forget()

    def _forget(self) -> None:
        self._segment: Segment | None = None
        self._origins: set[str] = set()
        self._told: dict[Reason, int] = {}
        self._warned: set[Reason] = set()
        self._failing_since: float | None = None
        self._is_last = False
        self._segments = self._uses = 0

    def write(self, lines: list[bytes], origins: Origins) -> list[bytes]:
        """Write the lines of uses; return those to try again, for :data:`KEEP_SECONDS` at most.

        After :meth:`write_last` none is tried again.
        Never raises for a disk that is full, read-only or gone: what cannot be kept is counted.
        """
        self._warn_of_drops()
        try:
            refusal = self._append(lines, origins)
        except UnwrittenError as error:
            uses = [line for line in error.lines if not line.startswith(RECORD_START)]
            self._accounting.journaled(len(lines) - len(uses))
            self._uses += len(lines) - len(uses)
            return self._kept(uses, _reason(error))
        except OSError as error:
            return self._kept(lines, _reason(error))
        if refusal is not None:
            return self._kept(lines, refusal)
        self._accounting.journaled(len(lines))
        self._failing_since = self.trouble = None
        return []

    def _append(self, lines: list[bytes], origins: Origins) -> Refusal | None:
        now_ns = now()
        size = sum(map(len, lines))
        refusal = self._bounds.refusal(size, now_ns)
        segment = self._fitting(now_ns, size)
        folded = self._strangers is not None and self._strangers.is_due
        if refusal is not None or not (segment or lines or folded or self._strict):
            return refusal
        if segment is None:
            segment = self._begin(now_ns)
        self._append_with_records(segment, lines, origins, now_ns, folded=folded)
        return None

    def _fitting(self, now_ns: int, size: int) -> Segment | None:
        segment = self._segment
        if segment is None:
            return None
        if segment.pid != os.getpid():
            self.after_fork()
        elif (
            segment.day != utc_day(now_ns)
            or segment.size + size > self._segment_bytes
            or segment.is_gone()
        ):
            self._end(segment, now_ns)
        return self._segment

    def _begin(self, now_ns: int) -> Segment:
        segment = Segment.create(self._home, now_ns, strangers=self._strangers is None)
        try:
            if self._on_begin is not None:
                self._on_begin(segment.path)
        except OSError:
            segment.path.unlink(missing_ok=True)
            segment.close()
            raise
        self._origins = set()
        self._uses = 0
        self._segments += 1
        self._segment = segment
        return segment

    def _append_with_records(
        self,
        segment: Segment,
        lines: list[bytes],
        origins: Origins,
        now_ns: int,
        *,
        folded: bool,
    ) -> None:
        drops = self._accounting.drops()
        records = [*self._first_records(segment, now_ns), *self._gaps(drops, now_ns)]
        begins = not segment.size
        if self._strangers is not None and folded:
            records += self._strangers.records(now_ns)
        new = {name: line for name, line in origins.items() if name not in self._origins}
        batch = [*records, *new.values(), *lines]
        segment.append(batch)
        if self._sync and batch:
            self._synced(segment)
        self._origins.update(new)
        self._told = drops
        self._uses += sum(not line.startswith(RECORD_START) for line in lines)
        if begins and self._history is not None:
            self._history.told()
        if self._strangers is not None and folded:
            self._strangers.told()

    def _synced(self, segment: Segment) -> None:
        try:
            segment.sync()
        except OSError as error:  # the lines are with the kernel; written again they would be two
            faults.report("journal.sync", error)

    def _first_records(self, segment: Segment, now_ns: int) -> list[bytes]:
        if segment.size:
            return []
        attributes = {**self._start, "pid": segment.pid, "number": self._segments}
        start = encode_record("start", now_ns, attributes=attributes)
        if self._history is None or self._segments > 1:
            return [start]
        return [start, *self._history.records(now_ns)]

    def _gaps(self, drops: Mapping[Reason, int], now_ns: int) -> list[bytes]:
        return [
            encode_record("gap", now_ns, reason=reason, attributes={"uses": uses - before})
            for reason, uses in drops.items()
            if uses > (before := self._told.get(reason, 0))
            and self._strangers is not None
            and reason != "folded"  # a record of its own tells of these
        ]

    def _kept(self, lines: list[bytes], reason: Refusal) -> list[bytes]:
        self.trouble = reason
        if not lines:
            return []
        clock = time.monotonic()
        if self._failing_since is None:
            self._failing_since = clock
        if clock - self._failing_since < KEEP_SECONDS and not self._is_last:
            return lines
        self._accounting.dropped(reason, len(lines))
        self._warn_of_drops()
        return []

    def _warn_of_drops(self) -> None:
        for reason, uses in self._accounting.drops().items():
            if self._strangers is not None and reason not in self._warned:
                self._warned.add(reason)
                faults.logger.warning(
                    "%d uses were dropped: %s; keytrail.audit.dropped counts on\nhint: %s",
                    uses,
                    reason,
                    HINTS[reason],
                )

    def write_last(self) -> None:
        """Count what the disk refuses from now on at once: nobody will be there to try again."""
        self._is_last = True

    @property
    def has_begun(self) -> bool:
        """Whether there is a segment that has no end yet."""
        return self._segment is not None

    def close(self) -> None:
        """End the segment with a ``stop`` record, where there is one."""
        if self._segment is None and self._strangers is not None and self._strangers.has_folded:
            with contextlib.suppress(OSError):  # the books have counted them
                self._begin(now())
        if self._segment is not None:
            self._end(self._segment, now())

    def _end(self, segment: Segment, now_ns: int) -> None:
        try:
            told = {"segment": segment.path.name, "uses": self._uses}
            stop = [encode_record("stop", now_ns, attributes=told)]
            self._append_with_records(segment, stop, {}, now_ns, folded=True)
        except OSError:
            pass  # a segment without its stop record is told as one that ended hard
        finally:
            segment.close()
            self._segment = None

    def after_fork(self) -> None:
        """Leave the parent's segment to the parent; its lock stays with it."""
        if self._segment is not None:
            self._segment.close()
        self._forget()


def _reason(error: OSError) -> Refusal:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk_full" if full else "home_unwritable"


def _version() -> str:
    try:
        return version("keytrail")
    except PackageNotFoundError:
        return "unknown"
