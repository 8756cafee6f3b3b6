"""What every question gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from keytrail.questions.filters import describe
from keytrail.semconv import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.sources.source import Completeness, Filter, Found, Row


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows under ``columns``, read once as they come, and how complete they are."""

    question: dict[str, str]
    """The question's name and what was asked for, as text that may be shown."""
    columns: tuple[str, ...]
    rows: Iterable[Row]
    completeness: Completeness


def answered(name: str, wanted: Filter, columns: tuple[str, ...], found: Found) -> Answer:
    """Return what was found as the answer to the question ``name``.

    A ``key`` that matches nothing is not shown again: it may be a raw key, given by mistake.
    """
    rows = iter(found.rows)
    first = next(rows, None)
    if first is None and wanted.key is not None:
        wanted = replace(wanted, key=REDACTED)
    return Answer(
        question={"name": name, **describe(wanted)},
        columns=columns,
        rows=() if first is None else chain((first,), rows),
        completeness=found.completeness,
    )
