"""One sealed file written: rows sorted by key and time, as small as they get."""

# ruff: noqa: S608 - SQL is put together from names of our own columns, and paths that are quoted

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.journal.columns import COLUMNS
from keytrail.store.manifest import SealedFile
from keytrail.store.reading import END, hashes_of, literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from keytrail.store.ledger import Ledger
    from keytrail.store.live import Flaws

SEALED_COLUMNS: Final = (*COLUMNS, "elapsed")
"""A span's end, which no two uses share, stands apart from its text: as nanoseconds since ``time``.

A record of the audit's own has its whole line in ``span``. Beside these, ``HASHES`` have columns.
"""
_ENDS: Final = f"TRY_CAST(nullif(regexp_extract(span, '{END}'), '')[7:] AS BIGINT)"
_ELAPSED: Final = (
    f"CASE WHEN abs({_ENDS}::HUGEINT - time) <= 1000000000000000 "
    f"AND '\"end\":' || {_ENDS} = regexp_extract(span, '{END}') THEN {_ENDS} - time END"
)


def of_uses(uses: str) -> str:
    """Return the query for uses, with the columns that lines have, as sealed files hold them."""
    named = ", ".join(name for name in COLUMNS if name not in ("record", "attributes", "span"))
    shortened = f"""regexp_replace(span, '{END}', '"end":0')"""
    return (
        f"SELECT NULL::VARCHAR AS record, {named}, attributes, "
        f"CASE WHEN elapsed IS NULL THEN span ELSE {shortened} END AS span, elapsed "
        f"FROM (SELECT *, {_ELAPSED} AS elapsed FROM (SELECT * REPLACE "
        f"(attributes::VARCHAR AS attributes, span::VARCHAR AS span) FROM ({uses})))"
    )


def write(
    connection: DuckDBPyConnection, ledger: Ledger, day: str, rows: str, flaws: Flaws
) -> SealedFile | None:
    """Write the sealed file of ``day`` from ``rows``, a query; ``None`` where there are none.

    Raises:
        OSError: the disk did not take it.
        duckdb.Error: the rows cannot be read, or the file not be written.
    """
    draft = ledger.draft(day)
    columns = ", ".join(SEALED_COLUMNS)
    connection.execute(
        f"COPY (SELECT {columns}, {hashes_of('attributes')} FROM ({rows}) ORDER BY key, time) "
        f"TO {quoted(str(draft))} "
        "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd)"
    )
    told = _tell(connection, draft)
    if told is None:
        draft.unlink()
        return None
    uses, first, last, gaps, peppers = told
    name, size, digest = ledger.publish(draft)
    return SealedFile(
        name=name,
        bytes=size,
        sha256=digest,
        uses=uses,
        first=first,
        last=last,
        peppers=peppers,
        gaps=gaps,
        bad=flaws.bad,
        torn=flaws.torn,
    )


def _tell(
    connection: DuckDBPyConnection, draft: Path
) -> tuple[int, int, int, int, tuple[str, ...]] | None:
    rows, uses, first, last, gaps, peppers = connection.execute(
        "SELECT count(*), count(*) FILTER (record IS NULL), coalesce(min(time), 0), "
        "coalesce(max(time), 0), count(*) FILTER (record = 'gap'), "
        "list_sort(list(DISTINCT pepper_id) FILTER (pepper_id IS NOT NULL)) "
        f"FROM read_parquet({literal(str(draft))})"
    ).fetchall()[0]
    return (uses, first, last, gaps, tuple(peppers or ())) if rows else None
