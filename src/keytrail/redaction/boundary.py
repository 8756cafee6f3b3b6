"""Where a token may begin, after no letter or digit but those of an escape, and where it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEFORE: Final = (
    r"(?:^|[^0-9A-Za-z]|%(?:25)*[0-9A-Fa-f][0-9A-Fa-f]|=3D|\\(?:[abfnrtv0]|x[0-9A-Fa-f][0-9A-Fa-f]"
    r"|u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]))"
)
_BOUNDARY: Final = re.compile(
    rb"%(?:25)*[0-9A-Fa-f]{2}|=3D|\\(?:[abfnrtv0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|[^0-9A-Za-z]|"
)
_REST: Final = re.compile(rb"[0-9A-Za-z_-]*")


def after_boundary(expressions: Iterable[str]) -> str:
    """Return an expression for any of ``expressions`` behind what may stand before a token."""
    return f"{_BEFORE}(?:{'|'.join(expressions)})"


def after(data: bytes, begin: int) -> int:
    """Return where a token begins whose boundary begins at ``begin``."""
    boundary = _BOUNDARY.match(data, begin)
    return begin if boundary is None else boundary.end()


def end_of_word(data: bytes, end: int) -> int:
    """Return the end of what is joined to a token that ends at ``end``."""
    rest = _REST.match(data, end)
    return end if rest is None else rest.end()
