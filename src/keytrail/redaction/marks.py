"""Marks on trace ids, kept in a fixed number of bytes."""

from __future__ import annotations

import secrets
from typing import Final

_BITS_A_MARK: Final = 32
_BITS_SET: Final = 6
"""Even the fullest tables then say yes wrongly to less than a hundred of a million ids."""
_STEP: Final = 32
"""Of an id's hash, the bits from here on tell how far apart its bits in a table are."""


class Marks:
    """Remembers at least the newest ``span`` marked ids, in two tables of fixed size.

    It never forgets one of those; it may take very few others for marked, so what follows from a
    mark must do no harm. One thread at a time may mark, any may ask meanwhile.
    """

    __slots__ = ("_added", "_any", "_newer", "_older", "_salt", "_span", "_width")

    def __init__(self, span: int) -> None:
        self._span = span
        self._width = max(64, 1 << (span * _BITS_A_MARK - 1).bit_length())
        """Bits in a table: a power of two."""
        self._salt = secrets.randbits(60)
        self._newer, self._older = self._blank(), self._blank()
        self._added = 0
        self._any = False

    def add(self, marked: int) -> None:
        """Mark an id; to mark it again takes no room."""
        places = self._places(marked)
        if _holds(self._newer, places):
            return
        if self._added == self._span:
            self._older = self._newer
            self._newer, self._added = self._blank(), 0
        self._added += 1
        self._any = True
        for place in places:
            self._newer[place >> 3] |= 1 << (place & 7)

    def __bool__(self) -> bool:
        """Tell whether any id is marked."""
        return self._any

    def __contains__(self, asked: int) -> bool:
        """Tell whether an id is marked; most that are not show it in their first bit."""
        newer, older = self._newer, self._older
        first = hash((asked, self._salt)) & (self._width - 1)
        if not (newer[first >> 3] | older[first >> 3]) >> (first & 7) & 1:
            return False
        places = self._places(asked)
        return _holds(newer, places) or _holds(older, places)

    @property
    def size(self) -> int:
        """Return how many bytes the tables take."""
        return len(self._newer) + len(self._older)

    def _blank(self) -> bytearray:
        return bytearray(self._width // 8)

    def _places(self, number: int) -> list[int]:
        """Return which bits of a table stand for ``number``."""
        mixed = hash((number, self._salt))
        step, last = (mixed >> _STEP) | 1, self._width - 1
        return [(mixed + turn * step) & last for turn in range(_BITS_SET)]


def _holds(table: bytearray, places: list[int]) -> bool:
    for place in places:  # noqa: SIM110 - twice as fast as all()
        if not table[place >> 3] >> (place & 7) & 1:
            return False
    return True
