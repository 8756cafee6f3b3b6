"""Redaction by shape: tokens that their own form gives away, whoever sent them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import MOST_IN_ONE_TEXT, REDACTED, Region

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
_REST: Final = re.compile(rb"[0-9A-Za-z_-]*")
_LETTER: Final = re.compile(rb"[A-Za-z]")
_DIGIT: Final = re.compile(rb"[0-9]")
_DIGEST: Final = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}|[0-9A-F]{40}|[0-9A-F]{64}|[0-9a-f]{128}")
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
        shapes = [*listed(), *(Shape("added", expression, weak=False) for expression in added)]
        self.expression = _any_of(shapes)
        """What is searched for to tell whether a text may hold a token."""
        self._distinctive = Pattern(_any_of([one for one in shapes if not one.weak]), longest=True)
        self._weak = Pattern(_any_of([one for one in shapes if one.weak]), longest=True)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every token, with what is joined to its end; all the rest where there are many."""
        yield from _found(self._distinctive, data)
        for region in _found(self._weak, data):
            if _looks_random(data[region.start : region.end]):
                yield region


def _any_of(shapes: Iterable[Shape]) -> str:
    return f"{_BEFORE}(?:{'|'.join(shape.expression for shape in shapes)})"


def _found(pattern: Pattern, data: bytes) -> Iterator[Region]:
    """Yield the matches; none overlaps another, so one that is refused costs no second look."""
    resume = 0
    for _ in range(MOST_IN_ONE_TEXT):
        match = pattern.search(data, resume)
        if match is None:
            return
        begin, end = match.span()
        boundary = _BOUNDARY.match(data, begin)
        start = begin if boundary is None else boundary.end()
        rest = _REST.match(data, end)
        resume = end if rest is None else rest.end()
        if data[start:resume] != REDACTED:
            yield Region(start, resume, "shape")
    yield Region(resume, len(data), "shape")


def _looks_random(token: bytes) -> bool:
    """Tell a token from a word and from a digest that happens to begin like one."""
    tail = token[_SHORTEST_ANCHOR:]
    return (
        _DIGIT.search(tail) is not None
        and _LETTER.search(tail) is not None
        and _DIGEST.fullmatch(token) is None
    )
