"""``keytrail sql``: the store's views, for people who want SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, read_settings

if TYPE_CHECKING:
    from keytrail.store.querying import Table

_TABLE_ROWS: Final = 1000

Statement = Annotated[str, typer.Argument(help="One SELECT.", metavar="SELECT", show_default=False)]
Format = Annotated[
    Literal["table", "csv", "ndjson"],
    typer.Option(help="A table for people, of 1,000 rows at most; csv or ndjson for programs."),
]


def sql(
    statement: Statement,
    format: Format = "table",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Answer a SELECT over the views uses, keys and gaps; DuckDB's SQL, and nothing but reading."""
    from keytrail.store.errors import StoreError
    from keytrail.store.querying import asked

    settings = read_settings(home)
    try:
        with asked(settings.home, statement) as table:
            _WRITERS[format](table)
        sys.stdout.flush()
    except StoreError as error:
        raise CommandError(str(error)) from None


def _write_table(table: Table) -> None:
    from itertools import islice

    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=None, pad_edge=False)
    for column in table.columns:
        shown.add_column(Text(column), overflow="fold")
    for row in islice(table.rows, _TABLE_ROWS):
        shown.add_row(*(Text("" if value is None else _plain(value)) for value in row))
    Console(highlight=False, markup=False, emoji=False).print(shown)
    if next(table.rows, None) is not None:
        sys.stderr.write(f"keytrail: these are the first {_TABLE_ROWS:,} rows\n")


def _plain(value: Any) -> str:
    from keytrail.report.text import plain

    return plain(str(value))


def _write_csv(table: Table) -> None:
    import csv

    from keytrail.report.as_csv import cell

    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(map(cell, table.columns))
    writer.writerows(map(cell, row) for row in table.rows)


def _write_ndjson(table: Table) -> None:
    import json

    for row in table.rows:
        named = dict(zip(table.columns, row, strict=True))
        sys.stdout.write(json.dumps(named, default=str) + "\n")


_WRITERS: Final = {"table": _write_table, "csv": _write_csv, "ndjson": _write_ndjson}
