"""Segments that nobody writes any more, on their way into sealed files."""

# ruff: noqa: S608 - SQL is put together from constants here, paths come quoted from reading.py

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.store.live import IDENTITY, IS_USE, LASTED, Live
from keytrail.store.reading import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_IS_REPEATED: Final = f"coalesce({IDENTITY} IN (FROM repeated), false)"
_USES_OF: Final = f"SELECT * EXCLUDE (record, filename) FROM ({{}}) WHERE {IS_USE}"


class Closed(Live):
    """A reading of closed segments, held by who seals them.

    What is wanted whole is read again, a day at a time: to sort it out of a file takes more memory.
    """

    def __init__(self, connection: DuckDBPyConnection, paths: Sequence[str], spill: str) -> None:
        super().__init__(connection, paths, ("outcome",), spill)
        doubled = self.files("identity IN (FROM repeated)")
        lines = lines_of([path for path in paths if path in doubled])
        placed = f"SELECT *, row_number() OVER () AS place FROM ({lines})"
        connection.execute(
            f"CREATE TEMP TABLE copies AS SELECT * EXCLUDE (place) "
            f"FROM ({_USES_OF.format(placed)} AND {_IS_REPEATED}) QUALIFY row_number() OVER "
            f"(PARTITION BY trace_id, span_id ORDER BY {LASTED} DESC, place DESC) = 1"
        )

    def whole_uses(self, paths: Sequence[str]) -> str:
        """Return the query for the uses of the segments at ``paths``, with every column."""
        lines = _USES_OF.format(lines_of(paths))
        return f"{lines} AND NOT {_IS_REPEATED} UNION ALL BY NAME FROM copies"
