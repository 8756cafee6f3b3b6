"""What every source that has its uses in DuckDB asks of the relation ``uses``."""

# ruff: noqa: S608 - SQL is put together from names of our own columns and measures

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from keytrail.semconv import KEY_PREVIOUS_HASH
from keytrail.sources import conditions
from keytrail.sources.source import USE_COLUMNS, Filter, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.sources.conditions import Relation
    from keytrail.sources.source import Grouping, Row


_PREVIOUS: Final = f"""json_extract_string(attributes, '$."{KEY_PREVIOUS_HASH}"')"""


class _Told(NamedTuple):
    sql: str
    reads: tuple[str, ...]


def _newest(column: str) -> _Told:
    return _Told(f"arg_max({column}, time)", (column, "time"))


def _with(outcome: str) -> _Told:
    return _Told(f"count(*) FILTER (outcome = '{outcome}')", ("outcome",))


def _distinct(column: str) -> _Told:
    return _Told(f"count(DISTINCT {column})", (column,))


def _quantile(part: float) -> _Told:
    return _Told(f"quantile_cont(duration, {part})", ("duration",))


_MEASURES: Final[dict[str, _Told]] = {
    "previous": _Told(f"arg_max({_PREVIOUS}, time)", ("attributes", "time")),
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
    "clients": _distinct("client"),
    "services": _distinct("service"),
    "routes": _distinct("route"),
    "hosts": _distinct("host"),
    "p50": _quantile(0.5),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
    "seconds": _Told("sum(duration)", ("duration",)),
}

_FLOWS: Final = """
WITH sent AS (FROM uses WHERE direction = 'outgoing' AND {where}{traces}),
behalf AS (
    SELECT trace_id, service, time, key, key_name, owner, client
    FROM uses WHERE direction = 'incoming' AND trace_id IN (SELECT trace_id FROM sent)
)
SELECT sent.key, arg_max(sent.key_id, sent.time), arg_max(sent.key_name, sent.time),
       arg_max(sent.owner, sent.time), arg_max(sent.provider, sent.time),
       sent.service, sent.host, behalf.key AS behalf_key,
       arg_max(behalf.key_name, sent.time), arg_max(behalf.owner, sent.time), behalf.client,
       min(sent.time), max(sent.time) AS last_use, count(*),
       count(*) FILTER (sent.outcome = 'error'), count(*) FILTER (sent.outcome = 'denied')
FROM sent ASOF LEFT JOIN behalf ON sent.trace_id = behalf.trace_id
     AND sent.service IS NOT DISTINCT FROM behalf.service AND sent.time >= behalf.time
WHERE {behalf}
GROUP BY sent.key, sent.service, sent.host, behalf.key, behalf.client
ORDER BY last_use DESC, 1, 6, 7, 8, 11
"""
_IN_TRACES_OF: Final = """
    AND trace_id IN (SELECT trace_id FROM uses WHERE key IN (SELECT unnest(?)))
"""
_FLOWS_READ: Final = {
    *("trace_id", "service", "time", "direction", "key", "key_id", "key_name", "owner"),
    *("provider", "client", "host", "outcome"),
}

_IDENTITIES: Final = f"""
SELECT key, {_PREVIOUS} AS previous, arg_max(key_id, time), arg_max(key_name, time),
       arg_max(owner, time), max(time) AS last_use
FROM uses WHERE (starts_with(key, ?) OR key_id = ? OR starts_with({_PREVIOUS}, ?)) AND {{where}}
GROUP BY key, previous ORDER BY last_use DESC, key
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement over ``uses``, with the place for a filter's condition."""

    sql: str
    wanted: Filter
    reads: frozenset[str] | None
    """The few columns that it reads, those of the filter included; ``None`` where it is most."""
    values: tuple[object, ...] = ()
    """Of the question marks before the condition."""
    values_after: tuple[object, ...] = ()

    def run(self, relation: Relation) -> None:
        """Leave the rows to be fetched from ``relation``."""
        where, values = conditions.condition(relation, self.wanted)
        relation.execute(self.sql.format(where=where), [*self.values, *values, *self.values_after])


def _query(sql: str, wanted: Filter, reads: Iterable[str]) -> Query:
    return Query(sql, wanted, frozenset({*reads, *conditions.columns(wanted)}))


def uses(wanted: Filter, limit: int | None) -> Query:
    """Return the query for the newest ``limit`` uses."""
    most = "" if limit is None else f" LIMIT {limit:d}"
    sql = (
        f"SELECT {', '.join(USE_COLUMNS)} FROM uses WHERE {{where}} "
        f"ORDER BY time DESC, trace_id, span_id{most}"
    )
    return Query(sql, wanted, reads=None)


def groups(wanted: Filter, grouping: Grouping) -> Query:
    """Return the query for the groups of ``grouping``."""
    told = {column: _told(column, grouping) for column in grouping.columns}
    parts = [_told(column, grouping).sql for column in _parts(grouping)]
    places = [grouping.columns.index(column) + 1 for column in grouping.order]
    order = [*(f"{place} DESC" for place in places), *(f"{part} NULLS FIRST" for part in parts)]
    sql = (
        f"SELECT {', '.join(one.sql for one in told.values())} FROM uses WHERE {{where}} "
        f"GROUP BY {', '.join(parts) or '()'} ORDER BY {', '.join(order) or '1'}"
    )
    return _query(sql, wanted, {column for one in told.values() for column in one.reads})


def _parts(grouping: Grouping) -> tuple[str, ...]:
    return grouping.by if grouping.every is None else ("time", *grouping.by)


def _told(column: str, grouping: Grouping) -> _Told:
    if column in grouping.by:
        return _Told(column, (column,))
    if column == "time":
        return _Told(f"time - time % {grouping.every:d}", ("time",))
    return _MEASURES[column]


def flows(wanted: Filter, behalf: tuple[str, ...] | None) -> Query:
    """Return the query for the flows of keys."""
    if behalf is None:
        sql = _FLOWS.replace("{traces}", "").replace("{behalf}", "true")
        return _query(sql, wanted, _FLOWS_READ)
    of_these = "behalf.key IN (SELECT unnest(?))"
    sql = _FLOWS.replace("{traces}", _IN_TRACES_OF).replace("{behalf}", of_these)
    query = _query(sql, wanted, _FLOWS_READ)
    return replace(query, values_after=(list(behalf), list(behalf)))


def identities(start: str) -> Query:
    """Return the query for the fingerprints that begin with ``start`` or go by it."""
    reads = {"key", "key_id", "key_name", "owner", "time", "attributes"}
    digits = start.lower()
    return Query(_IDENTITIES, Filter(), frozenset(reads), (digits, start, digits))


def identity(row: Row) -> Identity:
    """Return a row of :func:`identities` as what it is."""
    return Identity(*row)  # type: ignore[arg-type]
