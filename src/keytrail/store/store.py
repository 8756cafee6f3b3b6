"""The uses of a home as one relation: live segments and sealed files together."""

# ruff: noqa: S608 - SQL is put together from constants here, paths come quoted from reading.py

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb

from keytrail.journal.columns import COLUMNS
from keytrail.store import manifest, overlong, segments
from keytrail.store.errors import StoreError
from keytrail.store.homes import homes_in
from keytrail.store.live import GAPS_OF, IDENTITY, Flaws, Gap, Live
from keytrail.store.reading import HASHES, MEMORY, connect, lines_of, sealed_rows, sealed_uses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from keytrail.store.manifest import Entry, Manifest, SealedFile

_READINGS: Final = 5
_NO_USES: Final = f"SELECT * EXCLUDE (record, filename) FROM ({lines_of(())})"
_SAME_USE: Final = (
    "m.identity IS NOT NULL AND m.time = s.time AND m.identity = hash(s.trace_id, s.span_id)"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one reading of the store found beside the uses."""

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
    damaged: tuple[str, ...] = ()
    """Sealed files that are missing or not as long as they were."""
    cut: tuple[str, ...] = ()
    """Manifests that lack lines, so that sealed files may not be known."""
    removed: tuple[Entry, ...] = ()
    """What retention and erasure took out of the sealed files."""


@dataclass(frozen=True, slots=True)
class _Found:
    live: tuple[str, ...]
    unreadable: int
    sealed: tuple[tuple[str, SealedFile], ...]
    damaged: tuple[str, ...]
    cut: tuple[str, ...]
    removed: tuple[Entry, ...]


class Store:
    """One reading of all that was journaled in ``home``, or in the homes within it.

    The relation ``uses`` has the columns of a use, ``attributes`` and ``span``, one row a use: a
    use that was written twice counts once, and its later line wins; ``uses_and_hashes`` has the
    columns of :data:`keytrail.store.reading.HASHES` too. Only ``columns`` are read where they are
    given. Segments are read once, now: what becomes of them afterwards is no matter. A sealed file
    that goes away, because others took its place, makes a query raise ``duckdb.IOException``: read
    again.

    Raises:
        StoreError: the home cannot be read.
    """

    def __init__(
        self, home: Path, columns: Collection[str] | None = None, memory: str = MEMORY
    ) -> None:
        self._columns = columns
        for _ in range(_READINGS - 1):
            with suppress(duckdb.IOException, FileNotFoundError):
                self._read(home, memory)
                return
        self._read(home, memory)

    def _read(self, home: Path, memory: str) -> None:
        self._found = _find(home)
        self._spill = tempfile.TemporaryDirectory(prefix="keytrail-")
        self.connection = connect(self._spill.name, memory)
        try:
            self._live = self._read_live()
            self._create_uses()
            self.condition = self._examine()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back memory and temporary files; may be called twice."""
        self.connection.close()
        self._spill.cleanup()

    def execute(self, sql: str, values: Sequence[object] = ()) -> None:
        """Run ``sql`` over ``uses``; its rows must be fetched before the next query."""
        self.connection.execute(sql, values)

    def fetch(self, most: int) -> list[tuple[Any, ...]]:
        """Return the next rows of the last ``execute``; empty after the last one."""
        return self.connection.fetchmany(most)

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Return every row of ``sql``."""
        return self.connection.execute(sql).fetchall()

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments that were read."""
        return self._found.live

    @property
    def sealed(self) -> tuple[str, ...]:
        """The sealed files that a query reads."""
        return tuple(path for path, _ in self._found.sealed)

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that a query reads."""
        kept = None if self._live is None else self._live.kept
        return self.sealed if kept is None else (*self.sealed, kept)

    def _read_live(self) -> Live | None:
        paths = self._found.live
        if not paths:
            return None
        columns = (*COLUMNS, *HASHES) if self._columns is None else self._columns
        try:
            return Live(self.connection, paths, columns, self._spill.name)
        except duckdb.InvalidInputException:
            copies = overlong.replaced(paths, self._spill.name)
            return Live(self.connection, list(copies.values()), columns, self._spill.name)

    def _create_uses(self) -> None:
        parts = [*self._live_uses(), *self._sealed_uses()] or [_NO_USES]
        self.execute(f"CREATE TEMP VIEW uses_and_hashes AS {' UNION ALL BY NAME '.join(parts)}")
        hashes = [name for name in HASHES if self._columns is None or name in self._columns]
        without = f" EXCLUDE ({', '.join(hashes)})" if hashes else ""
        self.execute(f"CREATE TEMP VIEW uses AS SELECT *{without} FROM uses_and_hashes")

    def _live_uses(self) -> Iterator[str]:
        if self._live is not None:
            yield self._live.uses()

    def _sealed_uses(self) -> Iterator[str]:
        paths = [path for path, _ in self._found.sealed]
        if paths:
            columns = "* EXCLUDE (record)"
            if self._columns is not None:
                columns = ", ".join(sorted({"time", "pepper_id", *self._columns}))
            yield f"SELECT {columns} FROM ({sealed_uses(paths)}){self._unless_live()}"

    def _unless_live(self) -> str:
        """A use may be sealed when its writer writes a later line of it; the later line wins."""
        if self._live is None:
            return ""
        oldest = self._live.begins()
        recent = [path for path, file in self._found.sealed if file.last >= (oldest or 0)]
        if oldest is None or not recent:
            return ""
        self.execute(
            "CREATE TEMP TABLE overtaken AS SELECT m.identity "
            f"FROM ({sealed_rows(recent)}) s, marks m WHERE s.time >= {oldest} AND {_SAME_USE}"
        )
        if not self.all("FROM overtaken LIMIT 1"):
            return ""
        return f" WHERE NOT coalesce({IDENTITY} IN (FROM overtaken), false)"

    def _examine(self) -> Condition:
        files = [file for _, file in self._found.sealed]
        live = self._live
        begins = [file.first for file in files] + ([] if live is None else [live.begins()])
        flaws = Flaws(0, 0) if live is None else live.flaws()
        peppers = {pepper for file in files for pepper in file.peppers}
        gaps = self._sealed_gaps()
        if live is not None:
            peppers.update(live.peppers())
            gaps += live.gaps()
        return Condition(
            begins=min((moment for moment in begins if moment is not None), default=None),
            unreadable=self._found.unreadable,
            bad=flaws.bad + sum(file.bad for file in files),
            torn=flaws.torn + sum(file.torn for file in files),
            gaps=tuple(sorted(gaps, key=lambda gap: (gap.time, gap.reason, gap.uses))),
            peppers=tuple(sorted(peppers)),
            damaged=self._found.damaged,
            cut=self._found.cut,
            removed=self._found.removed,
        )

    def _sealed_gaps(self) -> tuple[Gap, ...]:
        noted = [path for path, file in self._found.sealed if file.gaps]
        if not noted:
            return ()
        rows = f"SELECT * REPLACE (attributes::JSON AS attributes) FROM ({sealed_rows(noted)})"
        return tuple(Gap(*row) for row in self.all(GAPS_OF.format(rows)))


def _find(home: Path) -> _Found:
    """Look again where a sealed file went away because others took its place meanwhile."""
    homes = homes_in(home)
    while True:
        live = [_segments(one) for one in homes]
        manifests = [manifest.read(one) for one in homes]
        found = _put_together(homes, live, manifests)
        if not found.damaged or manifests == [manifest.read(one) for one in homes]:
            return found


def _put_together(
    homes: Sequence[Path], live: Sequence[segments.Segments], manifests: Sequence[Manifest]
) -> _Found:
    """The segments were listed before the manifest was read: what was sealed since is in both."""
    sealed = [
        (os.path.join(one, file.path), file)
        for one, told in zip(homes, manifests, strict=True)
        for file in told.files
    ]
    whole = [(path, file) for path, file in sealed if _is_whole(path, file)]
    return _Found(
        live=tuple(
            path
            for one, found, told in zip(homes, live, manifests, strict=True)
            for path in found.readable
            if os.path.relpath(path, one) not in told.replaced
        ),
        unreadable=sum(found.unreadable for found in live),
        sealed=tuple(whole),
        damaged=tuple(path for path, file in sealed if (path, file) not in whole),
        cut=tuple(
            str(one / manifest.NAME)
            for one, told in zip(homes, manifests, strict=True)
            if told.is_cut
        ),
        removed=tuple(
            entry for told in manifests for entry in told.entries if entry.event in _REMOVES
        ),
    )


_REMOVES: Final = ("drop", "erase")


def _is_whole(path: str, file: SealedFile) -> bool:
    try:
        return os.stat(path).st_size == file.bytes
    except FileNotFoundError:
        return False


def _segments(home: Path) -> segments.Segments:
    try:
        return segments.find(home)
    except OSError as error:
        raise StoreError(
            f"the journal in {home} cannot be read: {error.strerror}\n"
            "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME"
        ) from None
