"""A stream of bytes redacted as it passes: line by line, and longer lines in windows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from keytrail.redaction.beyond import LONGEST
from keytrail.redaction.regions import REDACTED, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.redaction.redactor import Redactor
    from keytrail.redaction.regions import Region, Rule

WINDOW: Final = 256 * 1024
"""Bytes of a line that are held at once; a longer line is looked at piece by piece."""
OVERLAP: Final = 16 * 1024
"""Bytes at the end of a window that wait for what follows: a secret may go on there."""
BEFORE: Final = 4 * 1024
"""Bytes that are looked at again with what follows them: the name of a secret may stand there."""
_OPENING: Final = 256
"""Bytes at the beginning of a secret that tell what it is."""
_GOES_ON: Final = re.compile(rb"(?:[\[({\\]|[|>][-+0-9]*)[ \t\r]*$|<<", re.MULTILINE)
"""How a line may end, or what it may hold, whose value is in the next lines."""


class RedactedStream:
    """Takes blocks of bytes and gives them back redacted; what is no secret stays as it is.

    It holds at most one window and one block, whatever the lines are like. A secret that is longer
    than a window is redacted to its end.
    """

    def __init__(self, redactor: Redactor, trace_id: int | None = None) -> None:
        """Look for what ``redactor`` knows now, and for the keys of a trace too."""
        self._regions = redactor.search(trace_id)
        self._private = redactor.private_keys()
        self._named = redactor.named_values()
        self._pending = b""
        self._before = b""
        self._within = False
        """Whether a secret that is redacted already goes on in what is pending."""
        self.lines = 0
        self.rules: Counter[Rule] = Counter()
        """How many secrets were redacted, by rule."""

    def feed(self, block: bytes) -> bytes:
        """Return what can be told of all that came so far, and was not returned yet."""
        self._pending += block
        whole = self._pending.rfind(b"\n") + 1
        if len(self._pending) < WINDOW:
            whole = self._before_open(self._pending[:whole])
        lines, self._pending = self._pending[:whole], self._pending[whole:]
        passed = self._lines(lines)
        if len(self._pending) >= WINDOW:
            passed += self._window(len(self._pending) - OVERLAP)
        return passed

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._pending = self._pending, b""
        self.lines += bool(rest or self._before) and not rest.endswith(b"\n")
        return self._lines(rest)

    def _lines(self, data: bytes) -> bytes:
        self.lines += data.count(b"\n")
        first, rest = b"", data
        if self._before and data:
            end = data.find(b"\n") + 1 or len(data)
            first, rest = self._last_of_line(data[:end]), data[end:]
        if not self._regions(rest):
            return first + rest
        return first + b"".join(self._redacted(rest))

    def _redacted(self, data: bytes) -> Iterator[bytes]:
        """Yield whole lines redacted, those of a private key together."""
        start = 0
        for begin, end, _ in self._private.over_lines(data):
            first = max(start, data.rfind(b"\n", 0, begin) + 1)
            yield from self._lines_redacted(data[start:first])
            start = data.find(b"\n", max(begin, end)) + 1 or len(data)
            yield self._replaced(data[first:start], self._regions(data[first:start]))
        yield from self._lines_redacted(data[start:])

    def _lines_redacted(self, data: bytes) -> Iterator[bytes]:
        """Yield every line redacted; those that one value takes together."""
        start = 0
        while start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            found = self._regions(data[start:end])
            if _may_go_on(data[start:end], found):
                end = start + self._value_end(data[start : start + LONGEST], end - start)
                found = self._regions(data[start:end])
            yield self._replaced(data[start:end], found)
            start = end

    def _value_end(self, data: bytes, line: int) -> int:
        """Return where the line ends in which a value ends that begins in the first ``line``."""
        for begin, end, _ in self._named.over_lines(data):
            if begin >= line:
                break
            if end > line:
                return data.find(b"\n", end) + 1 or len(data)
        return line

    def _before_open(self, lines: bytes) -> int:
        """Return where the line begins in which a secret begins that may not be whole yet."""
        tail = lines.rfind(b"\n", 0, max(0, len(lines) - LONGEST)) + 1
        places = [*self._private.over_lines(lines)]
        places += [(tail + begin, 0, on) for begin, _, on in self._named.over_lines(lines[tail:])]
        opened = [begin for begin, _, goes_on in places if goes_on]
        return lines.rfind(b"\n", 0, min(opened)) + 1 if opened else len(lines)

    def _replaced(self, data: bytes, found: list[Region]) -> bytes:
        self._count(found)
        return replaced(data, found)

    def _last_of_line(self, line: bytes) -> bytes:
        """Return the end of a line whose beginning was returned already."""
        self._pending, rest = line, self._pending
        passed = self._window(len(line), last=True)
        self._pending, self._before, self._within = rest, b"", False
        return passed

    def _window(self, end: int, *, last: bool = False) -> bytes:
        """Return the first ``end`` bytes of what is pending, or less where a secret goes on."""
        data, first = self._before + self._pending, len(self._before)
        found = [one for one in self._regions(data) if one.end > first]
        cut = first + end
        unended = [one for one in found if one.end == len(data) and not last]
        if unended and unended[0].start <= first:
            return self._go_on_within(unended[0], data)
        cut = min([cut, *(one.start for one in found if one.start < cut < one.end and not last)])
        passed = self._passed(data, first, cut, [one for one in found if one.start < cut])
        self._before, self._pending = data[max(0, cut - BEFORE) : cut], data[cut:]
        return passed

    def _passed(self, data: bytes, first: int, cut: int, found: list[Region]) -> bytes:
        """Return ``data`` from ``first`` to ``cut`` without the secrets that were ``found``."""
        if self._within and found and found[0].start <= first:
            first = found.pop(0).end
        self._within = False
        self._count(found)
        pieces: list[bytes] = []
        for one in found:
            pieces += (data[first : one.start], REDACTED)
            first = max(first, one.end)
        return b"".join((*pieces, data[first:cut]))

    def _go_on_within(self, secret: Region, data: bytes) -> bytes:
        """Drop what is pending of a secret that fills the window, and say so once."""
        passed = b"" if self._within else REDACTED
        if not self._within:
            self._count([secret])
        self._within = True
        self._before = data[: secret.start + _OPENING][-BEFORE:]
        self._pending = b""
        return passed

    def _count(self, found: list[Region]) -> None:
        self.rules.update([one.rule for one in found])


def _may_go_on(line: bytes, found: list[Region]) -> bool:
    reached = found[-1].end if found else 0
    return reached >= len(line.rstrip()) or _GOES_ON.search(line) is not None
