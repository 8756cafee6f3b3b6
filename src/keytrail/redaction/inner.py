"""Tokens whose mark stands inside: a run of ordinary characters, the mark, and a tail.

Every word begins like one of them. So the mark is searched for, and from there the token's
beginning is read backwards. If it were searched for from its beginning, RE2 would keep a state for
every place where the run may have begun, and random text would take twenty times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.redaction.boundary import after, end_of_word
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import MOST_IN_ONE_TEXT, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.redaction.expressions import Inner

_ALPHANUMERIC: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_WORD: Final = _ALPHANUMERIC + b"_-"


class InnerMarks:
    """Finds the tokens of such shapes, given with what to search for instead."""

    def __init__(self, shapes: Mapping[str, Inner]) -> None:
        self.expression = "|".join(one.hint for one in shapes.values())
        """What is searched for to tell whether a text may hold one."""
        self._somewhere = Pattern.anywhere(self.expression)
        self._marked = Pattern("|".join(one.marked for one in shapes.values()))
        self._whole = Pattern("|".join(shapes), longest=True)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every token; all the rest where many words look like one."""
        if not self._somewhere.is_in(data):
            return
        resume = floor = 0
        for _ in range(MOST_IN_ONE_TEXT):
            match = self._marked.search(data, resume)
            if match is None:
                return
            begin, _ = match.span()
            start, end = self._token(data, floor, begin)
            resume = begin + 1
            if start < end:
                resume = floor = end_of_word(data, end)
                yield Region(start, floor, "shape")
        yield Region(resume, len(data), "shape")

    def _token(self, data: bytes, floor: int, at: int) -> tuple[int, int]:
        """Return the token that ``at`` is in; an empty one where the word is longer."""
        before = data[floor:at]
        for characters in (_WORD, _ALPHANUMERIC):
            run = floor + len(before.rstrip(characters))
            is_escape = data[run - 1 : run] in (b"%", b"\\")
            start = after(data, run - 1) if is_escape else run
            end = max(self._whole.end_at(data, start), self._whole.end_at(data, run))
            if end >= 0:
                return start, end
        return at, at
