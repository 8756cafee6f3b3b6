"""DuckDB over segments and sealed files: the connection, and both as relations."""

# ruff: noqa: S608 - SQL is put together from names of our own columns, and paths that are quoted

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import duckdb

from keytrail.journal.columns import COLUMNS, ColumnType
from keytrail.semconv import KEY_OTHER_HASHES, KEY_PREVIOUS_HASH, REDACTED_HASHES

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY: Final = "200MB"
MUCH_MEMORY: Final = "600MB"
"""For what has to keep all that it reads."""
SEALING_MEMORY: Final = "400MB"

_SQL_TYPE: Final[dict[ColumnType, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "texts": "VARCHAR[]",
    "json": "JSON",
}
END: Final = '"end":[0-9]{1,19}'
"""Where a span's end stands in its text; the first place is the span's own."""
HASHES: Final = {
    "previous": KEY_PREVIOUS_HASH,
    "beside": KEY_OTHER_HASHES,
    "redacted": REDACTED_HASHES,
}
"""Columns for the attributes that name further fingerprints: what a question about a key looks
through, of every use. A list is JSON."""
_SPAN: Final = f"""
CASE WHEN elapsed IS NULL THEN span
     ELSE regexp_replace(span, '{END}', '"end":' || (time + elapsed)) END::JSON AS span
"""


def connect(spill: str, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """Return a connection of bounded ``memory`` that loads nothing and spills into ``spill``."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": "2",
            "memory_limit": memory,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("SET enable_progress_bar = false")  # it would stand in the answer
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def hashes_of(attributes: str) -> str:
    """Return the expressions for ``HASHES`` out of the JSON text ``attributes``.

    Few uses have any, so that the text is looked through before it is parsed.
    """
    return ", ".join(
        f"CASE WHEN contains({attributes}, '\"{name}\"') "
        f"THEN json_extract_string({attributes}, '$.\"{name}\"') END AS {column}"
        for column, name in HASHES.items()
    )


def lines_of(paths: Sequence[str]) -> str:
    """Return the query for the lines in ``paths`` in order, with ``HASHES`` and ``filename``.

    A line that cannot be parsed is a row of nulls.
    """
    if not paths:
        return _no_lines()
    columns = ", ".join(f"'{name}': '{_SQL_TYPE[kind]}'" for name, kind in COLUMNS.items())
    return (
        f"SELECT *, {hashes_of('attributes')} "
        f"FROM read_json({_list(paths)}, columns={{{columns}}}, "
        "format='newline_delimited', ignore_errors=true, filename=true)"
    )


def sealed_rows(paths: Sequence[str]) -> str:
    """Return the query for the rows of sealed files as they stand there, with ``filename``."""
    return f"SELECT * FROM read_parquet({_list(paths)}, union_by_name=true, filename=true)"


def sealed_uses(paths: Sequence[str]) -> str:
    """Return the query for the uses in sealed files, with the columns that lines have."""
    return (
        f"SELECT * EXCLUDE (elapsed, filename) REPLACE (attributes::JSON AS attributes, {_SPAN}) "
        f"FROM ({sealed_rows(paths)}) WHERE record IS NULL"
    )


def _no_lines() -> str:
    columns = ", ".join(f"NULL::{_SQL_TYPE[kind]} AS {name}" for name, kind in COLUMNS.items())
    others = ", ".join(f"NULL::VARCHAR AS {name}" for name in (*HASHES, "filename"))
    return f"SELECT {columns}, {others} WHERE false"


def _list(paths: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, paths))}]"


def literal(path: str) -> str:
    """Return ``path`` as a SQL text that DuckDB does not take for a pattern when it reads."""
    return quoted("".join(f"[{letter}]" if letter in "*?[" else letter for letter in path))


def quoted(text: str) -> str:
    """Return ``text`` as a SQL text."""
    return "'" + text.replace("'", "''") + "'"
