"""A :class:`Grouping` as a statement in DuckDB's SQL."""

# ruff: noqa: S608 - SQL is put together from names of our own columns and measures

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.sources.source import Grouping


class _Told(NamedTuple):
    sql: str
    reads: tuple[str, ...]


def _newest(column: str) -> _Told:
    return _Told(f"arg_max({column}, time)", (column, "time"))


def _with(outcome: str) -> _Told:
    return _Told(f"count(*) FILTER (outcome = '{outcome}')", ("outcome",))


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
    "seconds": _Told("sum(duration)", ("duration",)),
}
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""Taken together: DuckDB keeps every duration once for each that it is asked for apart."""
_COUNTED: Final = {"services": "service", "routes": "route", "hosts": "host"}
"""The measures that count how many values a column has, but for clients; these go together."""
_BITS: Final = 512
_CHOSEN: Final = "chosen AS NOT MATERIALIZED (FROM uses_and_hashes WHERE {where})"
_RANKED: Final = f"""
{_CHOSEN},
ranked AS MATERIALIZED (
    SELECT client, row_number() OVER (ORDER BY count(*) DESC, client) AS rank
    FROM chosen WHERE client IS NOT NULL GROUP BY client
),
busy AS NOT MATERIALIZED (
    FROM chosen LEFT JOIN (FROM ranked WHERE rank <= {_BITS}) USING (client)
),
rare AS NOT MATERIALIZED (FROM chosen SEMI JOIN (FROM ranked WHERE rank > {_BITS}) USING (client))
"""
_LISTED: Final = f"""
ranked AS MATERIALIZED (
    SELECT client, row_number() OVER () AS rank FROM (SELECT DISTINCT unnest(?) AS client)
),
chosen AS NOT MATERIALIZED (FROM uses_and_hashes JOIN ranked USING (client) WHERE {{where}}),
busy AS NOT MATERIALIZED (
    SELECT * REPLACE (CASE WHEN rank <= {_BITS} THEN rank END AS rank) FROM chosen
),
rare AS NOT MATERIALIZED (FROM chosen WHERE rank > {_BITS})
"""
_ONE_CLIENT: Final = "(told.of_client IS NOT NULL)::BIGINT"
_CLIENTS: Final = "coalesce(bit_count(busy_clients), 0) + coalesce(other_clients, 0)"
"""Clients are counted in two parts: a group keeps one bit for each of the busiest, and distinct
values only of the others, since the clients of each hour and key are nearly as many as its uses."""


def statement(grouping: Grouping, *, are_clients_listed: bool = False) -> str:
    """Return the statement, with the place ``{where}`` for a condition.

    ``are_clients_listed``: the uses are of the clients in a list, which is the value of the
    question mark before the condition; else which there are has to be looked for.

    Values are counted beside the other measures, by groupings of their own: DuckDB takes longer
    for ``count(DISTINCT …)`` of several columns at once.
    """
    counts = _counts(grouping)
    clients = _LISTED if are_clients_listed else _RANKED
    queries = [
        clients if has_clients(grouping) else _CHOSEN,
        f"told AS ({_told(grouping)})",
        *(f"{name} AS ({_count(counted, grouping)})" for name, counted in counts.items()),
    ]
    return (
        f"WITH {', '.join(queries)} SELECT {', '.join(_columns(grouping))} "
        f"FROM {' '.join(['told', *(_join(name, grouping) for name in counts)])} "
        f"ORDER BY {', '.join(_order(grouping)) or '1'}"
    )


def reads(grouping: Grouping) -> set[str]:
    """Return the columns of a use that the statement reads."""
    measured = {column for told in _measures(grouping).values() for column in told.reads}
    counted = {column for counted in _counts(grouping).values() for column in counted.values()}
    durations = {"duration"} if has_quantiles(grouping) else set()
    return {*grouping.divided, *measured, *counted, *durations}


def has_quantiles(grouping: Grouping) -> bool:
    """Return whether every duration has to be kept until all are known."""
    return not _QUANTILES.keys().isdisjoint(grouping.columns)


def has_clients(grouping: Grouping) -> bool:
    """Return whether the clients of a group have to be counted: not where it is of one."""
    return "clients" in grouping.columns and "client" not in grouping.by


def _measures(grouping: Grouping) -> dict[str, _Told]:
    return {
        column: _MEASURES[column]
        for column in grouping.columns
        if column in _MEASURES and column not in grouping.divided
    }


def _counts(grouping: Grouping) -> dict[str, dict[str, str]]:
    """Return what is counted together, each measure with its column, under a query's name."""
    together = {one: column for one, column in _COUNTED.items() if one in grouping.columns}
    others = {"other_clients": "client"} if has_clients(grouping) else {}
    return {name: counted for name, counted in (("few", together), ("many", others)) if counted}


def _parts(grouping: Grouping) -> list[str]:
    """Return by what uses are divided, each under a name that no column has."""
    whole = {"time": f"time - time % {grouping.every}"}
    return [f"{whole.get(column, column)} AS of_{column}" for column in grouping.divided]


def _told(grouping: Grouping) -> str:
    measures = [f"{told.sql} AS {column}" for column, told in _measures(grouping).items()]
    if has_quantiles(grouping):
        measures.append(f"quantile_cont(duration, {list(_QUANTILES.values())}) AS quantiles")
    if has_clients(grouping):
        measures.append(f"bitstring_agg(rank, 1, {_BITS}) AS busy_clients")
    uses = "busy" if has_clients(grouping) else "chosen"
    return f"SELECT {', '.join([*_parts(grouping), *measures])} FROM {uses} GROUP BY ALL"


def _count(counted: dict[str, str], grouping: Grouping) -> str:
    names = [f"of_{part}" for part in grouping.divided]
    uses = "rare" if "other_clients" in counted else "chosen"
    distinct = f"SELECT DISTINCT {', '.join([*_parts(grouping), *counted.values()])} FROM {uses}"
    each = "" if len(counted) == 1 else "DISTINCT "
    counts = [f"count({each}{column}) AS {measure}" for measure, column in counted.items()]
    return f"SELECT {', '.join([*names, *counts])} FROM ({distinct}) GROUP BY ALL"


def _join(name: str, grouping: Grouping) -> str:
    same = (f"told.of_{part} IS NOT DISTINCT FROM {name}.of_{part}" for part in grouping.divided)
    return f"LEFT JOIN {name} ON {' AND '.join(same) or 'true'}"


def _columns(grouping: Grouping) -> Iterator[str]:
    quantiles = list(_QUANTILES)
    for column in grouping.columns:
        if column in grouping.divided:
            yield f"told.of_{column}"
        elif column in quantiles:
            yield f"quantiles[{quantiles.index(column) + 1}]"
        elif column == "clients":
            yield f"{_CLIENTS if has_clients(grouping) else _ONE_CLIENT} AS clients"
        else:
            yield column


def _order(grouping: Grouping) -> Iterator[str]:
    yield from (f"{grouping.columns.index(column) + 1} DESC" for column in grouping.order)
    yield from (f"told.of_{column} NULLS FIRST" for column in grouping.divided)
