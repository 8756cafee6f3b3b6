"""SQL over the store for people: the views that are documented, read-only, and nothing else."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from keytrail.store.errors import StoreError
from keytrail.store.reading import quoted
from keytrail.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS_AT_ONCE: Final = 2000
_ATTEMPTS: Final = 5
_KEYS: Final = """
CREATE TEMP VIEW keys AS
SELECT key, arg_max(key_id, time) AS key_id, arg_max(key_name, time) AS key_name,
       arg_max(owner, time) AS owner, arg_max(provider, time) AS provider, direction,
       min(time) AS first_use, max(time) AS last_use, count(*) AS uses,
       count(*) FILTER (outcome = 'error') AS errors,
       count(*) FILTER (outcome = 'denied') AS denials,
       count(DISTINCT client) AS clients, count(DISTINCT service) AS services,
       count(DISTINCT route) AS routes
FROM uses GROUP BY key, direction
"""
_GAPS: Final = (
    "CREATE TEMP TABLE gaps (time BIGINT, reason VARCHAR, uses BIGINT)",
    "INSERT INTO gaps VALUES (?, ?, ?)",
)


class Table(NamedTuple):
    """The answer to a statement."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def asked(home: Path, sql: str) -> Iterator[Table]:
    """Answer one SELECT over ``uses``, ``keys`` and ``gaps`` of ``home``.

    The statement can read these and the files they stand in, and write nothing. It is asked again
    where one of them was delivered or sealed under it.

    Raises:
        StoreError: the store cannot be read, or the statement is none that only reads.
    """
    try:
        with closing(_answering(home, sql)) as store:
            columns = tuple(column[0] for column in store.connection.description or ())
            yield Table(columns, _rows(store))
    except duckdb.Error as error:
        raise StoreError(f"{error}\nhint: docs/store.md has the views and their columns") from None


def _answering(home: Path, sql: str) -> Store:
    for _ in range(_ATTEMPTS - 1):
        with suppress(_GoneError):
            return _ask(home, sql)
    return _ask(home, sql)


class _GoneError(duckdb.IOException):
    """A file was delivered or sealed between being found and being read."""


def _ask(home: Path, sql: str) -> Store:
    store = Store(home)
    try:
        _prepare(store)
        store.execute(_only_reading(sql))
    except duckdb.Error as error:
        store.close()
        if all(map(os.path.exists, store.paths)):
            raise
        raise _GoneError(str(error)) from None
    except BaseException:
        store.close()
        raise
    return store


def _prepare(store: Store) -> None:
    store.execute(_KEYS)
    store.execute(_GAPS[0])
    for gap in store.condition.gaps:
        store.execute(_GAPS[1], (gap.time, gap.reason, gap.uses))
    _lock(store)


def _only_reading(sql: str) -> str:
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise StoreError(
            "this is not one statement that only reads\n"
            "hint: give one SELECT over uses, keys or gaps"
        )
    return statements[0].query


def _lock(store: Store) -> None:
    """From here on no other file, no other setting, nothing loaded."""
    paths = ", ".join(quoted(path) for path in store.paths)
    store.execute(f"SET allowed_paths = [{paths}]")
    store.execute("SET enable_external_access = false")
    store.execute("SET lock_configuration = true")


def _rows(store: Store) -> Iterator[tuple[Any, ...]]:
    while rows := store.fetch(_ROWS_AT_ONCE):
        yield from rows
