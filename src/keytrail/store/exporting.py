"""Uses out of the store, whole: as spans again, as the lines they were, or as Parquet."""

# ruff: noqa: S608 - SQL is put together from names of our own columns, and paths that are quoted

from __future__ import annotations

import json
import os
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import duckdb

from keytrail.journal.codec import decode
from keytrail.journal.columns import COLUMNS
from keytrail.journal.records import UNKNOWN, Origin, read_origin
from keytrail.journal.segment import RECORD_START
from keytrail.store.reading import connect, lines_of, quoted, sealed_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.store.store import Store

WHOLE_COLUMNS: Final = tuple(name for name in COLUMNS if name != "record")
_ROWS_AT_ONCE: Final = 2000


def to_parquet(store: Store, where: str, values: Sequence[object], path: Path) -> int:
    """Write the uses that match ``where`` into ``path``, the oldest first; return how many."""
    rows = f"SELECT {', '.join(WHOLE_COLUMNS)} FROM uses WHERE {where} ORDER BY time"
    store.execute(
        f"COPY ({rows}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)", values
    )
    written: int = store.fetch(1)[0][0]
    return written


def lines_to_parquet(lines: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> int:
    """Write uses by column into ``path`` in their order; return how many."""
    with (
        tempfile.TemporaryDirectory(prefix="keytrail-") as spill,
        closing(connect(spill)) as connection,
    ):
        text = os.path.join(spill, "uses.ndjson")
        with open(text, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM ({lines_of([text])})) "
            f"TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )
        written: int = connection.fetchall()[0][0]
    return written


def lines(store: Store, where: str, values: Sequence[object]) -> Iterator[dict[str, Any]]:
    """Yield the uses that match ``where``, the oldest first, as the lines they were written as."""
    store.execute(
        f"SELECT {', '.join(WHOLE_COLUMNS)} FROM uses WHERE {where} ORDER BY time", values
    )
    while rows := store.fetch(_ROWS_AT_ONCE):
        for row in rows:
            yield _line(dict(zip(WHOLE_COLUMNS, row, strict=True)))


def _line(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("attributes", "span"):
        row[name] = json.loads(row[name] or "{}")
    return {name: value for name, value in row.items() if value is not None}


def spans(store: Store, where: str, values: Sequence[object]) -> Iterator[ReadableSpan | None]:
    """Yield the uses that match ``where`` as the spans they were; ``None`` for what was none.

    Raises:
        duckdb.IOException: a segment has gone away.
    """
    origins = dict(_origins(store))
    for line in lines(store, where, values):
        yield _span(line, origins)


def _span(line: dict[str, Any], origins: Mapping[str, Origin]) -> ReadableSpan | None:
    try:
        return decode(line, origins.get(line["span"]["origin"], UNKNOWN))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _origins(store: Store) -> Iterator[tuple[str, Origin]]:
    for text in _origin_lines(store):
        if (named := _origin(text)) is not None:
            yield named


def _origin(text: str | bytes) -> tuple[str, Origin] | None:
    try:
        record = json.loads(text)
        return (record["origin"], read_origin(record)) if record["record"] == "origin" else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _origin_lines(store: Store) -> Iterator[str | bytes]:
    if store.sealed:
        rows = store.all(
            f"SELECT DISTINCT span FROM ({sealed_rows(store.sealed)}) WHERE record = 'origin'"
        )
        yield from (text for (text,) in rows)
    for path in store.segments:
        yield from _records_in(path)


def _records_in(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as segment:
            yield from (line for line in segment if line.startswith(RECORD_START))
    except FileNotFoundError:
        raise duckdb.IOException(f"{path} has been delivered or sealed meanwhile") from None
