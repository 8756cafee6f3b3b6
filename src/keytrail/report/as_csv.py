"""An answer as comma-separated values, RFC 4180, that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, TextIO

from keytrail.report.text import plain
from keytrail.report.values import record, worth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keytrail.questions.answer import Answer
    from keytrail.sources.source import Row

_FORMULA_STARTS = ("=", "+", "-", "@")


def write(answer: Answer, data: TextIO, talk: TextIO) -> None:
    """Write a header and the rows to ``data``, the completeness as the last line of ``talk``.

    Control characters are escapes, so that a row is a line; text that a spreadsheet would run as a
    formula gets an apostrophe before it; findings are parted by blanks; nothing is an empty cell.
    """
    write_rows(answer.columns, answer.rows, data)
    data.flush()
    talk.write(json.dumps({"completeness": worth(answer.completeness)}) + "\n")


def write_rows(columns: Sequence[str], rows: Iterable[Row], data: TextIO) -> None:
    """Write a header and ``rows`` to ``data`` as :func:`write` does."""
    writer = csv.writer(data, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(map(cell, record(columns, row).values()))


def cell(value: object) -> object:
    """Return what stands for ``value`` in a cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = " ".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return text
    return f"'{plain(text)}" if text.startswith(_FORMULA_STARTS) else plain(text)
