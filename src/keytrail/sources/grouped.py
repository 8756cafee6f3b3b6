"""A :class:`Grouping` as a statement in DuckDB's SQL."""

# ruff: noqa: S608 - SQL is put together from names of our own columns and measures

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.sources.source import Grouping


class _Told(NamedTuple):
    sql: str
    reads: tuple[str, ...]


def _newest(column: str) -> _Told:
    return _Told(f"arg_max({column}, time)", (column, "time"))


def _with(outcome: str) -> _Told:
    return _Told(f"count(*) FILTER (outcome = '{outcome}')", ("outcome",))


def _quantile(part: float) -> _Told:
    return _Told(f"quantile_cont(duration, {part})", ("duration",))


_MEASURES: Final[dict[str, _Told]] = {
    "previous": _newest("previous"),
    "key_id": _newest("key_id"),
    "key_name": _newest("key_name"),
    "owner": _newest("owner"),
    "environment": _newest("environment"),
    "provider": _newest("provider"),
    "first_use": _Told("min(time)", ("time",)),
    "last_use": _Told("max(time)", ("time",)),
    "uses": _Told("count(*)", ()),
    "errors": _with("error"),
    "denials": _with("denied"),
    "rate_limited": _with("rate_limited"),
    "p50": _quantile(0.5),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
    "seconds": _Told("sum(duration)", ("duration",)),
}
_COUNTED: Final = {
    "clients": "client",
    "services": "service",
    "routes": "route",
    "hosts": "host",
}
"""The measures that count how many values a column has."""


def statement(grouping: Grouping) -> str:
    """Return the statement, with the place ``{where}`` for a condition.

    Values are counted beside the other measures, each by a grouping of its own: DuckDB takes twice
    as long for ``count(DISTINCT …)`` of several columns at once.
    """
    counted = [column for column in grouping.columns if column in _COUNTED]
    queries = [
        "chosen AS NOT MATERIALIZED (FROM uses_and_hashes WHERE {where})",
        f"told AS ({_told(grouping)})",
        *(f"{column} AS ({_count(column, grouping)})" for column in counted),
    ]
    return (
        f"WITH {', '.join(queries)} SELECT {', '.join(_columns(grouping))} "
        f"FROM {' '.join(['told', *(_join(column, grouping) for column in counted)])} "
        f"ORDER BY {', '.join(_order(grouping)) or '1'}"
    )


def reads(grouping: Grouping) -> set[str]:
    """Return the columns of a use that the statement reads."""
    measured = {column for told in _measures(grouping).values() for column in told.reads}
    counted = {_COUNTED[column] for column in grouping.columns if column in _COUNTED}
    return {*_divided(grouping), *measured, *counted}


def _divided(grouping: Grouping) -> tuple[str, ...]:
    return grouping.by if grouping.every is None else ("time", *grouping.by)


def _measures(grouping: Grouping) -> dict[str, _Told]:
    divided = _divided(grouping)
    return {
        column: _MEASURES[column]
        for column in grouping.columns
        if column in _MEASURES and column not in divided
    }


def _parts(grouping: Grouping) -> list[str]:
    """Return by what uses are divided, each under a name that no column has."""
    whole = {"time": f"time - time % {grouping.every}"}
    return [f"{whole.get(column, column)} AS of_{column}" for column in _divided(grouping)]


def _told(grouping: Grouping) -> str:
    measures = (f"{told.sql} AS {column}" for column, told in _measures(grouping).items())
    return f"SELECT {', '.join([*_parts(grouping), *measures])} FROM chosen GROUP BY ALL"


def _count(column: str, grouping: Grouping) -> str:
    value = _COUNTED[column]
    names = [f"of_{part}" for part in _divided(grouping)]
    distinct = f"SELECT DISTINCT {', '.join([*_parts(grouping), value])} FROM chosen"
    return (
        f"SELECT {', '.join([*names, f'count({value}) AS counted'])} FROM ({distinct}) GROUP BY ALL"
    )


def _join(column: str, grouping: Grouping) -> str:
    same = (
        f"told.of_{part} IS NOT DISTINCT FROM {column}.of_{part}" for part in _divided(grouping)
    )
    return f"JOIN {column} ON {' AND '.join(same) or 'true'}"


def _columns(grouping: Grouping) -> Iterable[str]:
    divided = _divided(grouping)
    for column in grouping.columns:
        if column in divided:
            yield f"told.of_{column}"
        else:
            yield f"{column}.counted" if column in _COUNTED else f"told.{column}"


def _order(grouping: Grouping) -> Iterable[str]:
    yield from (f"{grouping.columns.index(column) + 1} DESC" for column in grouping.order)
    yield from (f"told.of_{column} NULLS FIRST" for column in _divided(grouping))
