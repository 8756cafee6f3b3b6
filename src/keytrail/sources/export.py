"""All uses of a time, the oldest first: whole from the journal, their columns from elsewhere."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from keytrail.sources.completeness import judge
from keytrail.sources.conditions import condition
from keytrail.sources.local import TOO_SLOW
from keytrail.sources.source import USE_COLUMNS, CannotAnswer
from keytrail.store import delivered, exporting
from keytrail.store.errors import StoreError
from keytrail.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.sources.limits import Limits
    from keytrail.sources.source import Completeness, Filter, Row, Source


@dataclass(frozen=True, slots=True)
class Export:
    """Uses to be written out, once, in one of three ways."""

    origin: str
    """Where they are from."""
    completeness: Completeness
    missing: str | None
    """What should be in it and is not, in words."""
    lines: Callable[[], Iterator[dict[str, Any]]]
    """Each use by column, without what is not known."""
    to_parquet: Callable[[Path], int]
    """Writes a file, and returns how many."""
    spans: Callable[[], Iterator[ReadableSpan | None]] | None = None
    """Each use as the span that it was; ``None`` where it was none."""


@contextmanager
def of_journal(home: Path, wanted: Filter, limits: Limits) -> Iterator[Export]:
    """Give what the journal in ``home`` has.

    Raises:
        CannotAnswer: it cannot be read, now or while the uses are written.
    """
    with (
        _telling(),
        closing(Store(home)) as store,
        limits.interrupting(store.connection.interrupt),
    ):
        chosen = (store, *condition(store, wanted))
        deliveries = delivered.read(home, wanted.since, wanted.until)
        yield Export(
            origin=f"the journal in {home}",
            completeness=judge(wanted, time.time_ns(), home, store.condition, deliveries),
            missing=_missing(store),
            lines=partial(exporting.lines, *chosen),
            to_parquet=partial(exporting.to_parquet, *chosen),
            spans=partial(exporting.spans, *chosen),
        )


@contextmanager
def of_source(source: Source, origin: str, wanted: Filter) -> Iterator[Export]:
    """Give what ``source`` has, which is at ``origin``.

    Raises:
        CannotAnswer: it cannot be read, now or while the uses are written.
    """
    with _telling():
        found = source.uses(wanted, None, oldest_first=True)
        is_cut = found.completeness.worth == "truncated"
        lines = _lines(found.rows)
        yield Export(
            origin=origin,
            completeness=found.completeness,
            missing="more uses may match than were read" if is_cut else None,
            lines=lambda: lines,
            to_parquet=partial(exporting.lines_to_parquet, lines, USE_COLUMNS),
        )


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise CannotAnswer(str(error)) from None
    except duckdb.InterruptException:
        raise CannotAnswer(TOO_SLOW) from None
    except duckdb.Error as error:
        raise CannotAnswer(
            f"the export did not end: {str(error).splitlines()[0]}\n"
            "hint: export again; `keytrail verify` tells whether a sealed file was changed"
        ) from None


def _missing(store: Store) -> str | None:
    condition = store.condition
    lost = len(condition.damaged) + len(condition.cut) + condition.unreadable
    if lost:
        return f"{lost:,} of the journal's files are missing, cut or not to be read by this user"
    return None


def _lines(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        pairs = zip(USE_COLUMNS, row, strict=True)
        yield {column: value for column, value in pairs if value is not None}
