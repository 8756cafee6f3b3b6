"""Who holds what: which key goes from which service to which host, and on whose behalf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.questions.answer import Answer
from keytrail.questions.filters import Filters, read_filters
from keytrail.sources.source import FLOW_COLUMNS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keytrail.sources.source import Source


def flow(source: Source, **filters: Unpack[Filters]) -> Answer:
    """Return one row per key, service, host and caller, the last used first.

    The filters are of the outgoing use. ``behalf_…`` is of the incoming use during which it was
    made, empty where the service acted of its own accord or its caller came without a key.

    Raises:
        QuestionError: a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    asked = read_filters(source, filters)
    found = source.flows(asked.wanted)
    return Answer({"name": "flow", **asked.shown}, FLOW_COLUMNS, found.rows, found.completeness)
