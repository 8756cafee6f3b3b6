"""What a source is asked, in ClickHouse's SQL."""

# ruff: noqa: S608 - SQL is put together from our own names; values are bound

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.sources.source import Filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keytrail.sources.clickhouse.table import Table
    from keytrail.sources.source import Grouping

_FINAL_FIRST: Final = "ifNull({outcome}, '') = 'unknown', Duration DESC"
"""Of a use that was told twice, the record that has an end, or else the later one."""
_ONE_OF_EACH: Final = (
    f"ORDER BY {_FINAL_FIRST.format(outcome='outcome')} LIMIT 1 BY TraceId, SpanId"
)
_MAY_CHANGE: Final = frozenset({"outcome", "route", "owner", "environment", "key_id", "key_name"})
"""What a running use may have otherwise than it has at its end; all else stays, or comes to it."""
_QUANTILES: Final = "quantilesExactInclusive(0.5, 0.95, 0.99)(duration)"
"""Told together: every duration is kept once."""
_NEWEST: Final = ("previous", "key_id", "key_name", "owner", "environment", "provider")
_MEASURES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    **{column: (f"argMax({column}, time)", (column, "time")) for column in _NEWEST},
    "first_use": ("min(time)", ("time",)),
    "last_use": ("max(time)", ("time",)),
    "uses": ("count()", ()),
    "errors": ("countIf(outcome = 'error')", ("outcome",)),
    "denials": ("countIf(outcome = 'denied')", ("outcome",)),
    "rate_limited": ("countIf(outcome = 'rate_limited')", ("outcome",)),
    "clients": (
        "uniqExact(client_text) + groupBitmapIf(client_number, client_number != 0)",
        ("client_text", "client_number"),
    ),
    "services": ("uniqExact(service)", ("service",)),
    "routes": ("uniqExact(route)", ("route",)),
    "hosts": ("uniqExact(host)", ("host",)),
    "p50": (f"{_QUANTILES}[1]", ("duration",)),
    "p95": (f"{_QUANTILES}[2]", ("duration",)),
    "p99": (f"{_QUANTILES}[3]", ("duration",)),
    "seconds": ("sum(duration)", ("duration",)),
}
_FLOWS: Final = """
WITH sent AS ({sent}), behalf AS ({behalf}), flow AS (
    SELECT any(sent.key) AS key, any(sent.key_id) AS key_id, any(sent.key_name) AS key_name,
           any(sent.owner) AS owner, any(sent.provider) AS provider, any(sent.host) AS host,
           any(sent.service) AS service, any(sent.outcome) AS outcome, any(sent.time) AS time,
           argMaxIf(
               (behalf.key, behalf.key_name, behalf.owner, behalf.client),
               behalf.time, behalf.time <= sent.time
           ) AS of
    FROM sent LEFT JOIN behalf ON sent.trace_id = behalf.trace_id
         AND ifNull(sent.service, '') = ifNull(behalf.service, '')
    GROUP BY sent.trace_id, sent.span_id
)
SELECT key, argMax(key_id, time), argMax(key_name, time), argMax(owner, time),
       argMax(provider, time), service, host, of.1, argMax(of.2, time), argMax(of.3, time), of.4,
       min(time), max(time), count(), countIf(outcome = 'error'), countIf(outcome = 'denied')
FROM flow WHERE {of_these}
GROUP BY key, service, host, of.1, of.4
ORDER BY 13 DESC, key NULLS FIRST, service NULLS FIRST, host NULLS FIRST, of.1 NULLS FIRST,
         of.4 NULLS FIRST
"""
_FLOW_READ: Final = (
    *("trace_id", "span_id", "service", "time", "key", "key_id", "key_name", "owner"),
    *("provider", "client", "host", "outcome"),
)


@dataclass(slots=True)
class Statement:
    """One statement, and the values that are bound to it."""

    sql: str = ""
    values: dict[str, object] = field(default_factory=dict)

    def bind(self, value: object, kind: str) -> str:
        """Return the place of a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"

    def texts(self, values: Iterable[str]) -> str:
        """Return the place of several texts."""
        return self.bind(list(values), "Array(String)")


def _conditions(table: Table, wanted: Filter, statement: Statement) -> str:
    terms, changing = [table.is_use], list[str]()
    for bound, sign in ((wanted.since, ">="), (wanted.until, "<=")):
        if bound is not None:
            moment = f"fromUnixTimestamp64Nano({statement.bind(bound, 'Int64')})"
            terms.append(f"Timestamp {sign} {moment}")
    if wanted.keys is not None:
        terms.append(_of_keys(table, wanted.keys, statement))
    if wanted.others_than is not None:
        terms.append(f"NOT ifNull({_of_keys(table, wanted.others_than, statement)}, 0)")
    if wanted.clients is not None:
        terms.append(table.among("client", statement.texts(filter(None, wanted.clients))))
    if wanted.traces is not None:
        terms.append(f"TraceId IN {statement.texts(_as_written(wanted.traces))}")
    if wanted.status is not None:
        low, high = (statement.bind(one, "Int64") for one in wanted.status)
        terms.append(f"{table.column('status')} BETWEEN {low} AND {high}")
    for name, elements in (
        (semconv.FINDINGS, None if wanted.finding is None else (wanted.finding,)),
        (semconv.REDACTED_HASHES, wanted.redacted),
        (semconv.KEY_OTHER_HASHES, wanted.beside),
    ):
        if elements is not None:
            terms.append(table.has(name, statement.texts(elements)))
    if wanted.route is not None:
        route = f"coalesce({table.column('route')}, {table.column('path')})"
        changing.append(f"{route} = {statement.bind(wanted.route, 'String')}")
    for column, value in wanted.equal:
        term = table.among(column, statement.texts(filter(None, (value,))))
        may_change = column in _MAY_CHANGE and (column, value) not in _AT_THE_END
        (changing if may_change else terms).append(term)
    if changing:
        terms.append(_finally(table, " AND ".join(terms), " AND ".join(changing)))
    return " AND ".join(terms)


_AT_THE_END: Final = frozenset(
    ("outcome", told) for told in ("success", "denied", "rate_limited", "error")
)


def _finally(table: Table, found: str, changing: str) -> str:
    """Return the condition that a use meets ``changing``, and not only while it ran."""
    runs = f"ifNull({table.column('outcome')}, '') = 'unknown'"
    running = f"SELECT {table.span} FROM {table.name} WHERE {found} AND {changing} AND {runs}"
    latest = f"argMin(ifNull({changing}, 0), ({runs}, -toInt64(Duration)))"
    others = (
        f"SELECT {table.span} FROM {table.name} WHERE {found} "
        f"AND {table.span} GLOBAL IN ({running}) GROUP BY 1 HAVING NOT {latest}"
    )
    return f"{changing} AND {table.span} GLOBAL NOT IN ({others})"


def _as_written(traces: Iterable[str]) -> Iterator[str]:
    """Yield ids as a table may have them: without some of their leading zeros.

    No index serves what is computed from a column.
    """
    for trace in traces:
        zeros = len(trace) - len(trace.lstrip("0"))
        yield from (trace[cut:] for cut in range(zeros + 1))


def _of_keys(table: Table, keys: tuple[str, ...], statement: Statement) -> str:
    place = statement.texts(keys)
    if table.has_own("key"):
        return f"KeytrailKeyHash IN {place}"
    return table.equals(semconv.KEY_HASH, place)


def uses(
    table: Table,
    wanted: Filter,
    limit: int | None,
    *,
    oldest_first: bool = False,
    also: tuple[str, ...] = (),
) -> Statement:
    """Return the statement for the newest ``limit`` uses, told by :meth:`Table.told`.

    The columns ``also`` come last.
    """
    statement = Statement()
    order = "" if oldest_first else " DESC"
    told = {**table.told(), **{column: _expression(table, column) for column in also}}
    shown = ", ".join(f"{sql} AS {column}" for column, sql in told.items())
    conditions = _conditions(table, wanted, statement)
    final_first = _FINAL_FIRST.format(outcome=table.column("outcome"))
    statement.sql = (
        f"SELECT {shown} FROM {table.name} WHERE {conditions} "
        f"ORDER BY time{order}, trace_id, span_id, {final_first} LIMIT 1 BY trace_id, span_id"
        + ("" if limit is None else f" LIMIT {limit:d}")
    )
    return statement


def some(table: Table, wanted: Filter, columns: tuple[str, ...], limit: int) -> Statement:
    """Return the statement for some ``limit`` uses in no order, told by :meth:`Table.told`.

    The last column is the number of the span: one that is there several times comes several times.
    """
    statement = Statement()
    shown = ", ".join(f"{sql} AS {column}" for column, sql in table.told(columns).items())
    statement.sql = (
        f"SELECT {shown}, {table.span} AS span FROM {table.name} "
        f"WHERE {_conditions(table, wanted, statement)} LIMIT {limit:d}"
    )
    return statement


def groups(table: Table, wanted: Filter, grouping: Grouping, *, once: bool) -> Statement:
    """Return the statement for the groups of ``grouping``.

    ``once``: a use that is there several times is read once, which is dear.
    """
    statement = Statement()
    parts = grouping.divided
    told = {column: _told(column, grouping) for column in grouping.columns}
    shown = [sql for sql, _ in told.values()]
    reads = {column for _, read in told.values() for column in read}
    order = [f"{grouping.columns.index(column) + 1} DESC" for column in grouping.order]
    order += [f"{_told(part, grouping)[0]} NULLS FIRST" for part in parts]
    read = _read_each_once if once else _read
    statement.sql = (
        f"SELECT {', '.join(shown)} FROM ({read(table, wanted, reads, statement)})"
        + (f" GROUP BY {', '.join(_told(part, grouping)[0] for part in parts)}" if parts else "")
        + f" ORDER BY {', '.join(order) or '1'}"
    )
    return statement


def named(table: Table, keys: Iterable[str]) -> Statement:
    """Return the statement for whether any span names one of ``keys`` beside its own."""
    statement = Statement()
    statement.sql = (
        f"SELECT count() FROM (SELECT 1 FROM {table.name} "
        f"WHERE {table.names(statement.texts(keys))} LIMIT 1)"
    )
    return statement


def repeats(table: Table, wanted: Filter) -> Statement:
    """Return the statement for whether a use among those that match may be there several times."""
    statement = Statement()
    statement.sql = (
        f"SELECT count() != uniqExact({table.span}) FROM {table.name} "
        f"WHERE {_conditions(table, wanted, statement)}"
    )
    return statement


def _told(column: str, grouping: Grouping) -> tuple[str, tuple[str, ...]]:
    if column in grouping.by:
        return column, (column,)
    if column == "time":
        return f"time - time % {grouping.every:d}", ("time",)
    return _MEASURES[column]


def _read(table: Table, wanted: Filter, columns: Iterable[str], statement: Statement) -> str:
    """Return the query for some columns of the uses that match."""
    conditions = _conditions(table, wanted, statement)
    return f"SELECT {_shown(table, columns)} FROM {table.name} WHERE {conditions}"


def _read_each_once(
    table: Table, wanted: Filter, columns: Iterable[str], statement: Statement
) -> str:
    """Return the query that tells apart only those that may be there several times."""
    shown = _shown(table, {*columns, "outcome"})
    conditions = _conditions(table, wanted, statement)
    matching = f"FROM {table.name} WHERE {conditions}"
    several = f"SELECT {table.span} {matching} GROUP BY 1 HAVING count() > 1"
    return (
        f"SELECT {shown} {matching} AND {table.span} GLOBAL NOT IN ({several}) UNION ALL "
        f"SELECT {shown} {matching} AND {table.span} GLOBAL IN ({several}) {_ONE_OF_EACH}"
    )


def _read_in_traces(table: Table, wanted: Filter, statement: Statement, traces: str | None) -> str:
    """Return the query for each use that matches, once, as flows need it: of these traces."""
    of_these = "" if traces is None else f" AND TraceId GLOBAL IN ({traces})"
    return f"{_read(table, wanted, _FLOW_READ, statement)}{of_these} {_ONE_OF_EACH}"


def _shown(table: Table, columns: Iterable[str]) -> str:
    return ", ".join(f"{_expression(table, column)} AS {column}" for column in sorted(columns))


def _expression(table: Table, column: str) -> str:
    if column == "previous":
        return table.attribute(semconv.KEY_PREVIOUS_HASH)
    if column == "client_number":
        return table.client_number
    if column == "client_text":
        return table.client_without_number
    return table.column(column)


def flows(table: Table, wanted: Filter, behalf: tuple[str, ...] | None) -> Statement:
    """Return the statement for the flows of keys."""
    statement = Statement()
    outgoing = replace(wanted, equal=(*wanted.equal, ("direction", "outgoing")))
    incoming = Filter(equal=(("direction", "incoming"),), until=wanted.until)
    of_these = None if behalf is None else _traces(table, Filter(keys=behalf), statement)
    with_a_call = _traces(table, outgoing, statement)
    statement.sql = _FLOWS.format(
        sent=_read_in_traces(table, outgoing, statement, of_these),
        behalf=_read_in_traces(table, incoming, statement, with_a_call),
        of_these="true" if behalf is None else f"of.1 IN {statement.texts(behalf)}",
    )
    return statement


def _traces(table: Table, wanted: Filter, statement: Statement) -> str:
    return f"SELECT TraceId FROM {table.name} WHERE {_conditions(table, wanted, statement)}"


def identities(table: Table, start: str) -> Statement:
    """Return the statement for the fingerprints that begin with ``start`` or go by it."""
    statement = Statement()
    reads = ("key", "key_id", "key_name", "owner", "time", "previous")
    digits, text = statement.bind(start.lower(), "String"), statement.bind(start, "String")
    statement.sql = (
        "SELECT key, previous, argMax(key_id, time), argMax(key_name, time), argMax(owner, time), "
        f"max(time) FROM ({_read(table, Filter(), reads, statement)}) "
        f"WHERE key IS NOT NULL AND (startsWith(key, {digits}) OR key_id = {text} "
        f"OR startsWith(ifNull(previous, ''), {digits})) "
        "GROUP BY key, previous ORDER BY 6 DESC, 1"
    )
    return statement


def begins(table: Table) -> Statement:
    """Return the statement for the oldest moment in the table, 0 where it is empty."""
    return Statement(f"SELECT toUnixTimestamp64Nano(min(Timestamp)) FROM {table.name}")
