"""What every question gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.sources.source import Completeness, Row


@dataclass(frozen=True, slots=True)
class Table:
    """A part of an answer that has several."""

    name: str
    title: str
    """What it shows, in words."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows under ``columns``, read once as they come, and how complete they are.

    Times are Unix nanoseconds, durations and latencies seconds; nothing is ``None``.
    """

    question: dict[str, str]
    """The question's name and what was asked for, as text that may be shown."""
    columns: tuple[str, ...]
    rows: Iterable[Row]
    completeness: Completeness
    tables: tuple[Table, ...] = ()
    """What else belongs to the answer."""
