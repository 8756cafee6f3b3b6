"""What a segment holds beside uses: the audit's own records, and lines that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail.journal.segment import RECORD_START, private_directory
from keytrail.store import disk
from keytrail.store.segments import is_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_REFUSED: Final = "refused"
_TABLE: Final = (
    "CREATE TEMP TABLE records"
    "(record VARCHAR, time BIGINT, reason VARCHAR, attributes VARCHAR, span VARCHAR)"
)


class _Record(NamedTuple):
    record: str
    time: int
    reason: str | None
    attributes: str
    line: str


def load_records(connection: DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Create the table ``records`` of the audit's own lines in segments, each with its text."""
    connection.execute(_TABLE)
    rows = [record for path in paths for record in _records(path)]
    if rows:
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)


def _records(path: str) -> Iterator[_Record]:
    with open(path, "rb") as segment:
        for line in segment:
            if line.startswith(RECORD_START) and is_record(line):
                yield _record(json.loads(line), line.decode().rstrip("\n"))


def _record(said: dict[str, Any], line: str) -> _Record:
    time, reason = said.get("time"), said.get("reason")
    return _Record(
        record=str(said["record"]),
        time=time if isinstance(time, int) and abs(time) < 2**63 else 0,
        reason=reason if isinstance(reason, str) else None,
        attributes=json.dumps(said.get("attributes", {}), ensure_ascii=False),
        line=line,
    )


def keep_broken(home: Path, path: str) -> None:
    """Keep the lines of a segment that are no record under ``refused/``, as they are.

    Raises:
        OSError: they cannot be read, or not be written.
    """
    name = path.rpartition("/")[2]
    kept = private_directory(home, _REFUSED) / name
    if kept.exists():
        return
    with open(path, "rb") as segment:
        broken = b"".join(line for line in segment if not is_record(line))
    disk.replace(kept, broken)
