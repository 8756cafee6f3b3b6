"""Uses as the text of a file: whole lines as NDJSON, columns as CSV, events as OCSF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from keytrail.report.as_csv import write_rows
from keytrail.report.as_ocsf import event
from keytrail.report.values import record
from keytrail.sources.source import USE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


def write_uses(uses: Iterator[dict[str, Any]], form: str, data: TextIO) -> int:
    """Write ``uses``, by column, as ``csv``, ``ndjson`` or ``ocsf``; return how many."""
    written = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal written
        for use in uses:
            yield use
            written += 1

    _WRITERS[form](counted(), data)
    return written


def _as_csv(uses: Iterator[dict[str, Any]], data: TextIO) -> None:
    write_rows(USE_COLUMNS, (tuple(map(use.get, USE_COLUMNS)) for use in uses), data)


def _as_ndjson(uses: Iterator[dict[str, Any]], data: TextIO) -> None:
    lines = (record(tuple(use), tuple(use.values())) for use in uses)
    data.writelines(json.dumps(line) + "\n" for line in lines)


def _as_ocsf(uses: Iterator[dict[str, Any]], data: TextIO) -> None:
    events = (event({column: use.get(column) for column in USE_COLUMNS}) for use in uses)
    data.writelines(json.dumps(one) + "\n" for one in events)


_WRITERS: Final[dict[str, Callable[[Iterator[dict[str, Any]], TextIO], None]]] = {
    "csv": _as_csv,
    "ndjson": _as_ndjson,
    "ocsf": _as_ocsf,
}
