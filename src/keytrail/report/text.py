"""Recorded values as text that a terminal shows and does not obey."""

from __future__ import annotations

import unicodedata
from typing import Final

_ACTIVE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, turn the direction of writing or show nothing."""


def plain(value: str) -> str:
    """Return ``value`` with every letter that is not simply shown as its escape."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(map(_shown, value))


def _shown(letter: str) -> str:
    if unicodedata.category(letter) in _ACTIVE:
        return letter.encode("unicode_escape", "surrogatepass").decode()
    return letter
