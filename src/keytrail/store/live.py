"""The uses in live segments as one relation, read while writers write."""

# ruff: noqa: S608 - SQL is put together from constants here, paths come quoted from reading.py

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keytrail.store import segments
from keytrail.store.reading import lines_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from duckdb import DuckDBPyConnection

MARKS: Final = ("filename", "record", "time", "pepper_id")
IDENTITY: Final = (
    "CASE WHEN trace_id IS NOT NULL AND span_id IS NOT NULL THEN hash(trace_id, span_id) END"
)
_IS_USE: Final = "record IS NULL AND time IS NOT NULL"
_IS_BROKEN: Final = "record IS NULL AND time IS NULL"
_LATEST_FIRST: Final = (
    "coalesce(outcome, '') = 'unknown', "
    "CASE WHEN coalesce(outcome, '') = 'unknown' THEN duration END DESC NULLS LAST, place DESC"
)
"""Of lines with one identity, that of the ended use; of a running one, the longest."""
_IS_REPEATED: Final = f"coalesce({IDENTITY} IN (FROM repeated), false)"
_USES_OF: Final = f"SELECT * EXCLUDE (record, filename) FROM ({{}}) WHERE {_IS_USE}"


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
    """One reading of the segments at ``paths``, oldest change first.

    One row a use: a use that was written twice counts once, and its later line wins. Leaves tables
    ``marks`` (one narrow row a line, with ``columns`` and ``identity``) and ``repeated``.

    Raises:
        duckdb.InvalidInputException: a segment holds a line of more than 16 MiB.
    """

    def __init__(
        self, connection: DuckDBPyConnection, paths: Sequence[str], columns: Collection[str] = ()
    ) -> None:
        self._connection = connection
        self._paths = paths
        self._columns = sorted({*columns, *MARKS})
        self._mark()
        self._doubled = self.files("identity IN (FROM repeated)")
        self._choose_copies()

    def _mark(self) -> None:
        self._connection.execute(
            f"CREATE TEMP TABLE marks AS SELECT {', '.join(self._columns)}, "
            f"{IDENTITY} AS identity FROM ({lines_of(self._paths)})"
        )
        self._connection.execute(
            "CREATE TEMP TABLE repeated AS SELECT identity FROM marks "
            f"WHERE identity IS NOT NULL AND {_IS_USE} GROUP BY identity HAVING count(*) > 1"
        )

    def _choose_copies(self) -> None:
        """Compare lines only of segments with an identity that stands twice: that is dear."""
        if not self._doubled:
            return
        lines = lines_of([path for path in self._paths if path in self._doubled])
        placed = f"SELECT *, row_number() OVER () AS place FROM ({lines})"
        self._connection.execute(
            f"CREATE TEMP TABLE copies AS SELECT * EXCLUDE (place) "
            f"FROM ({_USES_OF.format(placed)} AND {_IS_REPEATED}) "
            "QUALIFY row_number() OVER "
            f"(PARTITION BY trace_id, span_id ORDER BY {_LATEST_FIRST}) = 1"
        )

    def uses(self, paths: Sequence[str] | None = None) -> str:
        """Return the query for the uses, of the segments at ``paths`` or of all."""
        lines = lines_of(self._paths if paths is None else paths)
        if not self._doubled:
            return _USES_OF.format(lines)
        return f"{_USES_OF.format(lines)} AND NOT {_IS_REPEATED} UNION ALL BY NAME FROM copies"

    def marked_uses(self) -> str:
        """Return the query for the uses with only the columns that the marks have."""
        if self._doubled:
            return self.uses()
        return f"SELECT {', '.join(self._columns)} FROM marks WHERE {_IS_USE}"

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
        rows = self._all(f"SELECT DISTINCT pepper_id FROM marks WHERE {_IS_USE}")
        return tuple(pepper for (pepper,) in rows if pepper is not None)

    def files(self, where: str) -> dict[str, int]:
        """Return the segments with marked lines and how many each has."""
        return dict(self._all(f"SELECT filename, count(*) FROM marks WHERE {where} GROUP BY ALL"))

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()


def _bad(flaws: segments.Flaws, broken: int) -> int:
    """Of the lines that DuckDB found broken, one may be a last line that is being written."""
    return min(max(flaws.bad, broken - 1), broken)
