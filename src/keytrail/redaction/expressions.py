"""The expression of a shape taken apart: how its tokens begin, the shortest, the mark inside."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LITERALS: Final = re.compile(
    r"(?:\(\?:[^(){}*+?]+\)(?![?*+{])|\[[^\]]*\](?![?*+{])|\\.|[0-9A-Za-z_%:/-])+"
)
"""Of an expression: its literal beginning, alternatives in it included."""
_OPTIONAL_END: Final = re.compile(r"(?:\[[^\]]*\]\*|\(\?:[^()]*\)\?)+$")
_OPEN_END: Final = re.compile(r"\{(\d+),\}(\)?)\+?$")
_RUNS: Final = re.compile(r"(?:\(\?:[^()]*\)\?)?(?P<runs>(?:\[[^\]]*\](?:\+|\{\d+,\}))+)(?=.)")
"""The runs before a mark; what may stand before them too is left out."""
_TO_LAST_RUN: Final = re.compile(r".*(?P<last>\[[^\]]*\])(?:\+|\{\d+,\})(?=.)")
_ONE_OR_MORE: Final = re.compile(r"(?<=\])\+")
_AT_LEAST: Final = re.compile(r"\{(\d+),\}")


class Inner(NamedTuple):
    """An expression for tokens that begin with a run of ordinary characters."""

    marked: str
    """For the mark, as much before it as must be there, and what follows, at its shortest."""
    hint: str
    """For what comes after the last run; without counting, it is the cheapest to search for."""


def opening(expression: str) -> str:
    """Return an expression for what every token begins with; empty if it varies."""
    found = _LITERALS.match(expression)
    return "" if found is None else found[0]


def shortest(expression: str) -> str:
    """Return an expression for the shortest of the tokens: enough to tell that one is there."""
    without = _OPTIONAL_END.sub("", expression)
    return _OPEN_END.sub(lambda end: f"{{{end[1]}}}{end[2]}", without)


def inner(expression: str) -> Inner | None:
    """Return what to search for instead of an expression that begins with a run."""
    runs = _RUNS.match(expression)
    if runs is None:
        return None
    least = shortest(expression)
    exactly = _AT_LEAST.sub(r"{\1}", _ONE_OR_MORE.sub("", runs["runs"]))
    last = _TO_LAST_RUN.match(least)
    hint = least if last is None else last["last"] + least[last.end() :]
    return Inner(exactly + least[runs.end() :], hint)
