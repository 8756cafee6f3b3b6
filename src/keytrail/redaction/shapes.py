"""Redaction by shape: tokens that their own form gives away, whoever sent them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from keytrail.redaction.boundary import after, after_boundary, end_of_word
from keytrail.redaction.expressions import inner, opening, shortest
from keytrail.redaction.inner import InnerMarks
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import LONG_TEXT, MOST_IN_ONE_TEXT, Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LETTER: Final = re.compile(rb"[A-Za-z]")
_DIGIT: Final = re.compile(rb"[0-9]")
_DIGEST: Final = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}|[0-9A-F]{40}|[0-9A-F]{64}|[0-9a-f]{128}")
_MOST_OPENINGS: Final = 384
"""So many words that begin like a token are looked at in one text; then all the rest goes."""
_MOST_FOR_NOTHING: Final = 16 * 1024
"""Bytes of words that have a token's form and are none; behind more of them all the rest goes."""
_SHORTEST_ANCHOR: Final = 2
"""So many bytes at the start of a weak token tell nothing of whether it is random."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of token."""

    id: str
    expression: str
    weak: bool
    """Other words begin like it: the token must also look random."""


def listed() -> list[Shape]:
    """Return the shapes of the package's list."""
    text = resources.files(__package__).joinpath("token-shapes.json").read_text("utf-8")
    entries: list[dict[str, Any]] = json.loads(text)["shapes"]
    return [Shape(entry["id"], entry["redact"], entry["precision"] == "weak") for entry in entries]


class ShapedValues:
    """Finds tokens of the listed shapes and of those that the user's catalogue adds."""

    def __init__(self, added: Iterable[str] = ()) -> None:
        shapes = [*listed(), *map(_added, added)]
        opened = {one: begins for one in shapes if (begins := opening(one.expression))}
        rest = [one.expression for one in shapes if one not in opened]
        marked = {one: parts for one in rest if (parts := inner(one))}
        others = [one for one in rest if one not in marked]
        self._inner = InnerMarks(marked) if marked else None
        begun = after_boundary(
            sorted({shortest(one) for one in (*(one.expression for one in opened), *others)})
        )
        self.expression = f"{begun}|{self._inner.expression}" if self._inner else begun
        """What is searched for to tell whether a text may hold a token."""
        self._somewhere = Pattern.anywhere(self.expression)
        self._openings = Pattern(after_boundary(dict.fromkeys(opened.values())))
        self._any = _longest_of(opened)
        self._distinctive = _longest_of(one for one in opened if not one.weak)
        self._weak = _longest_of(one for one in opened if one.weak)
        self._others = Pattern(after_boundary(others), longest=True) if others else None

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every token, with what is joined to its end; all the rest where there are many."""
        if len(data) > LONG_TEXT and not self._somewhere.is_in(data):
            return
        yield from self._with_opening(data)
        if self._inner is not None:
            yield from self._inner.regions(data)
        if self._others is not None:
            yield from _matched(self._others, data)

    def _with_opening(self, data: bytes) -> Iterator[Region]:
        resume = found = for_nothing = 0
        for _ in range(_MOST_OPENINGS):
            match = self._openings.search(data, resume)
            if match is None:
                return
            begin, _ = match.span()
            start, end, read = self._token(data, begin)
            resume = max(end, begin + 1)
            if start < end:
                yield Region(start, end, "shape")
                found += 1
            else:
                for_nothing += read - begin
            if found == MOST_IN_ONE_TEXT or for_nothing > _MOST_FOR_NOTHING:
                break
        yield Region(resume, len(data), "shape")

    def _token(self, data: bytes, begin: int) -> tuple[int, int, int]:
        """Return the token that begins behind the boundary at ``begin``, or with it.

        And how far was read to tell that there is none.
        """
        read = begin
        for start in (after(data, begin), *([begin] if data[begin] in b"$%" else [])):
            read = max(read, self._any.end_at(data, start))
            if read == begin:
                continue
            end = self._distinctive.end_at(data, start)
            weak_end = self._weak.end_at(data, start)
            if weak_end > end and _looks_random(data[start:weak_end]):
                end = weak_end
            if end >= 0:
                return start, end_of_word(data, end), read
        return begin, begin, read


def _matched(pattern: Pattern, data: bytes) -> Iterator[Region]:
    resume = 0
    for _ in range(MOST_IN_ONE_TEXT):
        match = pattern.search(data, resume)
        if match is None:
            return
        begin, end = match.span()
        resume = end_of_word(data, end)
        yield Region(after(data, begin), resume, "shape")
    yield Region(resume, len(data), "shape")


def _added(expression: str) -> Shape:
    """Return a user's shape: named groups would clash with those of others."""
    return Shape("added", f"(?:{re.sub(r'[(][?]P?<[^>]*>', '(?:', expression)})", weak=False)


def _longest_of(shapes: Iterable[Shape]) -> Pattern:
    return Pattern("|".join(shape.expression for shape in shapes), longest=True)


def _looks_random(token: bytes) -> bool:
    """Tell a token from a word and from a digest that happens to begin like one."""
    tail = token[_SHORTEST_ANCHOR:]
    return (
        _DIGIT.search(tail) is not None
        and _LETTER.search(tail) is not None
        and _DIGEST.fullmatch(token) is None
    )
