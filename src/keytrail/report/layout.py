"""Which columns fit a terminal, and how wide each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.report.look import ELASTIC, IMPORTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP: Final = 2
_LEAST: Final = 12
_MOST: Final = 48


def fit(natural: Mapping[str, int], room: int) -> dict[str, int]:
    """Return the width of every column that fits into ``room``, in the order of ``natural``.

    The most important columns are taken first; elastic ones then share what is left over.
    """
    widths: dict[str, int] = {}
    left = room + GAP
    for column in sorted(natural, key=IMPORTANCE.index):
        least = _least(column, natural[column])
        if least + GAP <= left:
            widths[column] = least
            left -= least + GAP
    for column, width in widths.items():
        more = min(min(natural[column], _MOST) - width, left) if column in ELASTIC else 0
        widths[column] += more
        left -= more
    return {column: widths[column] for column in natural if column in widths}


def _least(column: str, natural: int) -> int:
    return min(natural, _LEAST) if column in ELASTIC else natural
