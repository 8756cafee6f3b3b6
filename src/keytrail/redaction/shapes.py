"""Redaction by shape: tokens that their own form gives away, whoever sent them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import LONG_TEXT, MOST_IN_ONE_TEXT, Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BEFORE: Final = (
    r"(?:^|[^0-9A-Za-z]|%[0-9A-Fa-f][0-9A-Fa-f]|\\(?:[abfnrtv0]|x[0-9A-Fa-f][0-9A-Fa-f]"
    r"|u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]))"
)
"""What may stand before a token: no letter or digit, but for those of an escape."""
_BOUNDARY: Final = re.compile(
    rb"%[0-9A-Fa-f]{2}|\\(?:[abfnrtv0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|[^0-9A-Za-z]|"
)
_LITERALS: Final = re.compile(
    r"(?:\(\?:[^(){}*+?]+\)(?![?*+{])|\[[^\]]*\](?![?*+{])|\\.|[0-9A-Za-z_%:/-])+"
)
"""Of an expression: its literal beginning, alternatives in it included."""
_OPTIONAL_END: Final = re.compile(r"(?:\[[^\]]*\]\*|\(\?:[^()]*\)\?)+$")
_OPEN_END: Final = re.compile(r"\{(\d+),\}(\)?)\+?$")
_REST: Final = re.compile(rb"[0-9A-Za-z_-]*")
_LETTER: Final = re.compile(rb"[A-Za-z]")
_DIGIT: Final = re.compile(rb"[0-9]")
_DIGEST: Final = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}|[0-9A-F]{40}|[0-9A-F]{64}|[0-9a-f]{128}")
_MOST_OPENINGS: Final = 512
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
        self.expression = _after_boundary(_shortest(one.expression) for one in shapes)
        """What is searched for to tell whether a text may hold a token."""
        self._somewhere = Pattern.anywhere(self.expression)
        opened = [one for one in shapes if _opening(one)]
        self._openings = Pattern(_after_boundary(dict.fromkeys(map(_opening, opened))))
        self._any = _longest_of(opened)
        self._distinctive = _longest_of(one for one in opened if not one.weak)
        self._weak = _longest_of(one for one in opened if one.weak)
        unopened = (one.expression for one in shapes if one not in opened)
        self._unopened = Pattern(_after_boundary(unopened), longest=True)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every token, with what is joined to its end; all the rest where there are many."""
        if len(data) > LONG_TEXT and not self._somewhere.is_in(data):
            return
        yield from self._with_opening(data)
        yield from self._without_opening(data)

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

    def _without_opening(self, data: bytes) -> Iterator[Region]:
        resume = 0
        for _ in range(MOST_IN_ONE_TEXT):
            match = self._unopened.search(data, resume)
            if match is None:
                return
            begin, end = match.span()
            resume = _end_of_word(data, end)
            yield Region(_after(data, begin), resume, "shape")
        yield Region(resume, len(data), "shape")

    def _token(self, data: bytes, begin: int) -> tuple[int, int, int]:
        """Return the token that begins behind the boundary at ``begin``, or with it.

        And how far was read to tell that there is none.
        """
        read = begin
        for start in (_after(data, begin), *([begin] if data[begin] in b"$%" else [])):
            read = max(read, self._any.end_at(data, start))
            if read == begin:
                continue
            end = self._distinctive.end_at(data, start)
            weak_end = self._weak.end_at(data, start)
            if weak_end > end and _looks_random(data[start:weak_end]):
                end = weak_end
            if end >= 0:
                return start, _end_of_word(data, end), read
        return begin, begin, read


def _added(expression: str) -> Shape:
    """Return a user's shape: named groups would clash with those of others."""
    return Shape("added", f"(?:{re.sub(r'[(][?]P?<[^>]*>', '(?:', expression)})", weak=False)


def _after_boundary(expressions: Iterable[str]) -> str:
    return f"{_BEFORE}(?:{'|'.join(expressions)})"


def _shortest(expression: str) -> str:
    """Return ``expression`` for the shortest of its tokens: enough to tell that one is there."""
    without = _OPTIONAL_END.sub("", expression)
    return _OPEN_END.sub(lambda end: f"{{{end[1]}}}{end[2]}", without)


def _longest_of(shapes: Iterable[Shape]) -> Pattern:
    return Pattern("|".join(shape.expression for shape in shapes), longest=True)


def _opening(shape: Shape) -> str:
    """Return an expression for what every token of ``shape`` begins with; empty if it varies."""
    found = _LITERALS.match(shape.expression)
    return "" if found is None else found[0]


def _after(data: bytes, begin: int) -> int:
    boundary = _BOUNDARY.match(data, begin)
    return begin if boundary is None else boundary.end()


def _end_of_word(data: bytes, end: int) -> int:
    rest = _REST.match(data, end)
    return end if rest is None else rest.end()


def _looks_random(token: bytes) -> bool:
    """Tell a token from a word and from a digest that happens to begin like one."""
    tail = token[_SHORTEST_ANCHOR:]
    return (
        _DIGIT.search(tail) is not None
        and _LETTER.search(tail) is not None
        and _DIGEST.fullmatch(token) is None
    )
