"""DuckDB over segments: the connection, and the lines of some segments as a relation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import duckdb

from keytrail.journal.columns import COLUMNS, ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

_SQL_TYPE: Final[dict[ColumnType, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "texts": "VARCHAR[]",
    "json": "JSON",
}


def connect(spill: str) -> duckdb.DuckDBPyConnection:
    """Return a connection of bounded memory that loads nothing and spills into ``spill``."""
    return duckdb.connect(
        ":memory:",
        config={
            "threads": "2",
            "memory_limit": "700MB",
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )


def lines_of(paths: Sequence[str]) -> str:
    """Return the query for the lines in ``paths`` in order, with ``filename``.

    A line that cannot be parsed is a row of nulls.
    """
    if not paths:
        return _no_lines()
    columns = ", ".join(f"'{name}': '{_SQL_TYPE[kind]}'" for name, kind in COLUMNS.items())
    files = ", ".join(_literal(path) for path in paths)
    return (
        f"SELECT * FROM read_json([{files}], columns={{{columns}}}, "  # noqa: S608 - quoted
        "format='newline_delimited', ignore_errors=true, filename=true)"
    )


def _no_lines() -> str:
    columns = ", ".join(f"NULL::{_SQL_TYPE[kind]} AS {name}" for name, kind in COLUMNS.items())
    return f"SELECT {columns}, NULL::VARCHAR AS filename WHERE false"


def _literal(path: str) -> str:
    """Return ``path`` as a SQL text that DuckDB does not take for a pattern."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
    return "'" + plain.replace("'", "''") + "'"
