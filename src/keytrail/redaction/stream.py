"""A stream of bytes redacted as it passes: line by line, and longer lines in windows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

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


class RedactedStream:
    """Takes blocks of bytes and gives them back redacted; what is no secret stays as it is.

    It holds at most one window and one block, whatever the lines are like. A secret that is longer
    than a window is redacted to its end.
    """

    def __init__(self, redactor: Redactor, trace_id: int | None = None) -> None:
        """Look for what ``redactor`` knows now, and for the keys of a trace too."""
        self._regions = redactor.search(trace_id)
        self._private = redactor.private_keys()
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
            whole = self._before_key(self._pending[:whole])
        lines, self._pending = self._pending[:whole], self._pending[whole:]
        passed = self._lines(lines)
        if len(self._pending) >= WINDOW:
            passed += self._window(len(self._pending) - OVERLAP)
        return passed

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._pending = self._pending, b""
        self.lines += bool(rest or self._before)
        return self._lines(rest)

    def _lines(self, data: bytes) -> bytes:
        self.lines += data.count(b"\n")
        first, rest = b"", data
        if self._before and data:
            end = data.find(b"\n") + 1 or len(data)
            first, rest = self._last_of_line(data[:end]), data[end:]
        if not self._regions(rest):
            return first + rest
        return first + b"".join(map(self._line, self._apart(rest)))

    def _apart(self, data: bytes) -> Iterator[bytes]:
        """Yield every line; those of a private key together."""
        start = 0
        for begin, _, end in self._private.blocks(data):
            first = max(start, data.rfind(b"\n", 0, begin) + 1)
            yield from data[start:first].splitlines(keepends=True)
            start = data.find(b"\n", max(begin, end)) + 1 or len(data)
            yield data[first:start]
        yield from data[start:].splitlines(keepends=True)

    def _before_key(self, lines: bytes) -> int:
        """Return where the line begins in which a private key begins that is not whole yet."""
        begin = self._private.unended(lines)
        return len(lines) if begin == len(lines) else lines.rfind(b"\n", 0, begin) + 1

    def _line(self, line: bytes) -> bytes:
        found = self._regions(line)
        self._count(found)
        return replaced(line, found)

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
