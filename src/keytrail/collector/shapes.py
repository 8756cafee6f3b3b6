"""Shapes of keys as patterns that the Collector's redaction processor searches fast.

Go's regexp looks for the literal that a pattern begins with before it tries anything else: one that
begins with an alternation, a flag or a boundary costs five to ten times as much. So every pattern
here begins with a literal, and keys that share a beginning share a pattern.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

SHAPES_FILE: Final = Path(__file__).parents[1] / "redaction" / "token-shapes.json"

COMMON: Final = (
    r"sk-[0-9A-Za-z_-]{20,}",
    r"_live_[0-9A-Za-z_]{10,}",
    r"_test_[0-9A-Za-z_]{16,}",
    r"gh[opsur]_[0-9A-Za-z]{16,}",
    r"github_pat_[0-9A-Za-z_]{16,}",
    r"gl[a-z]{2,5}-[0-9A-Za-z._-]{16,}",
    r"xox(?:d-[0-9A-Za-z%+/\\_-]{10,}|[a-z](?:\.xox[A-Za-z])?-[0-9A-Za-z-]{10,})",
    r"AIza[0-9A-Za-z_-]{35,}",
    r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}",
    r"SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",
    r"hf_[0-9A-Za-z]{30,}",
    r"npm_[0-9A-Za-z]{16,}",
    r"shp[a-z]{2}_[0-9A-Fa-f]{16,}",
    r"_v1_[0-9A-Za-z]{16,}",
    r"pat_[0-9A-Za-z_-]{16,}",
)
"""The beginnings that most keys have: what every span is searched for."""

TAIL: Final = "[0-9A-Za-z_.~+/%=-]*"
"""A shape may be the beginning of another one: nothing that goes on from it may stay."""

NAMED: Final = (
    r"key=[^&#\s\"',;<>()]{9,}",
    r"KEY=[^&#\s\"',;<>()]{9,}",
    r"token=[^&#\s\"',;<>()]{9,}",
    r"secret=[^&#\s\"',;<>()]{9,}",
    r"password=[^&#\s\"',;<>()]{9,}",
    r"ignature=[^&#\s\"',;<>()]{9,}",
    r"key%3D[^&#\s\"',;<>()]{9,}",
    r"earer [0-9A-Za-z._~+/=-]{9,}",
    r"asic [0-9A-Za-z+/=]{12,}",
)
"""What a name or a scheme gives away. From nine characters on, so that ``REDACTED`` stays."""

IN_TEXT: Final = (
    r"api[-_]?key[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"API[-_]?K(?:EY|ey)[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"Api[-_]?Key[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"pikey[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"assword[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"ecret[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"oken[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{9,}",
    r"uthorization[\"']?\s*[:=]\s*[\"']?(?:[A-Za-z]+ )?[^\s\"',;&]{9,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY[^-]*-----[^-]*",
)
"""Names before a value in free text, as logs and exceptions have them."""


@lru_cache(maxsize=1)
def shapes() -> list[dict[str, Any]]:
    """Return the shapes of the catalogue as they are in its file."""
    found: list[dict[str, Any]] = json.loads(SHAPES_FILE.read_text())["shapes"]
    return found


def for_spans() -> list[str]:
    """Return the patterns that every string of every span, event and metric is searched for."""
    return [*NAMED, *(found + TAIL for found in COMMON)]


def for_audit_and_logs() -> list[str]:
    """Return all patterns: what is rare is searched for where there is less to search."""
    listed = [found + TAIL for shape in shapes() for found in patterns_of(shape)]
    return list(dict.fromkeys([*IN_TEXT, *for_spans(), *listed]))


def patterns_of(shape: dict[str, Any]) -> list[str]:
    """Return patterns that begin with a literal and together find ``shape``; none where they can't.

    What looks weak must have its exact form, but may be longer.
    """
    if shape["precision"] == "weak":
        whole = re.sub(r"\{(\d+)\}", r"{\1,}", shape["regex"])
    else:
        whole = shape["redact"]
    return [found for found in _branches(whole) if re.match(r"\\?[^\\\[(.]", found)]


def _branches(expression: str) -> list[str]:
    """Return ``expression`` once for each alternative that it begins with."""
    if not expression.startswith("(?:"):
        return [expression]
    end = _closing(expression)
    rest = expression[end + 1 :]
    if rest[:1] in ("?", "*", "{", "+"):
        return []
    return [
        branch
        for alternative in _alternatives(expression[3:end])
        for branch in _branches(alternative + rest)
    ]


def _closing(expression: str) -> int:
    """Return where the group that ``expression`` begins with ends."""
    depth = 0
    for index, letter in _outside_classes(expression):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return index
    raise ValueError("the group does not end")


def _alternatives(body: str) -> list[str]:
    depth, start, found = 0, 0, []
    for index, letter in _outside_classes(body):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            found.append(body[start:index])
            start = index + 1
    return [*found, body[start:]]


def _outside_classes(expression: str) -> list[tuple[int, str]]:
    """Return the letters, with their places, that are neither escaped nor in square brackets."""
    return [
        (match.start(), match.group())
        for match in re.finditer(r"\\.|\[[^\]]*\]|.", expression, re.DOTALL)
        if len(match.group()) == 1
    ]


def example(shape: dict[str, Any], dice: Random) -> str:
    """Return a token of ``shape``, as its ``example`` describes it."""
    return "".join(_piece(piece, dice) for piece in shape["example"])


def _piece(piece: Any, dice: Random) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, dict) and "any" in piece:
        return "".join(_piece(inner, dice) for inner in dice.choice(piece["any"]))
    if isinstance(piece, dict):
        times = dice.randint(piece["min"], piece["max"] or piece["min"] + 2)
        return "".join(_piece(inner, dice) for _ in range(times) for inner in piece["rep"])
    alphabet, least, most = piece
    letters = _letters(alphabet)
    return "".join(dice.choices(letters, k=dice.randint(least, most or least + 10)))


def _letters(alphabet: str) -> str:
    return re.sub(
        r"(.)-(.)",
        lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))),
        alphabet,
    )
