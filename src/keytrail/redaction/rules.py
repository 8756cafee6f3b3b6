"""The three ways to know a secret, together: by name, by shape, by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keytrail.redaction.credentials import userinfo_before
from keytrail.redaction.named import NamedValues
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.pem import PrivateKeys
from keytrail.redaction.regions import LONG_TEXT, MOST_TOGETHER, Region, merged
from keytrail.redaction.shapes import ShapedValues
from keytrail.redaction.values import KnownValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.values import Wanted

_LONGER_THAN_ANY_KEY: Final = 16 * 1024
_MOST_PIECES: Final = 3
"""So many parts of a long text are looked into."""
_OVERLAP: Final = LONG_TEXT // 2
"""Bytes of such a part that the next one has too: more than a name and all that is around it."""
_LONGEST_BLANK: Final = 256
_LONGEST_WORD: Final = 2048
_LONGEST_BEGINNING: Final = 1024
"""Bytes that tell of every secret that it is one, wherever they are cut off behind them."""


class Rules:
    """What names, shapes and the memory say is secret.

    Whether a text may hold anything by name or by shape is asked in one search for both; where it
    stands is asked of each, in the few texts that may.
    """

    def __init__(self, names: SensitiveNames, memory: KeyMemory, shapes: Iterable[str]) -> None:
        self.names = names
        self.memory = memory
        self.known = KnownValues(memory)
        self.named = NamedValues(names)
        self._shaped = ShapedValues(shapes)
        self.private = PrivateKeys()
        self._written = Pattern.anywhere(
            f"(?i:{self.named.expression})|{self._shaped.expression}|{self.private.expression}"
        )

    def among(self, wanted: Wanted) -> Secrets:
        """Return what to look for where ``wanted`` are the keys to look for by value."""
        return Secrets(self._written, self.named, self._shaped, self.private, wanted)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What to look for in the texts of one trace."""

    written: Pattern
    named: NamedValues
    shaped: ShapedValues
    private: PrivateKeys
    wanted: Wanted

    def hinted(self, data: bytes) -> bool:
        """Tell whether ``data`` may hold a secret; never wrong when it says no.

        It says yes to what is long: to search that twice costs more than to take it apart.
        """
        return len(data) > LONG_TEXT or self.hinted_together(data)

    def hinted_together(self, data: bytes) -> bool:
        """Tell the same of many texts, none of which need be long for all to be."""
        return len(data) > MOST_TOGETHER or self.written.is_in(data) or self.wanted.hinted(data)

    def regions(self, data: bytes) -> list[Region]:
        """Return where the secrets are, in order, none overlapping another."""
        if self.written.is_in(data):
            return self._all(data)
        return merged(self.wanted.regions(data)) if self.wanted.hinted(data) else []

    def regions_of_item(self, data: bytes) -> list[Region]:
        """Return the same of a text that a caller may have made long to make it dear.

        It is read once as a whole, and again only around what may be a secret; where much is, or a
        secret does not end, all the rest of the text goes, unread.
        """
        if len(data) <= LONG_TEXT:
            return self.regions(data)
        found = [*self._piece_by_piece(data)]
        return merged([*found, *self.wanted.regions(_left(data, found))])

    def _piece_by_piece(self, data: bytes) -> Iterator[Region]:
        resume = 0
        for pieces in range(_MOST_PIECES + 1):
            hint = self.written.end_at(data, resume)
            if hint < 0:
                return
            if pieces == _MOST_PIECES:
                break
            start = _start_of_word(data, resume, hint - _OVERLAP)
            piece = data[start : start + LONG_TEXT]
            here = self._written_in(piece)
            if not here and not self.written.is_in(piece):
                yield Region(_start_of_place(data, resume, start), len(data))
                return
            yield from _moved(here, start)
            stop = start + len(piece)
            if stop == len(data):
                return
            if here and _fills(here[-1], len(piece)):
                yield Region(userinfo_before(data, start + here[-1].start), len(data))
                return
            resume = stop - _OVERLAP
            if _is_endless(data[resume:stop]):
                break
        yield Region(resume, len(data))

    def _all(self, data: bytes) -> list[Region]:
        found = self._written_in(data)
        return merged([*found, *self.wanted.regions(_left(data, found))])

    def _written_in(self, data: bytes) -> list[Region]:
        """Return what its name or its form gives away."""
        found = [*self.named.regions(data)]
        found += self.private.regions(_left(data, found))
        found += self.shaped.regions(_left(data, found))
        return merged(found)


def _is_endless(end: bytes) -> bool:
    """Tell whether a part ends with what may belong to a name that began before it."""
    blanks = end.replace(b"\t", b" ")
    return b" " * _LONGEST_BLANK in blanks or max(map(len, end.split()), default=0) > _LONGEST_WORD


def _start_of_word(data: bytes, first: int, wanted: int) -> int:
    """Return ``wanted``, or a little less: half a name must not be taken for a whole one."""
    if wanted <= first:
        return first
    blank = data.rfind(b" ", max(first, wanted - _LONGEST_BEGINNING), wanted)
    return wanted if blank < 0 else blank


def _start_of_place(data: bytes, first: int, end: int) -> int:
    """Return where the place of a secret begins that goes on at ``end``: its word, and blanks."""
    word = data[first:end].rstrip(b" \t")
    return first + 1 + max([word.rfind(blank) for blank in (b" ", b"\t", b"\n", b"\r")])


def _moved(regions: Iterable[Region], by: int) -> Iterator[Region]:
    for one in regions:
        yield one._replace(start=one.start + by, end=one.end + by)


def _left(data: bytes, found: list[Region]) -> bytes:
    """Return what is left to be searched of ``data``, where all the rest of it goes already."""
    starts = [one.start for one in found if _fills(one, len(data))]
    return data[: min(starts) + _LONGEST_BEGINNING] if starts else data


def _fills(region: Region, end: int) -> bool:
    return region.end == end and end - region.start > _LONGER_THAN_ANY_KEY
