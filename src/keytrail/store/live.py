"""The uses in live segments as one relation, read while writers write."""

# ruff: noqa: S608 - SQL is put together from constants here, paths come quoted from reading.py

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keytrail.store import segments
from keytrail.store.reading import lines_of, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from duckdb import DuckDBPyConnection

MARKS: Final = ("filename", "record", "time", "pepper_id")
IDENTITY: Final = (
    "CASE WHEN trace_id IS NOT NULL AND span_id IS NOT NULL THEN hash(trace_id, span_id) END"
)
LASTED: Final = (
    "CASE WHEN coalesce(outcome, '') = 'unknown' THEN coalesce(duration, -1) ELSE 'infinity' END"
)
"""Of lines with one identity, that of the ended use counts; of a running one, the longest."""
_BESIDE: Final = ("record", "filename", "identity", "lasted", "place")
"""Of a marked line, what is no column of a use."""
IS_USE: Final = "record IS NULL AND time IS NOT NULL"
_IS_BROKEN: Final = "record IS NULL AND time IS NULL"
_IS_REPEATED: Final = "coalesce(identity IN (FROM repeated), false)"
_LAST_OF_EACH: Final = "row_number() OVER (PARTITION BY identity ORDER BY lasted DESC, place DESC)"
_MOST_IN_MEMORY: Final = 64 * 1024 * 1024
"""Bytes of segments; what is read of more stands in a file meanwhile, which costs no more time."""
_ROWS_AT_ONCE: Final = 20_480


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the record that its writer noted."""

    time: int
    """When it was noted, Unix nanoseconds."""
    reason: str
    uses: int
    """How many were lost."""


GAPS_OF: Final = (
    "SELECT coalesce(time, 0), coalesce(reason, 'unknown'), "
    "coalesce(TRY_CAST(attributes->>'uses' AS BIGINT), 0) FROM ({}) WHERE record = 'gap'"
)


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with some segments."""

    bad: int
    """Whole lines that are no record."""
    torn: int
    """Segments whose last line was cut short when its writer died."""

    def __add__(self, other: Flaws) -> Flaws:
        return Flaws(self.bad + other.bad, self.torn + other.torn)


class Live:
    """One reading of the segments at ``paths``, oldest change first: each line is read once.

    One row a use: a use that was written twice counts once, and its later line wins. Leaves the
    relations ``marks`` (one row a line: ``columns``, ``identity`` and what else marks it), in
    memory or in the directory ``spill``, and ``repeated``.

    Raises:
        duckdb.InvalidInputException: a segment holds a line of more than 16 MiB.
    """

    def __init__(
        self,
        connection: DuckDBPyConnection,
        paths: Sequence[str],
        columns: Collection[str],
        spill: str,
    ) -> None:
        self._connection = connection
        self.kept = os.path.join(spill, "lines.parquet") if _is_much(paths) else None
        """The file in which the lines stand, where there are too many for memory."""
        self._mark(paths, columns)
        self._find_repeated()

    def _mark(self, paths: Sequence[str], columns: Collection[str]) -> None:
        lines = (
            f"SELECT {', '.join(sorted({*columns, *MARKS}))}, {IDENTITY} AS identity, "
            f"{LASTED} AS lasted FROM ({lines_of(paths)})"
        )
        if self.kept is None:
            self._connection.execute(f"CREATE TEMP TABLE lines AS {lines}")
            marks = "SELECT *, rowid AS place FROM lines"
        else:
            self._connection.execute(
                f"COPY ({lines}) TO {quoted(self.kept)} "
                f"(FORMAT parquet, ROW_GROUP_SIZE {_ROWS_AT_ONCE})"
            )
            marks = (
                "SELECT *, file_row_number AS place "
                f"FROM read_parquet({literal(self.kept)}, file_row_number=true)"
            )
        self._connection.execute(f"CREATE TEMP VIEW marks AS {marks}")

    def _find_repeated(self) -> None:
        self._connection.execute(
            "CREATE TEMP TABLE repeated AS SELECT identity FROM marks "
            f"WHERE identity IS NOT NULL AND {IS_USE} GROUP BY identity HAVING count(*) > 1"
        )

    def uses(self) -> str:
        """Return the query for the uses, with the columns that were read."""
        lines = f"SELECT * EXCLUDE ({', '.join(_BESIDE)}) FROM marks WHERE {IS_USE}"
        if not self._all("FROM repeated LIMIT 1"):
            return lines
        return (
            f"{lines} AND NOT {_IS_REPEATED} "
            f"UNION ALL {lines} AND {_IS_REPEATED} QUALIFY {_LAST_OF_EACH} = 1"
        )

    def begins(self) -> int | None:
        """Return the time of the oldest record, Unix nanoseconds."""
        begins: int | None = self._all("SELECT min(time) FROM marks")[0][0]
        return begins

    def flaws(self, *, closed: bool = False) -> Flaws:
        """Return what is wrong with the segments; ``closed``: it is known that nobody writes."""
        broken = self.broken()
        found = {path: segments.inspect(path, closed=closed) for path in broken}
        return Flaws(
            bad=sum(_bad(found[path], lines) for path, lines in broken.items()),
            torn=sum(flaw.torn for flaw in found.values()),
        )

    def broken(self) -> dict[str, int]:
        """Return how many lines are no record, by segment."""
        return self.files(_IS_BROKEN)

    def gaps(self) -> tuple[Gap, ...]:
        """Return what the writers noted as lost."""
        noted = list(self.files("record = 'gap'"))
        return tuple(Gap(*row) for row in self._all(GAPS_OF.format(lines_of(noted))))

    def peppers(self) -> tuple[str, ...]:
        """Return the ids of the peppers of the uses."""
        rows = self._all(f"SELECT DISTINCT pepper_id FROM marks WHERE {IS_USE}")
        return tuple(pepper for (pepper,) in rows if pepper is not None)

    def files(self, where: str) -> dict[str, int]:
        """Return the segments with marked lines and how many each has."""
        return dict(self._all(f"SELECT filename, count(*) FROM marks WHERE {where} GROUP BY ALL"))

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()


def _is_much(paths: Sequence[str]) -> bool:
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) > _MOST_IN_MEMORY


def _bad(flaws: segments.Flaws, broken: int) -> int:
    """Of the lines that DuckDB found broken, one may be a last line that is being written."""
    return min(max(flaws.bad, broken - 1), broken)
