"""The commands that ask the record: ``keys``, ``uses`` and what is worked out of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from typer import Context

from keytrail.cli.errors import CommandError
from keytrail.cli.keys import refuse_arguments
from keytrail.cli.options import Format, Home, read_quietly
from keytrail.cli.question import Asking, From, RowLimit, TimeLimit, question

if TYPE_CHECKING:
    from keytrail.questions import Answer
    from keytrail.sources import Source

_TABLE_LIMIT: Final = 100
_LEAK_LIMIT: Final = 1_000

Limit = Annotated[
    int | None,
    typer.Option(help="Most uses shown, 0 for all; a table shows 100.", min=0, metavar="N"),
]
By = Annotated[
    str,
    typer.Option(
        help="What uses are divided by, comma-separated: key, owner, environment, provider, "
        "service, route, host, client, direction.",
        metavar="COLUMNS",
    ),
]
Every = Annotated[
    Literal["hour", "day", "all"], typer.Option(help="Length of a row's time, in UTC.")
]
PriceList = Annotated[
    Path | None, typer.Option("--prices", help="Price list, for the cost.", metavar="FILE")
]
LeakLimit = Annotated[
    int,
    typer.Option(help="Most uses shown, 0 for all; the tables count all.", min=0, metavar="N"),
]
InventoryFile = Annotated[
    Path | None,
    typer.Option("--inventory", help="Inventory, instead of KEYTRAIL_INVENTORY.", metavar="FILE"),
]
Days = Annotated[int, typer.Option(help="How long a key must not have been seen.", metavar="DAYS")]
At = Annotated[
    str | None, typer.Option(help="When the key leaked: what is new since?", metavar="TIME")
]
Before = Annotated[
    str | None,
    typer.Option(help="Where the earlier window begins; as long as the other.", metavar="TIME"),
]
Factor = Annotated[float, typer.Option(help="From which factor on a count has changed.")]


@question
def keys(asking: Asking) -> None:
    """Show every key that was used: by whom, first and last, how often, with what result."""
    from keytrail import questions

    asking(lambda source: questions.keys(source, **asking.filters))


@question
def uses(asking: Asking, limit: Limit = None) -> None:
    """Show every use that matches all filters, the newest first."""
    from keytrail import questions

    if limit is None and asking.format == "table":
        limit = _TABLE_LIMIT
    asking(lambda source: questions.uses(source, limit=limit or None, **asking.filters))


@question
def usage(asking: Asking, by: By = "key", every: Every = "hour", prices: PriceList = None) -> None:
    """Show the load over time: uses, errors and latency per key, or by whatever is named."""
    from keytrail import questions

    def ask(source: Source) -> Answer:
        listed = None if prices is None else questions.read_prices(prices)
        return questions.usage(source, by=_names(by), every=every, prices=listed, **asking.filters)

    asking(ask)


@question
def flow(asking: Asking) -> None:
    """Show which key goes from which service to which host, and on whose behalf."""
    from keytrail import questions

    asking(lambda source: questions.flow(source, **asking.filters))


@question
def compare(asking: Asking, before: Before = None, by: By = "key", factor: Factor = 2.0) -> None:
    """Compare two windows of time, the later one from --since on: what is new, gone, changed."""
    from keytrail import questions

    asking(
        lambda source: questions.compare(
            source, before=before, by=_names(by), factor=factor, **asking.filters
        )
    )


def unused(
    days: Days = 30,
    inventory: InventoryFile = None,
    source: From = None,
    timeout: TimeLimit = None,
    max_rows: RowLimit = None,
    format: Format = "table",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Show the keys of the inventory that are not in use, and those in use that are not in it."""
    from keytrail import questions
    from keytrail.capture.entry import InventoryError
    from keytrail.capture.inventory_file import read_inventory

    set_up = read_quietly(home).inventory
    path = inventory or (set_up if isinstance(set_up, Path) else None)
    try:
        entries = () if path is None else read_inventory(path)
    except InventoryError as error:
        raise CommandError(str(error)) from None
    asking = Asking({}, source, format, home, timeout, max_rows)
    asking(lambda source: questions.unused(source, entries, days=days))


@question
def leak(asking: Asking, context: Context, at: At = None, limit: LeakLimit = _LEAK_LIMIT) -> None:
    """Show everything a leaked key did; the key itself is read from stdin, never an argument."""
    from keytrail import questions

    refuse_arguments(context)
    asking.filters["key"] = asking.filters["key"] or "-"
    asking(lambda source: questions.leak(source, at=at, limit=limit or None, **asking.filters))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
