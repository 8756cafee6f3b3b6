"""The journal on this machine as a source."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import duckdb

from keytrail.sources import relation
from keytrail.sources.completeness import judge
from keytrail.sources.cut import cut
from keytrail.sources.limits import NO_LIMITS
from keytrail.sources.source import USE_COLUMNS, CannotAnswer, Found
from keytrail.store import delivered
from keytrail.store.errors import StoreError
from keytrail.store.reading import HASHES
from keytrail.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytrail.sources.limits import Limits
    from keytrail.sources.relation import Query
    from keytrail.sources.source import Completeness, Filter, Grouping, Identity, Row, Source

_READINGS: Final = 5
_UNREADABLE: Final = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.OutOfMemoryException,
)
_ROWS_AT_ONCE: Final = 2000
_ASKED_FOR: Final = (*USE_COLUMNS, *HASHES)
"""The columns that any question may read."""
TOO_SLOW: Final = (
    "the journal was not read within the time that was given"
    "\nhint: ask for less time, or give it more by --timeout"
)


class LocalSource:
    """Answers from the live segments of one home, as :class:`keytrail.sources.Source` says."""

    def __init__(self, home: Path, limits: Limits = NO_LIMITS) -> None:
        self._home = home
        self._limits = limits

    def uses(self, wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Found:
        """Return the newest ``limit`` uses, newest first, or all of them the other way round."""
        if limit is None or oldest_first:
            return self._read(relation.uses(wanted, None, oldest_first=oldest_first))
        return cut(self._read(relation.uses(wanted, limit + 1)), limit)

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses."""
        return self._read(relation.groups(wanted, grouping))

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host."""
        return self._read(relation.flows(wanted, behalf))

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by it."""
        return tuple(map(relation.identity, self._read(relation.identities(start)).rows))

    def close(self) -> None:
        """Nothing stays open between questions."""

    @contextmanager
    def reading(self) -> Iterator[Source]:
        """Open the store once for several questions."""
        try:
            reading = _OneReading(self._home, self._limits)
        except (StoreError, *_UNREADABLE) as error:
            raise CannotAnswer(_unreadable(self._home, error)) from None
        with closing(reading):
            yield reading

    def _read(self, query: Query) -> Found:
        """Read again where a segment was delivered and deleted under the query."""
        try:
            for _ in range(_READINGS - 1):
                with suppress(duckdb.IOException):
                    return self._read_once(query)
                self._open_again()
            return self._read_once(query)
        except duckdb.InterruptException:
            raise CannotAnswer(TOO_SLOW) from None
        except (StoreError, *_UNREADABLE) as error:
            raise CannotAnswer(_unreadable(self._home, error)) from None

    def _open_again(self) -> None:
        """Nothing stays open between two attempts either."""

    def _read_once(self, query: Query) -> Found:
        now = time.time_ns()
        with ExitStack() as open_ones:
            store = open_ones.enter_context(closing(Store(self._home, query.reads, query.memory)))
            open_ones.enter_context(self._limits.interrupting(store.connection.interrupt))
            query.run(store)
            completeness = self._judge(query, now, store)
            return Found(self._rows(store, open_ones.pop_all()), completeness)

    def _rows(self, store: Store, until_read: ExitStack) -> Iterator[Row]:
        with until_read:
            try:
                while rows := store.fetch(_ROWS_AT_ONCE):
                    yield from rows
            except duckdb.InterruptException:
                raise CannotAnswer(TOO_SLOW) from None
            except _UNREADABLE as error:
                raise CannotAnswer(_unreadable(self._home, error)) from None

    def _judge(self, query: Query, now: int, store: Store) -> Completeness:
        wanted = query.wanted
        deliveries = delivered.read(self._home, wanted.since, wanted.until)
        return judge(wanted, now, self._home, store.condition, deliveries)


class _OneReading(LocalSource):
    """The journal as it was when it was opened, or had to be again; its rows are read at once."""

    def __init__(self, home: Path, limits: Limits) -> None:
        super().__init__(home, limits)
        self._store = self._opened()

    def close(self) -> None:
        """Give the store back."""
        self._store.close()

    def _open_again(self) -> None:
        self._store.close()
        self._store = self._opened()

    def _opened(self) -> Store:
        return Store(self._home, _ASKED_FOR)

    def _read_once(self, query: Query) -> Found:
        now = time.time_ns()
        with self._limits.interrupting(self._store.connection.interrupt):
            query.run(self._store)
            rows = self._store.connection.fetchall()
        return Found(rows, self._judge(query, now, self._store))


def _unreadable(home: Path, error: Exception) -> str:
    if isinstance(error, StoreError):
        return str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return "too many uses match for the memory at hand\nhint: ask for less time, or a --limit"
    again = isinstance(error, duckdb.IOException)
    hint = "ask again" if again else "`keytrail verify` tells which sealed files were changed"
    return f"the journal in {home} cannot be read: {str(error).splitlines()[0]}\nhint: {hint}"
