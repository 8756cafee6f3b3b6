"""A :class:`Grouping` as a statement in DuckDB's SQL."""

# ruff: noqa: S608 - SQL is put together from names of our own columns and measures

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keytrail.sources.source import Grouping


class _Told(NamedTuple):
    """A measure of uses."""

    sql: str
    reads: tuple[str, ...]
    of_parts: str | None = None
    """How it is told of the parts of a group, of which ``sql`` has told under its name; ``None``:
    as of uses, since a part has one value of the column, and the ``time`` of its newest use."""


def _newest(column: str) -> _Told:
    return _Told(f"arg_max({column}, time)", (column, "time"))


def _distinct(column: str) -> _Told:
    return _Told(f"count(DISTINCT {column})", (column,))


def _number(measure: str, which: str = "", reads: tuple[str, ...] = ()) -> _Told:
    return _Told(f"count(*){which}", reads, f"coalesce(sum({measure}), 0)::BIGINT")


def _with(measure: str, outcome: str) -> _Told:
    return _number(measure, f" FILTER (outcome = '{outcome}')", ("outcome",))


_MEASURES: Final[dict[str, _Told]] = {
    "previous": _newest("previous"),
    "key_id": _newest("key_id"),
    "key_name": _newest("key_name"),
    "owner": _newest("owner"),
    "environment": _newest("environment"),
    "provider": _newest("provider"),
    "first_use": _Told("min(time)", ("time",), "min(first_use)"),
    "last_use": _Told("max(time)", ("time",), "max(last_use)"),
    "uses": _number("uses"),
    "errors": _with("errors", "error"),
    "denials": _with("denials", "denied"),
    "rate_limited": _with("rate_limited", "rate_limited"),
    "services": _distinct("service"),
    "routes": _distinct("route"),
    "hosts": _distinct("host"),
    "seconds": _Told("sum(duration)", ("duration",), "sum(seconds)"),
}
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""Taken together: DuckDB keeps every duration once for each that it is asked for apart."""
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

    ``are_clients_listed``: of the clients in a list, which is the value of the question mark before
    the condition, clients are counted; else of all that meet it, and who they are is looked for.

    Where a group has few values of a column, its uses are first put together by these too, and
    then such parts of a group: to keep the newest value of each use, and which values there were,
    costs more.
    """
    clients = _LISTED if are_clients_listed else _RANKED
    queries = [
        clients if has_clients(grouping) else _CHOSEN,
        *_told(grouping),
        *([_other_clients(grouping)] if has_clients(grouping) else ()),
    ]
    return (
        f"WITH {', '.join(queries)} SELECT {', '.join(_columns(grouping))} "
        f"FROM told{_join_other_clients(grouping)} "
        f"ORDER BY {', '.join(_order(grouping)) or '1'}"
    )


def reads(grouping: Grouping) -> set[str]:
    """Return the columns of a use that the statement reads."""
    measured = {column for told in _measures(grouping).values() for column in told.reads}
    clients = {"client"} if has_clients(grouping) else set()
    durations = {"duration"} if has_quantiles(grouping) else set()
    return {*grouping.divided, *measured, *clients, *durations}


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


def _told(grouping: Grouping) -> Iterator[str]:
    columns = _columns_of_parts(grouping)
    if not columns:
        yield f"told AS ({_told_of_uses(grouping)})"
        return
    yield f"parts AS ({_parts_of_groups(grouping, columns)})"
    yield f"told AS ({_told_of_parts(grouping)})"


def _columns_of_parts(grouping: Grouping) -> list[str]:
    """Return by which columns groups come in parts; none where quantiles need every duration."""
    whole = [told for told in _measures(grouping).values() if told.of_parts is None]
    columns = dict.fromkeys(column for told in whole for column in told.reads if column != "time")
    return [] if has_quantiles(grouping) else list(columns)


def _told_of_uses(grouping: Grouping) -> str:
    measures = [f"{told.sql} AS {measure}" for measure, told in _measures(grouping).items()]
    if has_quantiles(grouping):
        measures.append(f"quantile_cont(duration, {list(_QUANTILES.values())}) AS quantiles")
    return _grouped([*_divided(grouping), *measures], grouping)


def _parts_of_groups(grouping: Grouping, columns: Iterable[str]) -> str:
    measures = {
        measure: told for measure, told in _measures(grouping).items() if told.of_parts is not None
    }
    told = [f"{told.sql} AS {measure}" for measure, told in measures.items()]
    return _grouped([*_divided(grouping), *columns, *told, "max(time) AS time"], grouping)


def _grouped(columns: list[str], grouping: Grouping) -> str:
    if not has_clients(grouping):
        return f"SELECT {', '.join(columns)} FROM chosen GROUP BY ALL"
    clients = f"bitstring_agg(rank, 1, {_BITS}) AS busy_clients"
    return f"SELECT {', '.join([*columns, clients])} FROM busy GROUP BY ALL"


def _told_of_parts(grouping: Grouping) -> str:
    groups = [f"of_{column}" for column in grouping.divided]
    measures = [
        f"{told.of_parts or told.sql} AS {measure}" for measure, told in _measures(grouping).items()
    ]
    clients = ["bit_or(busy_clients) AS busy_clients"] if has_clients(grouping) else []
    return f"SELECT {', '.join([*groups, *measures, *clients])} FROM parts GROUP BY ALL"


def _divided(grouping: Grouping) -> list[str]:
    """Return by what uses are divided, each under a name that no column has."""
    whole = {"time": f"time - time % {grouping.every}"}
    return [f"{whole.get(column, column)} AS of_{column}" for column in grouping.divided]


def _other_clients(grouping: Grouping) -> str:
    distinct = f"SELECT DISTINCT {', '.join([*_divided(grouping), 'client'])} FROM rare"
    counted = [*(f"of_{column}" for column in grouping.divided), "count(client) AS other_clients"]
    return f"others AS (SELECT {', '.join(counted)} FROM ({distinct}) GROUP BY ALL)"


def _join_other_clients(grouping: Grouping) -> str:
    if not has_clients(grouping):
        return ""
    same = (f"told.of_{one} IS NOT DISTINCT FROM others.of_{one}" for one in grouping.divided)
    return f" LEFT JOIN others ON {' AND '.join(same) or 'true'}"


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
