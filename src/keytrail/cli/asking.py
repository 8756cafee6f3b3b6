"""The commands that ask the record: ``keys``, ``uses`` and what is worked out of them."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from keytrail.cli.question import Asking, question

_TABLE_LIMIT: Final = 100

Limit = Annotated[
    int | None,
    typer.Option(help="Most uses shown, 0 for all; a table shows 100.", min=0, metavar="N"),
]


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
