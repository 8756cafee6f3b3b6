"""Which columns fit a terminal, and how wide each is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GAP: Final = 2
_LEAST: Final = 12
_MOST: Final = 40
_ESSENTIAL: Final = 6

_OF_KEYS: Final = (
    *("key", "direction", "last_use", "uses", "denials", "owner"),
    *("key_name", "clients", "errors", "provider", "first_use", "services", "routes", "key_id"),
)
_OF_USES: Final = (
    *("time", "key", "method", "path", "status", "client"),
    *("findings", "direction", "owner", "route", "host", "outcome", "service", "key_name"),
    *("provider", "reason", "error", "duration", "field", "location", "scheme", "key_id"),
    *("environment", "user_agent", "sampled", "pepper_id"),
    *("trace_id", "span_id", "parent_span_id"),
)
"""The columns by importance, those without which a row says little first."""

_ELASTIC: Final = frozenset(
    {"route", "path", "host", "user_agent", "owner", "key_name", "service", "provider", "findings"}
)
"""Columns that may be cut with an ellipsis."""


def fit(natural: Mapping[str, int], room: int) -> dict[str, int]:
    """Return the width of every column that fits into ``room``, in the order of ``natural``.

    The essential columns are placed first, cut where they must be, then grown; the others get
    what they need or are left out.
    """
    order = sorted(natural, key=_importance(natural).index)
    line = _Line(natural, room + GAP)
    line.place(order[:_ESSENTIAL], _LEAST)
    line.grow()
    line.place(order[_ESSENTIAL:], _MOST)
    return {column: line.widths[column] for column in natural if column in line.widths}


def _importance(natural: Mapping[str, int]) -> Sequence[str]:
    """Return the order of a known kind of rows; others have their columns in it already."""
    for known in (_OF_USES, _OF_KEYS):
        if natural.keys() <= set(known):
            return known
    return tuple(natural)


@dataclass(slots=True)
class _Line:
    natural: Mapping[str, int]
    left: int
    widths: dict[str, int] = field(default_factory=dict)

    def place(self, columns: Iterable[str], most: int) -> None:
        for column in columns:
            width = self._wanted(column, most)
            if width + GAP <= self.left:
                self.widths[column] = width
                self.left -= width + GAP

    def grow(self) -> None:
        for column, width in self.widths.items():
            more = min(self._wanted(column, _MOST) - width, self.left)
            self.widths[column] += more
            self.left -= more

    def _wanted(self, column: str, most: int) -> int:
        return min(self.natural[column], most) if column in _ELASTIC else self.natural[column]
