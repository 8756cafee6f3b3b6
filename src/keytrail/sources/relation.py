"""What every source that has its uses in DuckDB asks of the relation ``uses_and_hashes``."""

# ruff: noqa: S608 - SQL is put together from names of our own columns and measures

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keytrail.sources import conditions, grouped
from keytrail.sources.source import USE_COLUMNS, Filter, Identity
from keytrail.store.reading import MEMORY, MUCH_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.sources.conditions import Relation
    from keytrail.sources.source import Grouping, Row


_FLOWS: Final = """
WITH sent AS (FROM uses_and_hashes WHERE direction = 'outgoing' AND {where}{traces}),
behalf AS (
    SELECT trace_id, service, time, key, key_name, owner, client
    FROM uses_and_hashes WHERE direction = 'incoming' AND trace_id IN (SELECT trace_id FROM sent)
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
    AND trace_id IN (
        SELECT trace_id FROM uses_and_hashes
        SEMI JOIN (SELECT true FROM uses_and_hashes WHERE direction = 'outgoing' LIMIT 1) ON true
        WHERE key IN (SELECT unnest(?))
    )
"""
"""Where nothing was sent, no traces are read."""
_FLOWS_READ: Final = {
    *("trace_id", "service", "time", "direction", "key", "key_id", "key_name", "owner"),
    *("provider", "client", "host", "outcome"),
}

_IDENTITIES: Final = """
WITH named AS (
    {one} starts_with(key, ?)
    UNION ALL {one} key_id = ?
    UNION ALL {one} starts_with(previous, ?)
)
SELECT key, previous, arg_max(key_id, time), arg_max(key_name, time), arg_max(owner, time),
       max(time) AS last_use
FROM named WHERE {{where}} GROUP BY key, previous ORDER BY last_use DESC, key
"""
_NAMED: Final = ("key", "previous", "key_id", "key_name", "owner", "time")


@dataclass(frozen=True, slots=True)
class Query:
    """A statement over ``uses_and_hashes``, with the place for a filter's condition."""

    sql: str
    wanted: Filter
    reads: frozenset[str]
    """The columns that it reads, those of the filter included."""
    values: tuple[object, ...] = ()
    """Of the question marks before the condition."""
    values_after: tuple[object, ...] = ()
    newest: int | None = None
    """How many uses are wanted at most."""
    memory: str = MEMORY
    """What it may take, as DuckDB reads it."""

    def run(self, relation: Relation) -> None:
        """Leave the rows to be fetched from ``relation``."""
        where, values = conditions.condition(relation, self.wanted)
        if self.newest is not None:
            where, values = self._since_newest(relation, where, values)
        relation.execute(self.sql.format(where=where), [*self.values, *values, *self.values_after])

    def _since_newest(
        self, relation: Relation, where: str, values: list[object]
    ) -> tuple[str, list[object]]:
        """Look first for the time of the oldest use that is wanted, so that few are read whole."""
        times = f"SELECT time FROM uses_and_hashes WHERE {where} ORDER BY time DESC"
        relation.execute(f"SELECT min(time) FROM ({times} LIMIT {self.newest:d})", values)
        ((oldest,),) = relation.fetch(1)
        return f"{where} AND time >= ?", [*values, oldest]


def _query(
    sql: str, wanted: Filter, reads: Iterable[str], values: tuple[object, ...] = ()
) -> Query:
    return Query(sql, wanted, frozenset({*reads, *conditions.columns(wanted)}), values)


def uses(wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Query:
    """Return the query for the newest ``limit`` uses."""
    most = "" if limit is None else f" LIMIT {limit:d}"
    order = "" if oldest_first else " DESC"
    sql = (
        f"SELECT {', '.join(USE_COLUMNS)} FROM uses_and_hashes WHERE {{where}} "
        f"ORDER BY time{order}, trace_id, span_id{most}"
    )
    return replace(_query(sql, wanted, USE_COLUMNS), newest=limit)


def groups(wanted: Filter, grouping: Grouping) -> Query:
    """Return the query for the groups of ``grouping``."""
    listed = wanted.clients if grouped.has_clients(grouping) else None
    if listed is not None:
        wanted = replace(wanted, clients=None)
    return replace(
        _query(
            grouped.statement(grouping, are_clients_listed=listed is not None),
            wanted,
            grouped.reads(grouping),
            () if listed is None else (list(listed),),
        ),
        memory=MUCH_MEMORY if grouped.has_quantiles(grouping) else MEMORY,
    )


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
    one = f"SELECT {', '.join(_NAMED)} FROM uses_and_hashes WHERE"
    digits = start.lower()
    return _query(_IDENTITIES.format(one=one), Filter(), _NAMED, (digits, start, digits))


def identity(row: Row) -> Identity:
    """Return a row of :func:`identities` as what it is."""
    return Identity(*row)  # type: ignore[arg-type]
