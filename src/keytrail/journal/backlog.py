"""One segment on its way to the endpoint: what is read, what waits, what is confirmed.

The cursor on disk stands at the first line that is not confirmed; which lines above it are is known
in memory only. So a delivery that is killed sends some of them again, with the same ids.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.codec import decode
from keytrail.journal.lock import is_locked
from keytrail.journal.records import UNKNOWN, Origin, read_origin
from keytrail.journal.segment import RECORD_START

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.journal.accounting import Reason
    from keytrail.journal.cursor import Cursor

SpanId = tuple[int, int]
"""Trace id and span id."""

MAX_WAITING: Final = 8192
"""Lines of one segment that are read but not confirmed; their text stays on disk."""
MAX_RECORDS: Final = 1024
MAX_BATCH_BYTES: Final = 2 * 1024 * 1024
_CHUNK: Final = 4 * 1024 * 1024
_SAMPLED: Final = b'"sampled":true'


@dataclass(slots=True)
class Line:
    """A use that was read and is not confirmed."""

    offset: int
    end: int
    due: float
    """When it is sent, on the monotonic clock."""
    id: SpanId | None = None
    """Of a use that the ordinary pipeline may deliver."""
    time: int = 0
    stage: int = 0
    """In how many forms of the record it has been taken."""


class Backlog:
    """The delivery of one segment, held by this process. Used by the delivery thread alone."""

    def __init__(
        self,
        path: Path,
        cursor: Cursor,
        refuse: Callable[[Backlog, bytes], None],
        *,
        hold: float,
    ) -> None:
        """``refuse`` gets lines that cannot be read; ``hold`` is 0 for what other processes wrote.

        Raises:
            OSError: the segment cannot be read.

        """
        self.path = path
        self.uses = 0
        """Confirmed ones, whoever delivered them."""
        self.dropped: Counter[Reason] = Counter()
        """Those that will not be delivered."""
        self.first = self.last = 0
        self.records: list[bytes] = []
        """The audit's own records of the segment, without origins."""
        self._cursor = cursor
        self._refuse = refuse
        self._hold = hold
        self._waiting: dict[int, Line] = {}
        self._origins: dict[str, Origin] = {}
        self._descriptor = os.open(path, os.O_RDONLY)
        self._position = 0
        self._catch_up()

    def _catch_up(self) -> None:
        for offset, line in self._to_end():
            if offset >= self._cursor.offset:
                break
            if not self._read_record(line):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._confirmed(json.loads(line)["time"])
        self._position = self._cursor.offset

    def read(self, clock: float) -> bool:
        """Read whole lines behind the writer; return whether there were no more of them."""
        if self.is_full:
            return False
        before = self._position
        for offset, line in self._lines():
            if self._read_record(line):
                continue
            entry = Line(offset, offset + len(line), clock)
            if self._hold and _SAMPLED in line:
                self._hold_back(entry, line)
            self._waiting[offset] = entry
        return self._position == before

    def _to_end(self) -> Iterator[tuple[int, bytes]]:
        before = -1
        while before != self._position:
            before = self._position
            yield from self._lines()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the next whole lines with their offsets; a torn tail stays unread."""
        chunk = os.pread(self._descriptor, _CHUNK, self._position)
        end = chunk.rfind(b"\n") + 1
        if not end and len(chunk) == _CHUNK:
            self._position += _CHUNK  # no line of ours is as long; its end will be refused
        for line in io.BytesIO(chunk[:end]):
            offset = self._position
            self._position += len(line)
            yield offset, line
            if self.is_full:
                return

    def _read_record(self, line: bytes) -> bool:
        if not line.startswith(RECORD_START):
            return False
        with contextlib.suppress(ValueError, KeyError, TypeError):
            record = json.loads(line)
            if record["record"] == "origin":
                self._origins[record["origin"]] = read_origin(record)
            elif len(self.records) < MAX_RECORDS:
                self.records.append(line)
        return True

    def _hold_back(self, entry: Line, line: bytes) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            use = json.loads(line)
            if use["sampled"]:
                entry.id = (int(use["trace_id"], 16), int(use["span_id"], 16))
                entry.due += self._hold
                entry.time = use["time"]

    def accepted(self, ids: Container[SpanId]) -> list[Line]:
        """Return the waiting lines of which the ordinary pipeline delivered the span."""
        return [
            line
            for line in self._waiting.values()
            if line.id is not None and not line.stage and line.id in ids
        ]

    def due(self, clock: float, most: int, stage: int) -> list[tuple[Line, ReadableSpan]]:
        """Return up to ``most`` uses to send now, oldest first. Unreadable ones are refused."""
        found: list[tuple[Line, ReadableSpan]] = []
        room = MAX_BATCH_BYTES
        for line in list(self._waiting.values()):
            if len(found) == most or (found and line.end - line.offset > room):
                break
            if line.due > clock or line.stage != stage:
                continue
            if (span := self._span(line)) is not None:
                found.append((line, span))
                room -= line.end - line.offset
        return found

    def _span(self, line: Line) -> ReadableSpan | None:
        text = self.text(line)
        try:
            use: Any = json.loads(text)
            origin = self._origins.get(use["span"]["origin"], UNKNOWN)
            line.time = use["time"]
            return decode(use, origin)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.drop([line], "unreadable")
            self._refuse(self, text)
            return None

    def text(self, line: Line) -> bytes:
        """Return a line as it stands on disk."""
        return os.pread(self._descriptor, line.end - line.offset, line.offset)

    def confirm(self, lines: list[Line]) -> None:
        """Mark lines as delivered."""
        for line in lines:
            del self._waiting[line.offset]
            self._confirmed(line.time)

    def drop(self, lines: list[Line], reason: Reason) -> None:
        """Mark lines as such that will not be delivered."""
        for line in lines:
            del self._waiting[line.offset]
        self.dropped[reason] += len(lines)

    def _confirmed(self, time: int) -> None:
        self.uses += 1
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)

    def save(self) -> None:
        """Move the cursor on disk behind what is confirmed.

        Raises:
            OSError: the disk did not take it.

        """
        self._cursor.advance(next(iter(self._waiting), self._position))

    @property
    def is_full(self) -> bool:
        """Whether nothing more is read before some of it is confirmed."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def is_settled(self) -> bool:
        """Whether everything that was read is confirmed."""
        return not self._waiting

    @property
    def is_closed(self) -> bool:
        """Whether its writer has ended it, or has ended."""
        return not is_locked(self._descriptor)

    @property
    def is_gone(self) -> bool:
        """Whether somebody deleted the segment."""
        return os.fstat(self._descriptor).st_nlink == 0

    @property
    def parting(self) -> str:
        """Why the segment was deleted, as far as who did it says."""
        return self._cursor.parting

    def remaining(self) -> int:
        """Return how many uses are not confirmed; reads to the end."""
        uses = len(self._waiting)
        self._waiting.clear()
        return uses + sum(not self._read_record(line) for _, line in self._to_end())

    def remove(self) -> None:
        """Delete the segment, then its sidecar, so that a crash between leaves no doubt."""
        self.path.unlink(missing_ok=True)
        self._cursor.remove()
        self.close()

    def close(self) -> None:
        """Let go of the segment."""
        self._cursor.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's
