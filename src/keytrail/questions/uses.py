"""Every use, one row each: who called what with which key, from where, with what result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.questions.answer import Answer
from keytrail.questions.errors import QuestionError
from keytrail.questions.filters import Filters, read_filters
from keytrail.sources.source import USE_COLUMNS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keytrail.sources.source import Source


def uses(source: Source, *, limit: int | None = None, **filters: Unpack[Filters]) -> Answer:
    """Return the newest ``limit`` uses that match every filter, newest first; all without one.

    Raises:
        QuestionError: a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    if limit is not None and limit < 1:
        raise QuestionError("--limit: this is no number of uses\nhint: give 1 or more")
    asked = read_filters(source, filters)
    found = source.uses(asked.wanted, limit)
    return Answer({"name": "uses", **asked.shown}, USE_COLUMNS, found.rows, found.completeness)
