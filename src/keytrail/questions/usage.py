"""Load: how often keys were used over time, with what result, how fast, and at what cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from keytrail.questions.answer import Answer
from keytrail.questions.dimensions import placed, read_dimensions, told_of
from keytrail.questions.errors import QuestionError
from keytrail.questions.filters import Filters, read_filters
from keytrail.sources.source import DAY, HOUR, Grouping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Unpack

    from keytrail.questions.prices import Prices
    from keytrail.sources.source import Filter, Row, Source

_MEASURED: Final = (
    *("uses", "errors", "denials", "rate_limited", "clients", "p50", "p95", "p99", "seconds"),
)
USAGE_COLUMNS: Final = (
    *("time", "key", "key_id", "key_name", "owner", "environment", "provider"),
    *("service", "route", "host", "client", "direction", *_MEASURED, "cost", "currency"),
)
"""The columns of a row of usage; a column by which uses are not divided is empty."""

_PARTS: Final = {"hour": HOUR, "day": DAY, "all": None}


def usage(
    source: Source,
    *,
    by: Sequence[str] = ("key",),
    every: str = "hour",
    prices: Prices | None = None,
    **filters: Unpack[Filters],
) -> Answer:
    """Return one row per part of the time and group of uses, in the order of time.

    ``by`` is some of ``DIMENSIONS``; ``every`` is ``hour``, ``day`` (both UTC) or ``all``. The
    latency quantiles ``p50``, ``p95``, ``p99`` and their sum ``seconds`` are in seconds; the cost
    is what ``prices`` say, empty where they say nothing of any use of the row.

    Raises:
        QuestionError: a filter, a dimension or a part cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    if every not in _PARTS:
        raise QuestionError(f"--every: no such part\nhint: give one of {', '.join(_PARTS)}")
    divided = read_dimensions(by)
    asked = read_filters(source, filters)
    part = ("time",) if _PARTS[every] else ()
    columns = (*part, *divided, *told_of(divided, USAGE_COLUMNS), *_MEASURED)
    found = source.groups(asked.wanted, Grouping(columns, divided, every=_PARTS[every]))
    rows: Iterable[Row] = found.rows
    if prices is not None:
        costs = _costs(source, asked.wanted, (*part, *divided), _PARTS[every], prices)
        rows = _priced(rows, len(part) + len(divided), costs, prices.currency)
        columns = (*columns, "cost", "currency")
    question = {"name": "usage", "by": " ".join(divided), "every": every, **asked.shown}
    return Answer(question, USAGE_COLUMNS, placed(rows, columns, USAGE_COLUMNS), found.completeness)


def _costs(
    source: Source, wanted: Filter, group: tuple[str, ...], every: int | None, prices: Prices
) -> dict[Row, Decimal]:
    """Return the cost of each group: its uses counted apart by what their price depends on."""
    by = tuple(column for column in dict.fromkeys((*group, *prices.columns)) if column != "time")
    columns = (*group, *(column for column in by if column not in group), "uses", "seconds")
    costs: dict[Row, Decimal] = {}
    for row in source.groups(wanted, Grouping(columns, by, every=every)).rows:
        *_, uses, seconds = row
        cost = prices.cost(dict(zip(columns, row, strict=True)), _whole(uses), _number(seconds))
        if cost is not None:
            key = row[: len(group)]
            costs[key] = costs.get(key, Decimal()) + cost
    return costs


def _priced(
    rows: Iterable[Row], group: int, costs: dict[Row, Decimal], currency: str
) -> Iterator[Row]:
    for row in rows:
        cost = costs.get(row[:group])
        yield (*row, None, None) if cost is None else (*row, float(cost), currency)


def _whole(value: object) -> int:
    return int(str(value))


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))
