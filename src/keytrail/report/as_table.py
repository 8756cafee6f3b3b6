"""An answer as a table for people."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TextIO

from rich.box import Box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from keytrail.report.layout import GAP, fit
from keytrail.report.look import NUMBERS, cell
from keytrail.report.text import plain
from keytrail.report.values import span_of_time
from keytrail.semconv import REDACTED
from keytrail.store.moments import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytrail.questions.answer import Answer, Table
    from keytrail.sources.source import Completeness, Row

_RULED: Final = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_NO_LIMIT: Final = 100_000
_MOST_OF_A_TABLE: Final = 20
_WORTH_STYLE: Final = {"exact": "green", "bounded": "yellow", "truncated": "yellow"}


def write(answer: Answer, data: TextIO, talk: TextIO) -> None:
    """Write the rows and what they are worth to ``data``, hints to ``talk``.

    A terminal gets the columns that fit; a file or a pipe gets every column that has a value.
    """
    console = Console(file=data, highlight=False, markup=False, emoji=False)
    if not (data.isatty() or "COLUMNS" in os.environ):
        console.width = _NO_LIMIT
    rows = list(answer.rows)
    for table in answer.tables:
        _write_table(console, table)
    if rows:
        left_out = _write_rows(console, answer.columns, rows)
        console.print(f"\n{_total(answer, rows)}{_left_out(left_out)}", soft_wrap=True)
    else:
        console.print(_nothing(answer))
    _write_worth(console, answer.completeness)
    if not rows and answer.question.get("key") == REDACTED:
        talk.write(_NO_SUCH_KEY)


def _write_table(console: Console, table: Table) -> None:
    """Write a part of an answer under its title; one without rows says so in a line."""
    said = Text("" if table.rows else "none", "dim")
    console.print(Text(table.title, "bold"), said, soft_wrap=True)
    if not table.rows:
        return
    _write_rows(console, table.columns, table.rows[:_MOST_OF_A_TABLE])
    more = len(table.rows) - _MOST_OF_A_TABLE
    console.print(f"({_many(more, 'more row')} with --format json)\n" if more > 0 else "")


def _write_rows(console: Console, columns: Sequence[str], rows: Sequence[Row]) -> int:
    """Return how many columns with values found no room."""
    cells = {
        column: [cell(column, row[place]) for row in rows]
        for place, column in enumerate(columns)
        if any(row[place] is not None for row in rows)
    }
    natural = {
        column: max(len(column), *(text.cell_len for text in texts))
        for column, texts in cells.items()
        if any(texts)
    }
    widths = fit(natural, console.width)
    grid = Grid(box=_RULED, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for column, width in widths.items():
        grid.add_column(
            column.replace("_", " "),
            width=width,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column in NUMBERS else "left",
            header_style="bold",
        )
    for row in zip(*(cells[column] for column in widths), strict=True):
        grid.add_row(*row)
    console.print(grid)
    return len(natural) - len(widths)


def _total(answer: Answer, rows: Sequence[Row]) -> str:
    if "uses" not in answer.columns:
        return _many(len(rows), "use")
    key, uses = answer.columns.index("key"), answer.columns.index("uses")
    keys = len({row[key] for row in rows} - {None})
    counted = _many(keys, "key") if keys else _many(len(rows), "row")
    return f"{counted}, {_many(sum(int(str(row[uses])) for row in rows), 'use')}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _left_out(columns: int) -> str:
    if not columns:
        return ""
    return f" ({_many(columns, 'more column')} in a wider terminal or with --format json)"


def _nothing(answer: Answer) -> str:
    """A key is not seen since the record begins: whether it was before, nobody can tell."""
    begins, ends = answer.completeness.begins, answer.completeness.ends
    if answer.completeness.worth == "truncated":
        return "no uses found, and not all were read"
    if begins is None:
        return "no uses"
    if "until" in answer.question:
        return f"no uses: none seen from {seconds(begins)} to {seconds(ends)} UTC"
    return f"no uses: none seen since {seconds(begins)} UTC"


def _write_worth(console: Console, completeness: Completeness) -> None:
    text = Text(completeness.worth, _WORTH_STYLE[completeness.worth])
    text.append(span_of_time(completeness), "default")
    for reason in completeness.reasons:
        text.append(f"\n  {plain(reason)}", "default")
    console.print(text, soft_wrap=True)


_NO_SUCH_KEY: Final = (
    "no use has this fingerprint or public key id\n"
    "hint: `keytrail fingerprint` reads a key and prints its fingerprint\n"
)
