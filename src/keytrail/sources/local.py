"""The journal on this machine as a source."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import duckdb

from keytrail.sources.completeness import judge
from keytrail.sources.conditions import columns, condition
from keytrail.sources.source import USE_COLUMNS, CannotAnswer, Filter, Found, Row
from keytrail.store import delivered
from keytrail.store.errors import StoreError
from keytrail.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READINGS: Final = 5
_UNREADABLE: Final = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.OutOfMemoryException,
)
_ROWS_AT_ONCE: Final = 2000

_KEYS_COLUMNS: Final = {
    *("key", "key_id", "key_name", "owner", "provider", "direction"),
    *("time", "outcome", "client", "service", "route"),
}
_KEYS: Final = """
SELECT key, arg_max(key_id, time), arg_max(key_name, time), arg_max(owner, time),
       arg_max(provider, time), direction, min(time), max(time) AS last_use, count(*),
       count(*) FILTER (outcome = 'error'), count(*) FILTER (outcome = 'denied'),
       count(DISTINCT client), count(DISTINCT service), count(DISTINCT route)
FROM uses WHERE {} GROUP BY key, direction ORDER BY last_use DESC, key, direction
"""
_USES: Final = f"""
SELECT {", ".join(USE_COLUMNS)} FROM uses WHERE {{}}
ORDER BY time DESC, trace_id, span_id
"""  # noqa: S608 - names of our own columns


class LocalSource:
    """Answers from the live segments of one home, as :class:`keytrail.sources.Source` says."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def uses(self, wanted: Filter, limit: int | None) -> Found:
        """Return the newest ``limit`` uses, newest first."""
        if limit is None:
            return self._read(wanted, _USES)
        return _cut(self._read(wanted, f"{_USES} LIMIT {limit + 1}"), limit)

    def keys(self, wanted: Filter) -> Found:
        """Return one row per key and direction, the last used first."""
        return self._read(wanted, _KEYS, _KEYS_COLUMNS | columns(wanted))

    def _read(self, wanted: Filter, sql: str, read: set[str] | None = None) -> Found:
        """Read again where a segment was delivered and deleted under the query."""
        try:
            for _ in range(_READINGS - 1):
                with suppress(duckdb.IOException):
                    return self._read_once(wanted, sql, read)
            return self._read_once(wanted, sql, read)
        except (StoreError, *_UNREADABLE) as error:
            raise CannotAnswer(_unreadable(self._home, error)) from None

    def _read_once(self, wanted: Filter, sql: str, read: set[str] | None) -> Found:
        now = time.time_ns()
        store = Store(self._home, read)
        try:
            where, values = condition(store, wanted)
            store.execute(sql.format(where), values)
            deliveries = delivered.read(self._home, wanted.since, wanted.until)
        except BaseException:
            store.close()
            raise
        return Found(_rows(store), judge(wanted, now, self._home, store.condition, deliveries))


def _rows(store: Store) -> Iterator[Row]:
    with closing(store):
        while rows := store.fetch(_ROWS_AT_ONCE):
            yield from rows


def _unreadable(home: Path, error: Exception) -> str:
    if isinstance(error, StoreError):
        return str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return "too many uses match for the memory at hand\nhint: ask for less time, or a --limit"
    again = isinstance(error, duckdb.IOException)
    hint = "ask again" if again else "`keytrail verify` tells which sealed files were changed"
    return f"the journal in {home} cannot be read: {str(error).splitlines()[0]}\nhint: {hint}"


def _cut(found: Found, limit: int) -> Found:
    rows = list(found.rows)
    if len(rows) <= limit:
        return Found(rows, found.completeness)
    reasons = (f"older uses match too: these are the newest {limit:,}", *found.completeness.reasons)
    return Found(rows[:limit], replace(found.completeness, worth="truncated", reasons=reasons))
