"""The uses in the live segments as one relation, read while writers write."""

# ruff: noqa: S608 - SQL is put together from constants here, paths come quoted from reading.py

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keytrail.store import segments
from keytrail.store.reading import connect, lines_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

_MARKS: Final = ("filename", "record", "time", "pepper_id")
_IS_USE: Final = "record IS NULL AND time IS NOT NULL"
_IS_BROKEN: Final = "record IS NULL AND time IS NULL"
_IDENTITY: Final = (
    "CASE WHEN trace_id IS NOT NULL AND span_id IS NOT NULL THEN hash(trace_id, span_id) END"
)
_IS_REPEATED: Final = f"coalesce({_IDENTITY} IN (FROM repeated), false)"
_USES_OF: Final = f"SELECT * EXCLUDE (record, filename, span) FROM ({{}}) WHERE {_IS_USE}"


class StoreError(Exception):
    """The journal cannot be read; says what, where, and a hint."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the record that its writer noted."""

    time: int
    """When it was noted, Unix nanoseconds."""
    reason: str
    uses: int
    """How many were lost."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one reading of the live segments found beside the uses."""

    begins: int | None
    """Unix nanoseconds of the oldest record; ``None`` for an empty journal."""
    unreadable: int
    """Segments that could not be read."""
    bad: int
    """Whole lines that are no record."""
    torn: int
    """Segments whose last line was cut short when its writer died."""
    gaps: tuple[Gap, ...]
    peppers: tuple[str, ...]
    """The ids of the peppers under which keys were fingerprinted."""


class LiveStore:
    """One reading of the live segments under ``home``.

    The relation ``uses`` has the columns of a use, one row a use: a use that was written twice
    counts once, and its later line wins. A query that says beforehand which few ``columns`` it
    reads spares a second reading of the lines, unless some were written twice. A segment that goes
    away meanwhile, because it was delivered, makes a query raise ``duckdb.IOException``: read
    again.

    Raises:
        StoreError: the journal's directory cannot be listed.
        duckdb.InvalidInputException: a segment holds a line of more than 16 MiB.
    """

    def __init__(self, home: Path, columns: Collection[str] | None = None) -> None:
        self._columns = None if columns is None else sorted({*columns, *_MARKS})
        found = _find(home)
        self._spill = tempfile.TemporaryDirectory(prefix="keytrail-")
        self._connection = connect(self._spill.name)
        try:
            self._create_marks(found.readable)
            self._create_uses(found.readable)
            self.condition = self._examine(found)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back memory and temporary files; may be called twice."""
        self._connection.close()
        self._spill.cleanup()

    def execute(self, sql: str, values: Sequence[object] = ()) -> None:
        """Run ``sql`` over ``uses``; its rows must be fetched before the next query."""
        self._connection.execute(sql, values)

    def fetch(self, most: int) -> list[tuple[Any, ...]]:
        """Return the next rows of the last ``execute``; empty after the last one."""
        return self._connection.fetchmany(most)

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Return every row of ``sql``."""
        return self._connection.execute(sql).fetchall()

    def _create_marks(self, paths: Sequence[str]) -> None:
        """One narrow row a line: enough to find copies, broken lines and the audit's own."""
        self.execute(f"CREATE TEMP VIEW lines AS {lines_of(paths)}")
        columns = ", ".join(self._columns or _MARKS)
        self.execute(
            f"CREATE TEMP TABLE marks AS SELECT {columns}, {_IDENTITY} AS identity FROM lines"
        )

    def _create_uses(self, paths: Sequence[str]) -> None:
        """Compare lines only of segments with an identity that stands twice: that is dear."""
        self.execute(
            "CREATE TEMP TABLE repeated AS SELECT identity FROM marks "
            f"WHERE identity IS NOT NULL AND {_IS_USE} GROUP BY identity HAVING count(*) > 1"
        )
        doubled = self._files("identity IN (FROM repeated)")
        if not doubled:
            source = "lines" if self._columns is None else "marks"
            columns = "*" if self._columns is None else ", ".join(self._columns)
            reading = f"SELECT {columns} FROM {source} WHERE {_IS_USE}"
            self.execute(f"CREATE TEMP VIEW uses AS {reading}")
            return
        lines = lines_of([path for path in paths if path in doubled])
        placed = f"SELECT *, row_number() OVER () AS place FROM ({lines})"
        self.execute(f"CREATE TEMP TABLE copies AS {_USES_OF.format(placed)} AND {_IS_REPEATED}")
        self.execute(
            f"CREATE TEMP VIEW uses AS {_USES_OF.format('FROM lines')} AND NOT {_IS_REPEATED} "
            "UNION ALL BY NAME SELECT * EXCLUDE (place) FROM copies "
            "QUALIFY row_number() OVER (PARTITION BY trace_id, span_id ORDER BY place DESC) = 1"
        )

    def _examine(self, found: segments.Segments) -> Condition:
        broken = self._files(_IS_BROKEN)
        flaws = {path: segments.inspect(path) for path in broken}
        return Condition(
            begins=self.all("SELECT min(time) FROM marks")[0][0],
            unreadable=found.unreadable,
            bad=sum(_bad(flaws[path], lines) for path, lines in broken.items()),
            torn=sum(flaw.torn for flaw in flaws.values()),
            gaps=self._gaps() if self._files("record = 'gap'") else (),
            peppers=self._peppers(),
        )

    def _files(self, where: str) -> dict[str, int]:
        """Return the segments with marked lines and how many each has."""
        return dict(self.all(f"SELECT filename, count(*) FROM marks WHERE {where} GROUP BY ALL"))

    def _peppers(self) -> tuple[str, ...]:
        rows = self.all(f"SELECT DISTINCT pepper_id FROM marks WHERE {_IS_USE} ORDER BY ALL")
        return tuple(pepper for (pepper,) in rows if pepper is not None)

    def _gaps(self) -> tuple[Gap, ...]:
        rows = self.all(
            "SELECT coalesce(time, 0), coalesce(reason, 'unknown'), "
            "coalesce(TRY_CAST(attributes->>'uses' AS BIGINT), 0) "
            "FROM lines WHERE record = 'gap' ORDER BY ALL"
        )
        return tuple(Gap(*row) for row in rows)


def _bad(flaws: segments.Flaws, broken: int) -> int:
    """Of the lines that DuckDB found broken, one may be a last line that is being written."""
    return min(max(flaws.bad, broken - 1), broken)


def _find(home: Path) -> segments.Segments:
    try:
        return segments.find(home)
    except OSError as error:
        raise StoreError(
            f"the journal in {home} cannot be read: {error.strerror}\n"
            "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME"
        ) from None
