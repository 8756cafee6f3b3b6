"""Uses of a small company, and answers as lists of what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keytrail.questions import Answer, Table
from store.segment_kit import SECOND, T0, use, write
from support.cases import F1, F2

F3 = "f3" * 32
HOUR = 3600 * SECOND


def rows(answer: Answer | Table, *columns: str) -> list[tuple[Any, ...]]:
    """Return the given columns of every row."""
    places = [answer.columns.index(column) for column in columns]
    return [tuple(row[place] for place in places) for row in answer.rows]


def table(answer: Answer, name: str) -> Table:
    """Return the part of an answer that is called ``name``."""
    (found,) = [one for one in answer.tables if one.name == name]
    return found


def chain(home: Path, lines: Iterable[dict[str, Any]] = ()) -> None:
    """Write what one call leaves: a client's key F1, for which the shop sends its F2 to stock."""
    trace = f"{0xABC:032x}"
    shop = {"service": "shop", "trace_id": trace, "key_name": "corvo", "owner": "Corvo"}
    sent = {"direction": "outgoing", "key": F2, "key_name": "stock key", "owner": "Platform"}
    write(
        home,
        use(0, **shop, span_id=f"{1:016x}", client="198.51.100.7", duration=1.0),
        use(
            1,
            **{**shop, **sent},
            span_id=f"{2:016x}",
            parent_span_id=f"{1:016x}",
            host="stock.internal",
            client=None,
            route=None,
        ),
        use(
            2,
            **{**shop, **sent, "direction": "incoming", "service": "stock"},
            span_id=f"{3:016x}",
            parent_span_id=f"{2:016x}",
            client="10.0.0.1",
            route="/stock",
        ),
        *lines,
    )


__all__ = ["F1", "F2", "F3", "HOUR", "SECOND", "T0", "chain", "rows", "table", "use", "write"]
