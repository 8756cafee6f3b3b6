"""Closed segments become sealed files: written, brought onto the disk, listed, then deleted.

A process that dies between any two of these steps leaves a store that holds every use once: until
the manifest's line is written the segments count, from then on the sealed files.
"""

# ruff: noqa: S608 - SQL is put together from names of our own columns, and paths that are quoted

from __future__ import annotations

import os
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb

from keytrail.journal.segment import now, utc_day
from keytrail.store import overlong, sealable, sealed
from keytrail.store.closed import Closed
from keytrail.store.errors import StoreError
from keytrail.store.kept import keep_broken, load_records
from keytrail.store.ledger import opened
from keytrail.store.live import IDENTITY, IS_USE, Flaws
from keytrail.store.reading import SEALING_MEMORY, connect, quoted, sealed_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from keytrail.store.ledger import Ledger
    from keytrail.store.manifest import SealedFile
    from keytrail.store.signing import Signer

DAY: Final = 24 * 3600 * 10**9
_NO_FLAWS: Final = Flaws(0, 0)
_NOWHERE: Final = (
    "SELECT NULL::VARCHAR AS filename, NULL::UBIGINT AS identity, false AS has_ended WHERE false"
)
_NOT_ENDED: Final = "NOT coalesce(identity IN (SELECT identity FROM ended), false)"
_MOST_USES: Final = 4_000_000
"""A sealed file of more is not written again to take in new uses."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What one sealing did."""

    segments: int = 0
    files: int = 0
    uses: int = 0

    def __add__(self, other: Sealing) -> Sealing:
        return Sealing(
            self.segments + other.segments, self.files + other.files, self.uses + other.uses
        )


def seal(home: Path, signer: Signer) -> Sealing:
    """Seal every closed segment of ``home`` that waits for no delivery; return what was done.

    Raises:
        StoreError: the store cannot be changed; it is as it was.
    """
    done = Sealing()
    with opened(home, signer) as ledger:
        while (step := _seal_some(ledger)) is not None:
            done += step
    return done


def _seal_some(ledger: Ledger) -> Sealing | None:
    with sealable.held(ledger.home) as segments:
        if not segments:
            return None
        names = [os.path.relpath(path, ledger.home) for path in segments]
        with batch(ledger, [str(path) for path in segments]) as one:
            files, folded = one.write()
            ledger.commit("seal", files, [*names, *(file.path for file in folded)])
            _remove_empty(segments)
            return Sealing(len(segments), len(files), one.uses)


def _remove_empty(segments: Sequence[Path]) -> None:
    for directory in {path.parent for path in segments}:
        if directory.name < utc_day(now()):
            with suppress(OSError):
                directory.rmdir()


@contextmanager
def batch(ledger: Ledger, paths: Sequence[str]) -> Iterator[Batch]:
    """Read the segments at ``paths`` for sealing.

    Raises:
        StoreError: they cannot be read, or the sealed files not be written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="keytrail-") as spill,
        closing(connect(spill, SEALING_MEMORY)) as connection,
    ):
        try:
            yield Batch(connection, ledger, paths, spill)
        except duckdb.Error as error:
            raise StoreError(
                f"the journal in {ledger.home} cannot be sealed: {str(error).splitlines()[0]}\n"
                "hint: nothing is lost; free disk space in the home and in TMPDIR, and seal again"
            ) from None


class Batch:
    """Segments on their way into sealed files, a file a day."""

    def __init__(
        self, connection: DuckDBPyConnection, ledger: Ledger, paths: Sequence[str], spill: str
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._spill = spill
        self._copies: dict[str, str] = {}
        self._live = self._read(paths)
        for path in self._live.broken():
            keep_broken(ledger.home, self._copies.get(path, path))
        load_records(connection, paths)
        connection.execute("SET preserve_insertion_order = false")
        self._compare_with_sealed()
        self.uses = self._count(
            "SELECT count(DISTINCT identity) + count(*) FILTER (identity IS NULL) FROM marks "
            f"WHERE {IS_USE} AND {_NOT_ENDED}"
        )

    def _read(self, paths: Sequence[str]) -> Closed:
        try:
            return Closed(self._connection, paths, self._spill)
        except duckdb.InvalidInputException:
            read = overlong.replaced(paths, self._spill)
            self._copies = {copy: path for path, copy in read.items()}
            return Closed(self._connection, list(read.values()), self._spill)

    def _count(self, sql: str) -> int:
        counted: int = self._connection.execute(sql).fetchall()[0][0]
        return counted

    def write(self) -> tuple[list[SealedFile], list[SealedFile]]:
        """Write the files; return them, and the older ones whose rows they have taken over."""
        overtaken = self._files_overtaken()
        flaws = self._live.flaws(closed=True)
        written: list[SealedFile] = []
        folded: list[SealedFile] = []
        for day in self._days():
            older = self._folded(day, overtaken)
            taken = sum((_flaws(file) for file in older), _NO_FLAWS if written else flaws)
            file = self._write_day(day, older, taken)
            folded += older
            if file is not None:
                written.append(file)
        self._check(written, folded)
        return written, folded

    def _check(self, written: Sequence[SealedFile], folded: Sequence[SealedFile]) -> None:
        """Before anything is deleted: what was read stands in what was written.

        Raises:
            StoreError: it does not.
        """
        overtaken = self._count("SELECT count(*) FROM overtaken")
        expected = self.uses + sum(file.uses for file in folded) - overtaken
        found = sum(file.uses for file in written)
        if found != expected:
            raise StoreError(
                f"the journal in {self._ledger.home} cannot be sealed: {expected} uses were read, "
                f"{found} written\nhint: nothing is lost; run `keytrail verify`, then seal again"
            )

    def _days(self) -> list[int]:
        """Days that lines belong to, and those of uses that they overtake; since 1970."""
        rows = self._connection.execute(
            f"SELECT DISTINCT time // {DAY} FROM "
            "(SELECT time FROM marks WHERE time IS NOT NULL AND record IS NULL "
            "UNION ALL SELECT time FROM records) ORDER BY ALL"
        ).fetchall()
        return [day for (day,) in rows]

    def _compare_with_sealed(self) -> None:
        """Find the uses that are sealed already.

        Of some a segment has a later line; some have ended there, and an import tells again what
        was told while they ran.
        """
        oldest = self._live.begins()
        recent = [
            str(self._ledger.home / file.path)
            for file in self._ledger.manifest.files
            if oldest is not None and file.last >= oldest
        ]
        found = _NOWHERE
        if recent:
            found = (
                "SELECT s.filename, m.identity, bool_and(coalesce(m.outcome, '') = 'unknown') "
                "AND bool_or(coalesce(s.outcome, '') != 'unknown') AS has_ended "
                f"FROM ({sealed_rows(recent)}) s, marks m "
                f"WHERE s.record IS NULL AND s.time >= {oldest} AND m.record IS NULL "
                "AND m.time = s.time AND m.identity = hash(s.trace_id, s.span_id) GROUP BY ALL"
            )
        self._connection.execute(f"CREATE TEMP TABLE sealed_before AS {found}")
        for name, has_ended in (("ended", "has_ended"), ("overtaken", "NOT has_ended")):
            self._connection.execute(
                f"CREATE TEMP TABLE {name} AS "
                f"SELECT filename, identity FROM sealed_before WHERE {has_ended}"
            )

    def _files_overtaken(self) -> set[str]:
        files = self._connection.execute("SELECT DISTINCT filename FROM overtaken").fetchall()
        return {os.path.basename(path) for (path,) in files}

    def _folded(self, day: int, overtaken: set[str]) -> list[SealedFile]:
        """Return the files of ``day`` to write again.

        Those overtaken, and those not much larger than what comes to them: so a day has few files,
        and no use is written often.
        """
        new = self._count(f"SELECT count(*) FROM marks WHERE time // {DAY} = {day}")
        of_day = [file for file in self._ledger.manifest.files if file.first // DAY == day]
        folded = []
        for file in sorted(of_day, key=lambda file: file.uses):
            if file.name in overtaken or file.uses <= min(2 * new, _MOST_USES):
                folded.append(file)
                new += file.uses
        return folded

    def _write_day(self, day: int, older: Sequence[SealedFile], flaws: Flaws) -> SealedFile | None:
        within = f"WHERE time // {DAY} = {day}"
        paths = list(self._live.files(f"time // {DAY} = {day}"))
        rows = (
            f"SELECT * FROM ({sealed.of_uses(self._live.whole_uses(paths))}) {within} AND "
            f"NOT coalesce({IDENTITY} IN (SELECT identity FROM ended), false) "
            f"UNION ALL BY NAME SELECT * FROM records {within}"
        )
        if older:
            rows = self._with_older(day, rows, older)
        return sealed.write(self._connection, self._ledger, utc_day(day * DAY), rows, flaws)

    def _with_older(self, day: int, rows: str, older: Sequence[SealedFile]) -> str:
        """Read the lines first: beside older rows, all of them sorted, takes much more memory."""
        new = os.path.join(self._spill, f"{day}.parquet")
        self._connection.execute(f"COPY ({rows}) TO {quoted(new)} (FORMAT parquet)")
        files = [new, *(str(self._ledger.home / file.path) for file in older)]
        return (
            f"SELECT * EXCLUDE (filename) FROM ({sealed_rows(files)}) "
            f"WHERE filename = {quoted(new)} OR NOT coalesce(record IS NULL "
            "AND hash(trace_id, span_id) IN (SELECT identity FROM overtaken), false)"
        )


def _flaws(file: SealedFile) -> Flaws:
    return Flaws(file.bad, file.torn)
