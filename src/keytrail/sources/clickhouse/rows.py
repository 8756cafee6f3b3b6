"""What ClickHouse tells of a use, as a use."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keytrail.journal.columns import COLUMNS
from keytrail.sources.clickhouse.table import IN_REST
from keytrail.sources.source import USE_COLUMNS
from keytrail.sources.spans import NAMES, READ, is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keytrail.sources.source import Row

_KEYS: Final = ("key", "behalf_key")
_DIFFERENT: Final = 4096
"""So many texts of attributes that are alike in many uses are kept read."""


def as_uses(
    rows: Iterable[Row], columns: Iterable[str], wanted: tuple[str, ...] = USE_COLUMNS
) -> Iterator[Row]:
    """Yield ``rows`` of these columns, those of :meth:`Table.told`, with those ``wanted``."""
    names = tuple(columns)
    has_rest = "rest" in names
    read = [(name, READ[COLUMNS[name]]) for name in wanted]
    for row in rows:
        told = dict(zip(names, row, strict=True))
        if not is_key(told.get("key")):
            told["key"] = None
        rest = _rest(str(told["rest"])) if has_rest else {}
        yield tuple(rest[name] if name in rest else as_read(told[name]) for name, as_read in read)


def are_keys(rows: Iterable[Row], columns: Sequence[str]) -> bool:
    """Tell whether all that stands for a key in ``rows`` may be shown."""
    places = [place for place, column in enumerate(columns) if column in _KEYS]
    return all(is_key(row[place]) for row in rows for place in places)


@lru_cache(_DIFFERENT)
def _rest(text: str) -> dict[str, object]:
    attributes = json.loads(text)
    return {
        column: READ[COLUMNS[column]](
            next((attributes[name] for name in NAMES[column] if attributes.get(name)), None)
        )
        for column in IN_REST
    }
